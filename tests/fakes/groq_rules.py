"""What Groq refuses: the rules of its chat completions, as its documents and errors tell them."""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import dataclass
from typing import Any

from tests.fakes.model import Json, words
from tests.fakes.server import RefusalError, Request, json_answer

REQUEST_KEYS = words(
    "citation_options compound_custom disable_tool_validation documents exclude_domains "
    "frequency_penalty function_call functions include_domains include_reasoning "
    "max_completion_tokens max_tokens messages model n parallel_tool_calls presence_penalty "
    "reasoning_effort reasoning_format response_format search_settings seed service_tier stop "
    "stream stream_options temperature tool_choice tools top_p user"
)
NOT_SUPPORTED = ("logprobs", "top_logprobs", "logit_bias", "metadata", "store")
MESSAGE_KEYS = {
    "system": {"role", "content"},
    "user": {"role", "content"},
    "assistant": {"role", "content", "tool_calls", "reasoning"},
    "tool": {"role", "content", "tool_call_id"},
}
NUMBERS = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
    "max_completion_tokens": (1, math.inf),
    "max_tokens": (1, math.inf),
}
MOST_TOKENS = 32_768


@dataclass(frozen=True, slots=True)
class Model:
    """What a model of Groq can do; `efforts` are the words it takes for reasoning_effort."""

    tools: bool = True
    vision: bool = False
    json_schema: bool = False
    efforts: tuple[str, ...] = ()


MODELS = {
    "llama-3.3-70b-versatile": Model(),
    "llama-3.1-8b-instant": Model(),
    "openai/gpt-oss-20b": Model(json_schema=True, efforts=("low", "medium", "high")),
    "openai/gpt-oss-120b": Model(json_schema=True, efforts=("low", "medium", "high")),
    "qwen/qwen3-32b": Model(efforts=("none", "default")),
    "meta-llama/llama-4-scout-17b-16e-instruct": Model(vision=True, json_schema=True),
    "allam-2-7b": Model(tools=False),
}


def refuse(message: str, *, status: int = 400, code: str | None = None) -> RefusalError:
    """Groq's error envelope."""
    error: Json = {"message": message, "type": "invalid_request_error"}
    if code:
        error["code"] = code
    return RefusalError(json_answer({"error": error}, status))


def parse(request: Request) -> Json:
    """The body, if Groq would take it."""
    try:
        body = request.json
    except ValueError:
        raise refuse("could not parse the request body as JSON") from None
    if not isinstance(body, dict):
        raise refuse("the request body must be a JSON object")
    _check_keys(body)
    model = _check_model(body)
    _check_numbers(body)
    _check_messages(body["messages"], model)
    if len(body.get("tools") or ()) > 128:
        raise refuse("'tools' : maximum number of items is 128")
    _check_tools(body, model)
    _check_format(body, model)
    _check_reasoning(body, model)
    return body


def _check_keys(body: Json) -> None:
    for key, value in body.items():
        if key in NOT_SUPPORTED:
            if value:
                raise refuse(f"`{key}` is not supported with this model")
        elif key not in REQUEST_KEYS:
            raise refuse(f"property '{key}' is unsupported")
    if not isinstance(body.get("stream", False), bool | None):
        raise refuse("'stream' : value must be a boolean")
    if body.get("stream_options") is not None and not body.get("stream"):
        raise refuse("'stream_options' : only allowed with stream set to true")


def _check_model(body: Json) -> Model:
    name = body.get("model")
    if not isinstance(name, str):
        raise refuse("'model' : property 'model' is missing")
    if name not in MODELS:
        message = f"The model `{name}` does not exist or you do not have access to it."
        raise refuse(message, status=404, code="model_not_found")
    return MODELS[name]


def _check_numbers(body: Json) -> None:
    if body.get("n") not in (None, 1):
        raise refuse("'n' : number must be at most 1")
    for name, (least, most) in NUMBERS.items():
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refuse(f"'{name}' : value must be a number")
        if not least <= value <= most:
            raise refuse(f"'{name}' : number must be between {least} and {most}")
    if (body.get("max_completion_tokens") or body.get("max_tokens") or 0) > MOST_TOKENS:
        raise refuse(
            f"`max_tokens` must be less than or equal to `{MOST_TOKENS}`, the maximum value for "
            "`max_tokens` is less than the `context_window` for this model"
        )
    stop = body.get("stop")
    if isinstance(stop, list) and len(stop) > 4:
        raise refuse("'stop' : maximum number of items is 4")
    if body.get("service_tier") not in (None, "auto", "on_demand", "flex", "performance"):
        raise refuse("'service_tier' : value is not one of the allowed values")


def _check_messages(messages: Any, model: Model) -> None:
    if not isinstance(messages, list) or not messages:
        raise refuse("'messages' : minimum number of items is 1")
    known_ids: set[str] = set()
    for i, message in enumerate(messages):
        where = f"'messages.{i}'"
        role = message.get("role") if isinstance(message, dict) else None
        if role not in MESSAGE_KEYS:
            raise refuse(f"{where} : discriminator property 'role' has invalid value")
        for key in message:
            if key not in MESSAGE_KEYS[role]:
                raise refuse(
                    f"{where} : for 'role:{role}' the following must be satisfied"
                    f"[({where} : property '{key}' is unsupported)]"
                )
        _check_content(message, where, model)
        known_ids |= _check_calls(message, where)
        if role == "tool" and message.get("tool_call_id") not in known_ids:
            raise refuse(f"{where} : tool_call_id does not match any tool call before it")


