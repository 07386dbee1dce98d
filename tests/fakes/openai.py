"""OpenAI's chat completions on loopback, as strict as its types: an unknown key is refused.

It takes what OpenAI's own SDK types, in the request and in its messages.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

from tests.fakes import openai_media
from tests.fakes.model import Json, Result, Said, Seen, say, tokens, words
from tests.fakes.server import Answer, FakeServer, RefusalError, Request, json_answer

KEY = "sk-fake-key-of-the-tests"
MODELS = ("toy-1", "toy-2")
REQUEST_KEYS = words(
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens "
    "max_tokens messages metadata modalities model moderation n parallel_tool_calls prediction "
    "presence_penalty prompt_cache_key prompt_cache_retention reasoning_effort response_format "
    "safety_identifier seed service_tier stop store stream stream_options temperature tool_choice "
    "tools top_logprobs top_p user verbosity web_search_options"
)
MESSAGE_KEYS = {
    "developer": {"role", "content", "name"},
    "system": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "tool_calls", "refusal", "audio", "function_call"},
    "tool": {"role", "content", "tool_call_id"},
}


class OpenAIFake(FakeServer):
    """`/v1/chat/completions`, audio, images and `/v1/models`."""

    chat_paths = ("/chat/completions",)

    def respond(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            raise refuse("Incorrect API key provided", status=401, code="invalid_api_key")
        match request.method, request.path.removeprefix("/v1/"):
            case "POST", "chat/completions":
                return chat(parse(request))
            case "POST", "audio/transcriptions" | "audio/translations":
                return openai_media.hear(request, refuse)
            case "POST", "audio/speech":
                return openai_media.speak(request, refuse)
            case "POST", "images/generations":
                return openai_media.paint(request, refuse)
            case "GET", "models":
                rows = [{"id": m, "object": "model", "created": 1, "owned_by": "x"} for m in MODELS]
                return json_answer({"object": "list", "data": rows})
        raise refuse(f"Invalid URL ({request.method} {request.path})", status=404)


def refuse(
    message: str, *, status: int = 400, code: str | None = None, param: str | None = None
) -> RefusalError:
    """OpenAI's error envelope."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return RefusalError(json_answer({"error": error}, status))


def parse(request: Request) -> Json:
    """The body, if OpenAI would take it."""
    if request.headers.get("content-type") != "application/json":
        raise refuse("you must send a body of type application/json", status=415)
    body = request.json
    for key in body:
        if key not in REQUEST_KEYS:
            raise refuse(f"Unknown parameter: '{key}'.", code="unknown_parameter", param=key)
    if body.get("model") not in MODELS:
        raise refuse(
            f"The model `{body.get('model')}` does not exist", status=404, code="model_not_found"
        )
    if body.get("stream_options") is not None and not body.get("stream"):
        raise refuse("'stream_options' is only allowed in a stream", param="stream_options")
    _check_messages(body.get("messages"))
    return dict(body)


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise refuse("Invalid 'messages': empty array.", param="messages")
    called: set[str] = set()
    for i, message in enumerate(messages):
        role = message.get("role")
        for key in message:
            if key not in MESSAGE_KEYS.get(role, ()):
                raise refuse(f"Unknown parameter: 'messages[{i}].{key}'.", param="messages")
        called |= {call["id"] for call in message.get("tool_calls") or ()}
        if role == "tool" and message.get("tool_call_id") not in called:
            raise refuse("a tool message must follow its call", param=f"messages.[{i}].role")


def chat(body: Json) -> Answer:
    """The answer of the little model, plain or as server-sent events."""
    said = say(seen(body))
    if not body.get("stream"):
        return json_answer(_completion(body, said))
    lines = (json.dumps(chunk, ensure_ascii=False) for chunk in _chunks(body, said))
    events = (f"data: {line}\n\n".encode() for line in lines)
    headers = (("content-type", "text/event-stream; charset=utf-8"),)
    return Answer(200, headers, (*events, b"data: [DONE]\n\n"), chunked=True)


def seen(body: Json) -> Seen:
    """The request as the little model sees it."""
    messages = body["messages"]
    last = max((i for i, m in enumerate(messages) if m["role"] == "user"), default=0)
    content = messages[last]["content"]
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    names = {c["id"]: c["function"]["name"] for m in messages for c in m.get("tool_calls") or ()}
    results = [m for m in messages[last:] if m["role"] == "tool"]
    form = body.get("response_format") or {}
    return Seen(
        "".join(part["text"] for part in parts if part["type"] == "text"),
        tools=tuple(
            (tool["function"]["name"], tool["function"].get("parameters") or {})
            for tool in body.get("tools") or ()
        ),
        forced=body.get("tool_choice") not in (None, "auto", "none"),
        parallel=body.get("parallel_tool_calls") is not False,
        results=tuple(Result(names[m["tool_call_id"]], m["content"]) for m in results),
        schema=(form.get("json_schema") or {}).get("schema"),
        wants_json=form.get("type") == "json_object",
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        stop=tuple(body.get("stop") or ()),
    )


def _completion(body: Json, said: Said) -> Json:
    calls = {"tool_calls": _calls(said)} if said.calls else {}
    message = {"role": "assistant", "content": said.text or None, "refusal": None, **calls}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(said)}
    return {**_frame(body, "chat.completion"), "choices": [choice], "usage": _usage(said)}


def _chunks(body: Json, said: Said) -> Iterator[Json]:
    counts = (body.get("stream_options") or {}).get("include_usage")
    frame = {**_frame(body, "chat.completion.chunk"), **({"usage": None} if counts else {})}

    def chunk(delta: Json, finish: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**frame, "choices": [choice]}

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for i, call in enumerate(_calls(said)):
        text = call["function"]["arguments"]
        head = {**call, "index": i, "function": {**call["function"], "arguments": ""}}
        yield chunk({"tool_calls": [head]})
        for piece in (text[:3], text[3:]):
            yield chunk({"tool_calls": [{"index": i, "function": {"arguments": piece}}]})
    for token in tokens(said.text):
        yield chunk({"content": token})
    yield chunk({}, _finish(said))
    if counts:
        yield {**frame, "choices": [], "usage": _usage(said)}


def _frame(body: Json, kind: str) -> Json:
    made = {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": 1_790_000_000}
    return {**made, "model": body["model"], "service_tier": "default"}


def _calls(said: Said) -> list[Json]:
    return [
        {
            "id": f"call_{uuid.uuid4().hex[:24]}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)},
        }
        for name, arguments in said.calls
    ]


def _finish(said: Said) -> str:
    return "tool_calls" if said.calls else "length" if said.truncated else "stop"


def _usage(said: Said) -> Json:
    completion = said.reasoning_tokens + said.text_tokens
    return {
        "prompt_tokens": said.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": said.prompt_tokens + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": said.reasoning_tokens},
    }
