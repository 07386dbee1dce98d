"""What Ollama refuses: wrong types, unknown roles, and what a model has no capability for."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from tests.fakes.model import Json, tokens, words
from tests.fakes.server import RefusalError, Request, json_answer

DEFAULT_CONTEXT = 4096
JSON_UTF8 = ("content-type", "application/json; charset=utf-8")
WHOLE = words("num_ctx num_predict num_keep seed top_k repeat_last_n num_batch")
REAL = words("temperature top_p min_p typical_p repeat_penalty presence_penalty frequency_penalty")


@dataclass(frozen=True, slots=True)
class Model:
    """A pulled model: its capabilities in `/api/show`'s words, and the context it was made for."""

    capabilities: tuple[str, ...] = ("completion", "tools")
    context: int = 131_072

    def can(self, what: str) -> bool:
        return what in self.capabilities


MODELS = {
    "llama3.2:latest": Model(),
    "qwen3:4b": Model(("completion", "tools", "thinking"), 40_960),
    "gemma3:4b": Model(("completion", "vision")),
    "tinyllama:latest": Model(("completion",), 2048),
    "nomic-embed-text:latest": Model(("embedding",), 2048),
    "qwen2.5-coder:latest": Model(("completion", "insert"), 32_768),
}


def refuse(message: str, status: int = 400) -> RefusalError:
    """Ollama's error: a plain string."""
    return RefusalError(json_answer({"error": message}, status, headers=(JSON_UTF8,)))


def body_of(request: Request) -> Json:
    """The body, if it is a JSON object."""
    try:
        body = request.json
    except ValueError:
        raise refuse("invalid character in the request body") from None
    if not isinstance(body, dict):
        raise refuse("json: cannot unmarshal into Go value of type api.ChatRequest")
    return body


def find_model(name: Any) -> tuple[str, Model]:
    """The pulled model of that name, whose tag may be left out."""
    if not isinstance(name, str) or not name:
        raise refuse("model is required")
    tagged = name if ":" in name else f"{name}:latest"
    if tagged not in MODELS:
        raise refuse(f'model "{name}" not found, try pulling it first', 404)
    return tagged, MODELS[tagged]


def parse(request: Request) -> Json:
    """The body of a chat request, if Ollama would take it."""
    return _checked(body_of(request))


def parse_generate(request: Request) -> Json:
    """The body of a request to go on with a text, and that text as a chat would have it."""
    body = body_of(request)
    name, model = find_model(body.get("model"))
    for field in ("prompt", "suffix", "system", "template"):
        if not isinstance(body.get(field, ""), str):
            raise _wrong(field, "string")
    if body.get("raw") and any(body.get(word) for word in ("template", "system", "context")):
        raise refuse("raw mode does not support template, system, or context")
    if body.get("suffix") and not model.can("insert"):
        raise refuse(f"registry.ollama.ai/library/{name} does not support insert")
    text = body.get("prompt", "") + (f" … {body['suffix']}" if body.get("suffix") else "")
    return _checked({**body, "messages": [{"role": "user", "content": text}]})


def _checked(body: Json) -> Json:
    name, model = find_model(body.get("model"))
    if not model.can("completion"):
        raise refuse(f'"{body["model"]}" does not support chat')
    messages = body.get("messages") or []
    if not isinstance(messages, list):
        raise _wrong("messages", "[]api.Message")
    for message in messages:
        _check_message(message, model)
    _check_options(body.get("options") or {})
    _check_tools(body, name, model)
    if not isinstance(body.get("stream", True), bool):
        raise _wrong("stream", "bool")
    think = body.get("think")
    if think not in (None, True, False, "low", "medium", "high", "max"):
        raise refuse(f'invalid think value: "{think}" (must be "high", "medium", "low", or bool)')
    if think and not model.can("thinking"):
        raise refuse(f'"{body["model"]}" does not support thinking')
    if body.get("format") not in (None, "", "json") and not isinstance(body["format"], dict):
        raise refuse('invalid format: expected "json" or a JSON Schema object')
    return body


def _wrong(field: str, kind: str) -> RefusalError:
    return refuse(f"json: cannot unmarshal into Go struct field ChatRequest.{field} of type {kind}")


def _check_message(message: Any, model: Model) -> None:
    if not isinstance(message, dict):
        raise _wrong("messages", "api.Message")
    if message.get("role") not in ("system", "user", "assistant", "tool"):
        raise refuse(f'invalid role: "{message.get("role")}"')
    for field in ("content", "thinking", "tool_name", "tool_call_id"):
        if not isinstance(message.get(field, ""), str):
            raise _wrong(f"messages.{field}", "string")
    if message["role"] == "tool" and not message.get("tool_name"):
        raise refuse("a tool message needs a tool_name")
    for image in message.get("images") or ():
        _check_image(image, model)
    for call in message.get("tool_calls") or ():
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise _wrong("messages.tool_calls", "api.ToolCall")
        if not isinstance(function.get("arguments"), dict):
            raise _wrong("messages.tool_calls.function.arguments", "map[string]interface {}")


def _check_image(image: Any, model: Model) -> None:
    try:
        base64.b64decode(image, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise refuse("illegal base64 data at input byte 4") from None
    if not model.can("vision"):
        raise refuse("this model is missing data required for image input")


def _check_options(options: Any) -> None:
    if not isinstance(options, dict):
        raise _wrong("options", "map[string]interface {}")
    for name, value in options.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if name in WHOLE and not (is_number and value == int(value)):
            raise refuse(f'option "{name}" must be of type integer')
        if name in REAL and not is_number:
            raise refuse(f'option "{name}" must be of type float32')
        if name == "stop" and not isinstance(value, list):
            raise refuse('option "stop" must be of type array')


def _check_tools(body: Json, name: str, model: Model) -> None:
    tools = body.get("tools") or []
    if tools and not model.can("tools"):
        raise refuse(f"registry.ollama.ai/library/{name} does not support tools")
    for tool in tools:
        parameters = tool.get("function", {}).get("parameters")
        if not isinstance(parameters, dict) or not isinstance(parameters.get("properties"), dict):
            raise _wrong("tools.function.parameters.properties", "map[string]api.ToolProperty")


def fit(body: Json) -> tuple[list[Json], int]:
    """The messages that fit into the context, without the oldest ones, and their tokens.

    Without `truncate: false` nobody is told: that is what Ollama does.
    """
    context = (body.get("options") or {}).get("num_ctx", DEFAULT_CONTEXT)
    messages = list(body.get("messages") or [])
    sizes = [len(tokens(message.get("content", ""))) + 4 for message in messages]
    if sum(sizes) > context and body.get("truncate") is False:
        raise refuse("the input length exceeds the context length")
    while len(messages) > 1 and sum(sizes) > context:
        drop = 1 if messages[0]["role"] == "system" and len(messages) > 2 else 0
        del messages[drop], sizes[drop]
    return messages, min(sum(sizes), context)
