"""Ollama's own API on loopback: chat, tags, show and version."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from tests.fakes.gate import Gate
from tests.fakes.model import Json, Result, Said, Seen, say, tokens
from tests.fakes.ollama_embed import embed
from tests.fakes.ollama_rules import (
    JSON_UTF8,
    MODELS,
    Model,
    body_of,
    find_model,
    fit,
    parse,
    parse_generate,
    refuse,
)
from tests.fakes.server import Answer, FakeServer, Fault, RefusalError, Request, json_answer

CREATED_AT = "2026-11-01T12:00:00.123456789Z"


class OllamaFake(FakeServer):
    """`/api/chat`, `/api/generate`, `/api/embed`, `/api/tags`, `/api/ps`, `/api/show`, and more.

    Where there is a `cold` gate, a model is loaded by the first request for it, which waits there.
    """

    chat_paths = ("/api/chat", "/api/generate", "/api/embed")
    cold: Gate | None = None
    load_s = 12.5

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.loaded: set[str] = set()

    def next_fault(self, request: Request) -> Fault:
        """A model that is not in memory keeps its first request waiting."""
        fault = super().next_fault(request)
        is_cold = self.cold is not None and self._model(request) not in (None, *self.loaded)
        return replace(fault, hold=self.cold) if is_cold else fault

    def forget(self) -> None:
        super().forget()
        self.cold = None
        self.loaded.clear()

    def answer(self, request: Request) -> Answer:
        answer, name = super().answer(request), self._model(request)
        if name is None or answer.status != 200:
            return answer
        was_cold = self.cold is not None and name not in self.loaded
        self.loaded.add(name)
        return _after_loading(answer, self.load_s) if was_cold else answer

    def _model(self, request: Request) -> str | None:
        """Which of its models a request needs in memory."""
        if not request.path.endswith(self.chat_paths):
            return None
        try:
            return find_model(request.json["model"])[0]
        except (ValueError, LookupError, TypeError, RefusalError):
            return None

    def respond(self, request: Request) -> Answer:
        match request.method, request.path:
            case "POST", "/api/chat":
                return chat(parse(request))
            case "POST", "/api/embed":
                return _json(embed(request))
            case "POST", "/api/generate":
                return generate(parse_generate(request))
            case "POST", "/api/show":
                body = body_of(request)
                return _json(_details(find_model(body.get("model") or body.get("name"))[1]))
            case "GET", "/api/tags":
                return _json({"models": [_tag(name) for name in MODELS]})
            case "GET", "/api/ps":
                return _json({"models": [_tag(name) for name in sorted(self.loaded)]})
            case "GET", "/api/version":
                return _json({"version": "0.33.0"})
            case "GET" | "HEAD", "/":
                return Answer(200, (("content-type", "text/plain"),), (b"Ollama is running",))
        return changed(request)


def changed(request: Request) -> Answer:
    """What changes the server's models."""
    match request.method, request.path.removeprefix("/api/").partition("/")[0]:
        case "POST", "pull":
            return pull(body_of(request))
        case "DELETE", "delete":
            find_model(body_of(request).get("model"))
            return _json({})
        case "POST" | "HEAD" as method, "blobs":
            return Answer(201 if method == "POST" else 404)
    raise refuse("404 page not found", 404)


def pull(body: Json) -> Answer:
    """A line for each step, or what came of it."""
    steps = ("pulling manifest", "verifying sha256 digest", "success")
    if body.get("stream") is False:
        return _json({"status": steps[-1]})
    lines = tuple(_encoded({"status": step}) for step in steps)
    return Answer(200, (("content-type", "application/x-ndjson"),), lines, chunked=True)


def _after_loading(answer: Answer, load_s: float) -> Answer:
    """The answer with the time that its model was loaded."""
    took = re.compile(rb'("load_duration": ?)\d+')
    told = rb"\g<1>%d" % (load_s * 1e9)
    return replace(answer, body=tuple(took.sub(told, one) for one in answer.body))


def _json(value: Json) -> Answer:
    return json_answer(value, headers=(JSON_UTF8,))


def _tag(name: str) -> Json:
    return {
        "name": name,
        "model": name,
        "modified_at": "2026-10-01T08:00:00.123456789+02:00",
        "size": 2_000_000_000,
        "digest": uuid.uuid5(uuid.NAMESPACE_URL, name).hex * 2,
        "details": {"format": "gguf", "family": _family(name), "parameter_size": "3.2B"},
    }


