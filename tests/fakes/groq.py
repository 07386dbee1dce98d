"""Groq's chat completions on loopback, as strict as its documents and its error answers.

It takes the keys that Groq's own SDK types, and answers 400 to any other one.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence

from tests.fakes import groq_audio
from tests.fakes.groq_rules import MODELS, MOST_TOKENS, image, parse, refuse
from tests.fakes.model import FOUND, Json, Result, Said, Seen, say, tokens
from tests.fakes.server import Answer, FakeServer, Request, json_answer

KEY = "gsk-fake-key-of-the-tests"
CREATED = 1_790_000_000


class GroqFake(FakeServer):
    """`/openai/v1/chat/completions`, `/openai/v1/audio/…` and `/openai/v1/models`."""

    chat_paths = (
        "/chat/completions",
        "/audio/transcriptions",
        "/audio/translations",
        "/audio/speech",
    )

    def respond(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            raise refuse("Invalid API Key", status=401, code="invalid_api_key")
        match request.method, request.path.removeprefix("/openai/v1/"):
            case "POST", "chat/completions":
                return chat(parse(request))
            case "POST", "audio/transcriptions" | "audio/translations" as path:
                return json_answer(groq_audio.hear(request, path))
            case "POST", "audio/speech":
                return groq_audio.speak(request)
            case "GET", "models":
                names = (*MODELS, *groq_audio.HEARING)
                return json_answer({"object": "list", "data": [_model(m) for m in names]})
            case "GET", path if path.removeprefix("models/") in MODELS:
                return json_answer(_model(path.removeprefix("models/")))
        raise refuse(f"Unknown request URL: {request.method} {request.path}", status=404)


def _model(name: str) -> Json:
    return {
        "id": name,
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "Fake",
        "active": True,
        "context_window": 448 if name in groq_audio.HEARING else 131_072,
        "max_completion_tokens": MOST_TOKENS,
        "public_apps": None,
    }


def chat(body: Json) -> Answer:
    """The answer of the little model, plain or as server-sent events."""
    request_id = f"req_{uuid.uuid4().hex[:26]}"
    headers = (
        ("x-request-id", request_id),
        ("x-groq-region", "loopback"),
        ("x-ratelimit-limit-requests", "14400"),
        ("x-ratelimit-remaining-requests", "14399"),
        ("x-ratelimit-reset-requests", "6s"),
        ("x-ratelimit-limit-tokens", "600000"),
        ("x-ratelimit-remaining-tokens", "599990"),
        ("x-ratelimit-reset-tokens", "1ms"),
    )
    said = say(seen(body))
    if body.get("stream"):
        events = [_sse(chunk) for chunk in _chunks(body, said, request_id)]
        content_type = ("content-type", "text/event-stream")
        return Answer(200, (content_type, *headers), (*events, b"data: [DONE]\n\n"), chunked=True)
    return json_answer(_completion(body, said, request_id), headers=headers)


def seen(body: Json) -> Seen:
    """The request as the little model sees it."""
    last = max((i for i, m in enumerate(body["messages"]) if m["role"] == "user"), default=0)
    content = body["messages"][last]["content"]
    parts: list[Json] = content if isinstance(content, list) else [_text_part(content)]
    choice = body.get("tool_choice") or "auto"
    offered = body.get("tools") or []
    tools = [tool["function"] for tool in offered if "function" in tool and choice != "none"]
    if isinstance(choice, dict):
        tools = [tool for tool in tools if tool["name"] == choice["function"]["name"]]
    form = body.get("response_format") or {}
    stop = body.get("stop") or ()
    return Seen(
        "".join(part["text"] for part in parts if part["type"] == "text"),
        tuple(found for p in parts if "image_url" in p and (found := image(p["image_url"]["url"]))),
        tuple((tool["name"], tool.get("parameters") or {}) for tool in tools),
        forced=choice not in ("auto", "none"),
        parallel=body.get("parallel_tool_calls") is not False,
        results=tuple(_results(body["messages"], last)),
        schema=(form.get("json_schema") or {}).get("schema"),
        wants_json=form.get("type") == "json_object",
        instructions="\n".join(m["content"] for m in body["messages"] if m["role"] == "system"),
        thinks=bool(MODELS[body["model"]].efforts) and body.get("reasoning_effort") != "none",
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        searches=any(tool["type"] == "browser_search" for tool in offered),
    )


def _text_part(text: str) -> Json:
    return {"type": "text", "text": text}


def _results(messages: Sequence[Json], start: int) -> Iterator[Result]:
    names: dict[str, str] = {}
    for message in messages[start:]:
        for call in message.get("tool_calls") or ():
            names[call["id"]] = call["function"]["name"]
        if message["role"] == "tool":
            yield Result(names.get(message["tool_call_id"], "?"), message["content"])


def _reasoning(body: Json, said: Said) -> tuple[Json, str]:
    """How the reasoning goes out: as fields of the message, and as a start of its content."""
    if not said.reasoning or body.get("include_reasoning") is False:
        return {}, ""
    by_itself = "raw" if body["model"].startswith("qwen") else "parsed"
    match body.get("reasoning_format") or by_itself:
        case "parsed":
            return {"reasoning": said.reasoning}, ""
        case "raw":
            return {}, f"<think>\n{said.reasoning}\n</think>\n\n"
    return {}, ""


def _completion(body: Json, said: Said, request_id: str) -> Json:
    fields, prefix = _reasoning(body, said)
    message: Json = {"role": "assistant", **fields}
    if said.calls:
        message["tool_calls"] = _tool_calls(said)
    else:
        message["content"] = prefix + said.text
    if said.searched:
        message["executed_tools"] = _executed()
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(said)}
    return {
        **_frame(body, "chat.completion"),
        "choices": [choice],
        "usage": _usage(said),
        "usage_breakdown": None,
        "x_groq": {"id": request_id},
        "service_tier": "on_demand",
    }


def _chunks(body: Json, said: Said, request_id: str) -> Iterator[Json]:
    frame = _frame(body, "chat.completion.chunk")
    fields, prefix = _reasoning(body, said)

    def chunk(delta: Json, finish: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**frame, "choices": [choice]}

    first = {"role": "assistant", "content": None if said.calls else ""}
    yield {**chunk(first), "x_groq": {"id": request_id}}
    for token in tokens(fields.get("reasoning", "")):
        yield chunk({"reasoning": token, "channel": "analysis"})
    for i, call in enumerate(_tool_calls(said)):
        yield chunk({"tool_calls": [{**call, "index": i}]})
    for token in tokens(prefix + said.text):
        yield chunk({"content": token})
    if said.searched:
        yield chunk({"executed_tools": _executed()})
    usage = _usage(said)
    end = {"x_groq": {"id": request_id, "usage": usage}, "usage": usage}
    yield {**chunk({}, _finish(said)), **end}
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {**frame, "choices": [], "usage": usage, "service_tier": "on_demand"}


def _executed() -> list[Json]:
    found = {"title": FOUND["title"], "url": FOUND["uri"], "content": "News.", "score": 0.9}
    arguments = json.dumps({"query": "the news"})
    search = {"index": 0, "type": "search", "arguments": arguments, "output": "News."}
    return [{**search, "search_results": {"results": [found]}}]


def _frame(body: Json, kind: str) -> Json:
    return {
        "id": f"chatcmpl-{uuid.uuid4()}",
        "object": kind,
        "created": CREATED,
        "model": body["model"],
        "system_fingerprint": "fp_fake",
    }


def _tool_calls(said: Said) -> list[Json]:
    return [
        {
            "id": f"call_{uuid.uuid4().hex[:9]}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)},
        }
        for name, arguments in said.calls
    ]


def _finish(said: Said) -> str:
    return "tool_calls" if said.calls else "length" if said.truncated else "stop"


def _usage(said: Said) -> Json:
    completion = said.reasoning_tokens + said.text_tokens
    usage: Json = {
        "queue_time": 0.01,
        "prompt_tokens": said.prompt_tokens,
        "prompt_time": 0.002,
        "completion_tokens": completion,
        "completion_time": 0.03,
        "total_tokens": said.prompt_tokens + completion,
        "total_time": 0.032,
    }
    if said.reasoning:
        usage["completion_tokens_details"] = {"reasoning_tokens": said.reasoning_tokens}
    return usage


def _sse(event: Json) -> bytes:
    return b"data: %b\n\n" % json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
