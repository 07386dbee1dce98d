"""A provider that says what a field case lets it say, and after that answers well."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.fakes.gate import Gate
from tests.fakes.model import tokens
from tests.fakes.server import Answer, FakeServer, Fault, Request, json_answer
from tests.faults.dialects import DIALECTS, Dialect, Streamed
from tests.field.checks import failing

CHAT_PATHS: Mapping[str, str] = {
    "groq": r"/openai/v1/chat/completions",
    "gemini": r"/v1(?:beta)?/models/([^/:]+):(?:generateContent|streamGenerateContent)",
    "ollama": r"/api/chat",
}
CAPABILITIES = ("completion", "tools", "vision", "thinking")
Entry = Mapping[str, Any]


class Wait(Gate):
    """A gate that opens by itself after a time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def passed(self) -> None:
        await asyncio.sleep(self._seconds)


class FieldFake(FakeServer):
    """One provider; `begin` hands it the next case, `calls` are those to its model since then."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.calls: list[dict[str, Any]] = []

    def begin(self, entries: Sequence[Entry], about: Mapping[str, Any], *, pace: float) -> None:
        """`pace` is how long a second of the case takes here."""
        self.forget()
        self.calls.clear()
        self._rules = [entry for entry in entries if "if" in entry]
        self._once = [entry for entry in entries if "if" not in entry]
        self._models: Sequence[str] = about.get("models", ())
        self._capabilities = about.get("capabilities", CAPABILITIES)
        self._pace = pace

    def next_fault(self, request: Request) -> Fault:
        """Every call to the model is answered as the case has it."""
        found = re.fullmatch(CHAT_PATHS[self.name], request.path)
        if found is None:
            return Fault()
        body = request.json
        model = found[1] if found.groups() else body.get("model")
        call = {"path": request.path, "model": model, "headers": request.headers, "body": body}
        self.calls.append(call)
        entry = self._entry(call)
        is_stream = _is_stream(self.name, request, body)
        answer = _answer(DIALECTS[self.name], entry, is_stream)
        takes_s, delay_s = entry.get("takes_s", 0), entry.get("delay_s", 0)
        pause_s = entry.get("pause_s", 0)
        if is_stream:
            pause_s += takes_s / len(answer.body)
        else:
            delay_s += takes_s
        self.interval_s = pause_s * self._pace
        return Fault(answer=answer, hold=Wait(delay_s * self._pace) if delay_s else None)

    def _entry(self, call: Any) -> Entry:
        for entry in self._rules:
            if not failing(entry["if"], call):
                return entry
        return self._once.pop(0) if self._once else {}

    def respond(self, request: Request) -> Answer:
        """Whatever is no call to the model: lists, and what Ollama tells of a model."""
        match self.name, request.path:
            case "groq", "/openai/v1/models":
                rows = [{"id": m, "object": "model", "active": True} for m in self._models]
                return json_answer({"object": "list", "data": rows})
            case "gemini", "/v1beta/models":
                methods = ["generateContent"]
                models = [
                    {"name": f"models/{m}", "supportedGenerationMethods": methods}
                    for m in self._models
                ]
                return json_answer({"models": models})
            case "ollama", "/api/tags":
                return json_answer({"models": [{"name": m, "model": m} for m in self._models]})
            case "ollama", "/api/show":
                return json_answer({"capabilities": self._capabilities, "model_info": {}})
            case "ollama", "/api/version":
                return json_answer({"version": "0.33.0"})
        return json_answer({"error": "not found"}, 404)


def _is_stream(name: str, request: Request, body: Any) -> bool:
    if name == "gemini":
        return request.path.endswith("streamGenerateContent")
    return bool(body.get("stream", name == "ollama"))


def _answer(dialect: Dialect, entry: Entry, is_stream: bool) -> Answer:
    status = entry.get("status", 200)
    headers = tuple(entry.get("headers", {}).items())
    if "stream" in entry:
        items = [i + "\n" if isinstance(i, str) else dialect.event(i) for i in entry["stream"]]
        pieces = tuple(item.encode() if isinstance(item, str) else item for item in items)
        if dialect.name == "groq":
            pieces += (b"data: [DONE]\n\n",)
        return Answer(status, (("content-type", dialect.stream_type), *headers), pieces, True)
    if "body" in entry:
        body = entry["body"]
        if isinstance(body, str):
            return Answer(status, (("content-type", "text/html"), *headers), (body.encode(),))
        return json_answer(body, status, headers=headers)
    return _good(dialect, entry.get("text") or f"{dialect.name} answers in a few words", is_stream)


def _good(dialect: Dialect, text: str, is_stream: bool) -> Answer:
    if not is_stream:
        return json_answer(dialect.whole(text))
    told: Streamed = dialect.streamed(tokens(text))
    pieces = (told.opening, *told.words, told.ending)
    return Answer(200, (("content-type", dialect.stream_type),), pieces, chunked=True)