def _family(name: str) -> str:
    return "nomic-bert" if MODELS[name].can("embedding") else "fake"


def _details(model: Model) -> Json:
    return {
        "modelfile": "",
        "template": "",
        "details": {"format": "gguf", "family": "fake", "families": ["fake"]},
        "model_info": {"general.architecture": "fake", "fake.context_length": model.context},
        "capabilities": list(model.capabilities),
    }


# -- in ---------------------------------------------------------------------------------------


def seen(body: Json, messages: Sequence[Json]) -> Seen:
    """The request as the little model sees it, which is what fits into its context."""
    last = max((i for i, m in enumerate(messages) if m["role"] == "user"), default=0)
    options = body.get("options") or {}
    functions = [tool["function"] for tool in body.get("tools") or ()]
    form = body.get("format")
    predict = options.get("num_predict", -1)
    thinks = find_model(body["model"])[1].can("thinking") and body.get("think") is not False
    return Seen(
        messages[last].get("content", ""),
        tuple(_image(image) for image in messages[last].get("images") or ()),
        tuple((function["name"], function["parameters"]) for function in functions),
        results=tuple(
            Result(m["tool_name"], m["content"]) for m in messages[last:] if m["role"] == "tool"
        ),
        schema=form if isinstance(form, dict) else None,
        wants_json=form == "json",
        instructions="\n".join(m.get("content", "") for m in messages if m["role"] == "system"),
        thinks=thinks,
        max_tokens=predict if predict > 0 else None,
        stop=tuple(options.get("stop") or ()),
    )


def _image(image: str) -> tuple[str, int]:
    return "image", len(base64.b64decode(image))


# -- out --------------------------------------------------------------------------------------


def chat(body: Json) -> Answer:
    """The answer of the little model: one object, or a line for each token."""
    messages, prompt_tokens = fit(body)
    if not messages:
        loaded = _line(body, {"role": "assistant", "content": ""})
        return _json({**loaded, "done": True, "done_reason": "load"})
    said = say(seen(body, messages))
    if body.get("stream", True):
        lines = tuple(_encoded(line) for line in _lines(body, said, prompt_tokens))
        return Answer(200, (("content-type", "application/x-ndjson"),), lines, chunked=True)
    message: Json = {"role": "assistant", "content": said.text}
    if said.reasoning:
        message["thinking"] = said.reasoning
    if said.calls:
        message["tool_calls"] = _tool_calls(said)
    return _json({**_line(body, message), **_end(said, prompt_tokens)})


def generate(body: Json) -> Answer:
    """What the little model says to a prompt; the fields have other names than the chat's."""
    messages, prompt_tokens = fit(body)
    said = say(seen(body, messages))
    lines = []
    for line in _lines(body, said, prompt_tokens):
        message = line.pop("message")
        thinking = {"thinking": message["thinking"]} if "thinking" in message else {}
        lines.append({**line, "response": message["content"], **thinking})
    encoded = tuple(_encoded(line) for line in lines)
    return Answer(200, (("content-type", "application/x-ndjson"),), encoded, chunked=True)


def _lines(body: Json, said: Said, prompt_tokens: int) -> Iterator[Json]:
    empty = {"role": "assistant", "content": ""}
    for token in tokens(said.reasoning):
        yield _line(body, {**empty, "thinking": token})
    for token in tokens(said.text):
        yield _line(body, {**empty, "content": token})
    for call in _tool_calls(said):
        yield _line(body, {**empty, "tool_calls": [call]})
    yield {**_line(body, empty), **_end(said, prompt_tokens)}


def _line(body: Json, message: Json) -> Json:
    return {"model": body["model"], "created_at": CREATED_AT, "message": message, "done": False}


def _tool_calls(said: Said) -> list[Json]:
    return [
        {
            "id": f"call_{uuid.uuid4().hex[:8]}",
            "function": {"index": i, "name": name, "arguments": arguments},
        }
        for i, (name, arguments) in enumerate(said.calls)
    ]


def _end(said: Said, prompt_tokens: int) -> Json:
    return {
        "done": True,
        "done_reason": "length" if said.truncated else "stop",
        "total_duration": 40_000_000,
        "load_duration": 1_000_000,
        "prompt_eval_count": prompt_tokens,
        "prompt_eval_duration": 9_000_000,
        "eval_count": said.reasoning_tokens + said.text_tokens,
        "eval_duration": 30_000_000,
    }


def _encoded(line: Json) -> bytes:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
