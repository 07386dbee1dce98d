"""What the tests of Gemini's door share: requests as it reads them, answers as it writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from adapters.base import ChatRequest, Event, Json
from proxy.doors.door import Opening
from proxy.doors.gemini.read import Parsed, parse_request
from proxy.doors.gemini.write import ChunkStream, Fold

HELLO: Json = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
OPENING = Opening("req_1", 1_790_000_000.0)


def asked(**body: Any) -> ChatRequest:
    """What a body asks for."""
    request: ChatRequest = parse_request(HELLO | body, "m").request
    return request


def messages(*contents: Json) -> Sequence[Json]:
    """The messages that contents become."""
    return asked(contents=list(contents)).messages


def user(*parts: Any) -> Json:
    return {"role": "user", "parts": [_part(part) for part in parts]}


def model(*parts: Any) -> Json:
    return {"role": "model", "parts": [_part(part) for part in parts]}


def _part(part: Any) -> Any:
    return {"text": part} if isinstance(part, str) else part


def call(name: str, **more: Any) -> Json:
    return {"functionCall": {"name": name, "args": {}} | more}


def result(name: str, response: Any, **more: Any) -> Json:
    return {"functionResponse": {"name": name, "response": response} | more}


def parsed(**body: Any) -> Parsed:
    return parse_request(HELLO | body, "m", stream=True)


def folded(events: Sequence[Event], form: Parsed | None = None) -> Json:
    """The events as one object."""
    fold = Fold(form or parsed(), OPENING)
    fold.feed(events)
    answer: Json = json.loads(fold.end())
    return answer


def streamed(events: Iterable[Event], form: Parsed | None = None) -> list[Json]:
    """The events as chunks, fed one by one and read by the grammar of the stream.

    What Google's own clients could not read is an AssertionError.
    """
    stream = ChunkStream(form or parsed(), OPENING)
    data = b"".join([*(stream.feed([event]) for event in events), stream.end()])
    *frames, rest = data.decode().split("\r\n\r\n")
    assert rest == ""
    chunks: list[Json] = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    for frame in frames:
        assert frame.startswith("data: {") and "\n" not in frame
    for chunk in chunks[:-1]:
        for candidate in chunk["candidates"]:
            assert "finishReason" not in candidate
            assert candidate["content"]["role"] == "model"
            assert all(candidate["content"]["parts"])
            assert not any("functionCall" in part for part in candidate["content"]["parts"])
    assert all(one["finishReason"] for one in chunks[-1].get("candidates", ()))
    return chunks
