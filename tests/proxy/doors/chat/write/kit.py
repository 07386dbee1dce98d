"""What the tests of the wire share: events folded to chunks and to the single object."""

from __future__ import annotations

import json
from typing import Any

from openai.types.chat import ChatCompletion, ChatCompletionChunk

from adapters.base import Event, Json
from proxy.doors.chat.write import ChunkStream, Fold
from proxy.doors.openai import Head

AWKWARD = 'é😀\u2028\u2029\u0085\x7f"\\\n\t\x00 </script>'
CITATION: Json = {
    "type": "url_citation",
    "url_citation": {"start_index": 0, "end_index": 1, "title": "t", "url": "https://a.example"},
}
LOGPROB: Json = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}


def head() -> Head:
    return Head(id="chatcmpl-1", created=1_790_000_000, model="zoo")


def stream_of(events: list[Event], *, usage: bool = False, legacy: bool = False) -> bytes:
    stream = ChunkStream(head(), include_usage=usage, legacy_functions=legacy)
    return stream.feed(events) + stream.end()


def payloads(body: bytes) -> list[Any]:
    """What each server-sent event holds; the framing is checked on the way."""
    assert body.endswith(b"\n\n")
    events = body.removesuffix(b"\n\n").split(b"\n\n")
    assert all(event.startswith(b"data: ") and b"\n" not in event for event in events)
    assert events[-1] == b"data: [DONE]"
    return [json.loads(event[6:]) for event in events[:-1]]


def chunks_of(events: list[Event], *, usage: bool = False, legacy: bool = False) -> list[Json]:
    chunks = payloads(stream_of(events, usage=usage, legacy=legacy))
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)
    return chunks


def deltas_of(events: list[Event], *, legacy: bool = False) -> list[Json]:
    chunks = chunks_of(events, legacy=legacy)
    return [choice["delta"] for chunk in chunks for choice in chunk["choices"]]


def object_of(events: list[Event], *, legacy: bool = False) -> Json:
    fold = Fold(head(), legacy_functions=legacy)
    fold.feed(events)
    found: Json = json.loads(fold.end())
    ChatCompletion.model_validate(found)
    return found


def message_of(events: list[Event], *, legacy: bool = False) -> Json:
    message: Json = object_of(events, legacy=legacy)["choices"][0]["message"]
    return message