def _check_content(message: Json, where: str, model: Model) -> None:
    content = message.get("content")
    if content is None or content == []:
        if message["role"] != "assistant" or not message.get("tool_calls"):
            raise refuse(f"{where} : property 'content' is missing")
    elif isinstance(content, list):
        if message["role"] != "user":
            raise refuse(f"{where}.content must be a string")
        for part in content:
            _check_part(part, where, model)
    elif not isinstance(content, str):
        raise refuse(f"{where}.content must be a string")


def _check_part(part: Any, where: str, model: Model) -> None:
    match part:
        case {"type": "text", "text": str(), **rest} if not rest:
            return
        case {"type": "image_url", "image_url": {"url": str(url), **rest}, **more} if not more:
            if set(rest) - {"detail"} or rest.get("detail", "auto") not in ("auto", "low", "high"):
                raise refuse(f"{where} : property of 'image_url' is unsupported")
            if not model.vision:
                raise refuse(f"{where}.content must be a string")
            if image(url) is None:
                raise refuse("invalid image data")
        case _:
            raise refuse(f"{where}.content : the part is of no supported type")


def image(url: str) -> tuple[str, int] | None:
    """MIME type and size of an image: inline, or by a URL, which the fake does not fetch."""
    if url.startswith("https://"):
        return "image/url", 0
    kind, comma, data = url.partition(";base64,")
    if not comma or not kind.startswith("data:image/"):
        return None
    try:
        return kind.removeprefix("data:"), len(base64.b64decode(data, validate=True))
    except ValueError:
        return None


def _check_calls(message: Json, where: str) -> set[str]:
    calls = message.get("tool_calls")
    if calls is None:
        return set()
    if not isinstance(calls, list) or not calls:
        raise refuse(f"{where} : 'tool_calls' : minimum number of items is 1")
    for call in calls:
        match call:
            case {
                "id": str(),
                "type": "function",
                "function": {"name": str(), "arguments": str(), **rest},
                **more,
            } if not rest and not more:
                continue
        raise refuse(f"{where} : 'tool_calls' : a call is not {{id,type,function}} of strings")
    return {call["id"] for call in calls}


def _check_function(function: Json, where: str) -> None:
    if set(function) - {"name", "description", "parameters", "strict"}:
        raise refuse(f"{where}' : a property is unsupported")
    if not re.fullmatch("[a-zA-Z0-9_-]{1,64}", function["name"]):
        raise refuse(f"{where}.name' : value does not match the pattern")


def _check_tools(body: Json, model: Model) -> None:
    tools = body.get("tools") or []
    if tools and not model.tools:
        raise refuse("`tool calling` is not supported with this model")
    for i, tool in enumerate(tools):
        if tool == {"type": "browser_search"} and body["model"].startswith("openai/gpt-oss"):
            continue
        function = tool.get("function")
        if set(tool) - {"type", "function"} or not isinstance(function, dict):
            raise refuse(f"'tools.{i}' : a property is unsupported")
        _check_function(function, f"'tools.{i}.function")
        if function.get("parameters", {}).get("type", "object") != "object":
            raise refuse(f"invalid JSON schema for tool {function['name']}: must be an object")
    names = [tool["function"]["name"] for tool in tools if "function" in tool]
    match body.get("tool_choice"):
        case None | "none" | "auto":
            return
        case "required" if tools:
            return
        case {"type": "function", "function": {"name": name}} if name in names:
            return
    raise refuse("'tool_choice' : does not fit the tools of the request")


def _check_format(body: Json, model: Model) -> None:
    match body.get("response_format"):
        case None | {"type": "text"}:
            return
        case {"type": "json_object"}:
            if "json" not in json.dumps(body["messages"]).lower():
                raise refuse(
                    "'messages' must contain the word 'json' in some form, to use "
                    "'response_format' of type 'json_object'."
                )
        case {"type": "json_schema", "json_schema": {"name": str(), "schema": dict(), **rest}}:
            if set(rest) - {"description", "strict"}:
                raise refuse("'response_format.json_schema' : a property is unsupported")
            if not model.json_schema:
                raise refuse("This model does not support response format `json_schema`.")
            if body.get("stream") or body.get("tools"):
                raise refuse("json_schema cannot be combined with streaming or tool use")
        case _:
            raise refuse("'response_format' : is of no supported type")


def _check_reasoning(body: Json, model: Model) -> None:
    effort, form = body.get("reasoning_effort"), body.get("reasoning_format")
    if effort is not None and effort not in model.efforts:
        known = " or ".join(f"`{word}`" for word in model.efforts)
        raise refuse(f"`reasoning_effort` must be one of {known or 'nothing with this model'}")
    if form is not None and not model.efforts:
        raise refuse("`reasoning_format` is not supported with this model")
    if form is not None and body.get("include_reasoning") is not None:
        raise refuse("cannot specify both reasoning_format and include_reasoning")
    if form not in (None, "hidden", "raw", "parsed"):
        raise refuse("'reasoning_format' : value is not one of the allowed values")
    if form == "raw" and (body.get("tools") or body.get("response_format")):
        raise refuse("reasoning_format `raw` cannot be combined with tools or JSON")
