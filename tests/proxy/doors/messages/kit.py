"""What the tests of Messages share: a reader of streams that takes nothing but the grammar."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from adapters.base import ChatRequest, Event, Json
from proxy.doors.messages.output import Answer
from proxy.doors.messages.read import Parsed
from proxy.doors.messages.write import MessageStream
from proxy.doors.writing.blocks import BlockFold

ASKED = Parsed(
    ChatRequest("m", [{"role": "user", "content": "a" * 20}]),
    shown_model="claude-x",
    thoughts=True,
    searches=True,
)
DELTAS = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
    "server_tool_use": set[str](),
    "web_search_tool_result": set[str](),
}
BEGUN: dict[str, Json] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
    "server_tool_use": {"input": {}},
    "web_search_tool_result": {},
}


class Grammar:
    """Reads a stream; what the specification does not allow is an AssertionError.

    `message` is what a client has at the end, `error` what the stream broke off with.
    """

    def __init__(self, data: bytes) -> None:
        self.message: Json = {}
        self.error: Json | None = None
        self.pings = 0
        self._open: Json | None = None
        self._pieces: list[str] = []
        self._is_over = False
        self._has_delta = False
        *events, rest = data.decode().split("\n\n")
        assert rest == ""
        for event in events:
            name, payload = event.split("\n")
            told = json.loads(payload.removeprefix("data: "))
            assert name == f"event: {told['type']}"
            self._take(told)
        assert self._is_over

    def _take(self, told: Json) -> None:
        assert not self._is_over
        kind = told.pop("type")
        assert (kind == "message_start") is not bool(self.message)
        getattr(self, f"_{kind}")(**told)

    def _message_start(self, message: Json) -> None:
        assert message["content"] == [] and message["stop_reason"] is None
        assert message["usage"]["input_tokens"] >= 0 and message["usage"]["output_tokens"] >= 0
        self.message = message

    def _ping(self) -> None:
        self.pings += 1

    def _error(self, error: Json) -> None:
        assert set(error) == {"type", "message"}
        self.error, self._is_over = error, True

    def _content_block_start(self, index: int, content_block: Json) -> None:
        assert self._open is None and not self._has_delta
        assert index == len(self.message["content"])
        kind = content_block["type"]
        assert BEGUN[kind].items() <= content_block.items()
        self._open, self._pieces = content_block, []
        self.message["content"].append(content_block)

    def _content_block_delta(self, index: int, delta: Json) -> None:
        block, kind = self._open, delta.pop("type")
        assert block is not None and index == len(self.message["content"]) - 1
        assert kind in DELTAS[block["type"]] and not block.get("signature")
        [(name, value)] = delta.items()
        if kind == "input_json_delta":
            assert name == "partial_json"
            self._pieces.append(value)
        elif kind == "citations_delta":
            block.setdefault("citations", []).append(value)
        else:
            assert value
            block[name] += value

    def _content_block_stop(self, index: int) -> None:
        block, self._open = self._open, None
        assert block is not None and index == len(self.message["content"]) - 1
        if block["type"] == "tool_use":
            block["input"] = json.loads("".join(self._pieces) or "{}")
        if block["type"] == "thinking":
            assert block["signature"]
        if block["type"] == "text":
            assert block["text"]

    def _message_delta(self, delta: Json, usage: Json) -> None:
        assert self._open is None and not self._has_delta
        assert delta["stop_reason"] and delta["stop_sequence"] is None
        assert type(usage["output_tokens"]) is type(usage["input_tokens"]) is int
        self._has_delta = True
        self.message |= delta | {"usage": usage}

    def _message_stop(self) -> None:
        assert self._has_delta
        self._is_over = True


def stream_of(**changed: Any) -> MessageStream:
    return MessageStream(Answer(replace(ASKED, **changed)), "req_1")


def streamed(batches: Iterable[Sequence[Event]], *, pings: bool = False, **form: Any) -> Grammar:
    """What a client reads of an answer as it comes."""
    stream = stream_of(**form)
    data = [stream.wait()] if pings else []
    for batch in batches:
        data += [stream.feed(batch), stream.wait() if pings else b""]
    return Grammar(b"".join([*data, stream.end()]))


def folded(batches: Iterable[Sequence[Event]], **form: Any) -> Json:
    """The same in one piece."""
    fold = BlockFold(Answer(replace(ASKED, **form)))
    for batch in batches:
        fold.feed(batch)
    message: Json = json.loads(fold.end())
    return message
