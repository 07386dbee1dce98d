"""Events of an answer -> the blocks of a message, and what a stream says of each. No I/O.

One block after the other, each begun, filled and ended: what a stream has said of a block is what
stands in the message at its end, for both are made here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from adapters.base import (
    Annotation,
    Event,
    Finish,
    Json,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Usage,
)
from adapters.translation.arguments import are_whole, arguments_or_text
from proxy.doors.messages.objects import SIGNATURE, new_id, shown_id, stop_members, stop_of

Said = tuple[str, Json]
"""A type of event, and its members except `type`."""


class Block:
    """An open block: `kind` is text, thinking or tool_use; `field` is what its pieces add up to."""

    def __init__(self, index: int, kind: str, field: str, begun: Json) -> None:
        self.index = index
        self.kind = kind
        self.pieces: list[str] = []
        self._field = field
        self._begun = begun
        self._citations: list[Json] = []

    def begin(self) -> Said:
        block = {"type": self.kind, **self._begun}
        return "content_block_start", {"index": self.index, "content_block": block}

    def delta(self, kind: str, name: str, value: object) -> Said:
        delta = {"type": kind, name: value}
        return "content_block_delta", {"index": self.index, "delta": delta}

    def say(self, piece: str) -> Iterator[Said]:
        if piece:
            self.pieces.append(piece)
            yield self.delta(_DELTAS[self.kind], _PIECES[self.kind], piece)

    def cite(self, citation: Json) -> Said:
        self._citations.append(citation)
        return self.delta("citations_delta", "citation", citation)

    def end(self) -> Iterator[Said]:
        if self.kind == "thinking":
            yield self.delta("signature_delta", "signature", SIGNATURE)
        yield "content_block_stop", {"index": self.index}

    def whole(self) -> Json:
        said = "".join(self.pieces)
        block: Json = {"type": self.kind, **self._begun}
        block[self._field] = arguments_or_text(said) if self.kind == "tool_use" else said
        if self.kind == "thinking":
            block["signature"] = SIGNATURE
        if self._citations:
            block["citations"] = self._citations
        return block


_DELTAS: Mapping[str, str] = {
    "text": "text_delta",
    "thinking": "thinking_delta",
    "tool_use": "input_json_delta",
}
_PIECES: Mapping[str, str] = {
    "text": "text",
    "thinking": "thinking",
    "tool_use": "partial_json",
}


class Answer:
    """Where an answer stands: its blocks so far, the last of which may be open.

    Thoughts are told only where they are wanted, `hides_text` leaves theirs out, and `searches`
    says that the client has asked for a search of the web.
    """

    def __init__(self, *, thoughts: bool, hides_text: bool = False, searches: bool = False) -> None:
        self.content: list[Json] = []
        self.usage: Usage | None = None
        self._thoughts = thoughts
        self._hides_text = hides_text
        self._searches = searches
        self._open: Block | None = None
        self._key: str | int | None = None
        self._waiting: dict[str | int, list[ToolCall]] = {}
        self._called: set[str | int] = set()
        self._reason: str | None = None
        self._refusal: list[str] = []
        self._found: list[Json] = []
        self._count = 0

    def take(self, event: Event) -> Iterator[Said]:
        """What a stream says of an event. What the protocol has no words for is left out."""
        match event:
            case Text(text, 0) | Refusal(text, 0) if text:
                if type(event) is Refusal:
                    self._refusal.append(text)
                yield from self._block("text", "text", {"text": ""})
                yield from self._opened().say(text)
            case Reasoning(text, 0) if text and self._thoughts:
                yield from self._block("thinking", "thinking", {"thinking": "", "signature": ""})
                yield from self._opened().say("" if self._hides_text else text)
            case ToolCall(index=0):
                yield from self._call(event)
            case Annotation(value, 0) if self._searches:
                yield from self._cite(value)
            case Finish(reason, 0):
                self._reason = self._reason or reason
            case Usage():
                self.usage = event

    def end(self) -> Iterator[Said]:
        """The blocks that are open, ended; the search, if there was one."""
        yield from self._end()
        waiting, self._waiting = self._waiting, {}
        for first, *more in waiting.values():
            yield from self._begin_call(first)
            for piece in more:
                yield from self._opened().say(piece.arguments)
            yield from self._end()
        if self._found:
            yield from self._search()

    def stop(self) -> Json:
        stop = stop_of(self._reason, has_calls=bool(self._called))
        return stop_members(stop, "".join(self._refusal))

    @property
    def searched(self) -> int:
        """How often the web was searched, as far as anybody said."""
        return 1 if self._found else 0

    @property
    def guess(self) -> int:
        """About how many tokens were written, where nobody counts them."""
        said = (one.get("text") or one.get("thinking") or "" for one in self.content)
        return sum(math.ceil(len(text) / 4) for text in said)

    @property
    def open_text(self) -> Block | None:
        """The open block, if a text is what it goes on with."""
        return self._open if self._open is not None and self._open.kind == "text" else None

    def end_early(self) -> bool:
        """Take what there is for all, cut at its length; False where that would be no answer."""
        is_text = self.open_text is not None or any(one["type"] == "text" for one in self.content)
        if not is_text or self._called or self._waiting:
            return False
        self._reason = "length"
        return True

    def _opened(self) -> Block:
        assert self._open is not None  # noqa: S101 - for the type checker: one has just been begun
        return self._open

    def _block(self, kind: str, field: str, begun: Json) -> Iterator[Said]:
        """See to it that a block of this kind is open."""
        if self._open is None or self._open.kind != kind:
            yield from self._begin(kind, field, begun)

    def _begin(self, kind: str, field: str, begun: Json) -> Iterator[Said]:
        yield from self._end()
        self._open = Block(self._count, kind, field, begun)
        self._count += 1
        yield self._open.begin()

    def _end(self) -> Iterator[Said]:
        block, self._open, self._key = self._open, None, None
        if block is not None:
            self.content.append(block.whole())
            yield from block.end()

    def _call(self, call: ToolCall) -> Iterator[Said]:
        """One call after the other: a piece of another one waits until the open one is whole."""
        opened = self._open
        if opened is not None and opened.kind == "tool_use":
            if call.key == self._key:
                yield from opened.say(call.arguments)
                return
            if not are_whole(opened.pieces):
                self._waiting.setdefault(call.key, []).append(call)
                return
        if self._waiting:
            self._waiting.setdefault(call.key, []).append(call)
            return
        if call.key in self._called:
            raise ValueError("a piece of a call comes after something else has begun")
        yield from self._begin_call(call)

    def _begin_call(self, call: ToolCall) -> Iterator[Said]:
        begun = {"id": shown_id(call.id), "name": call.name, "input": {}}
        yield from self._begin("tool_use", "input", begun)
        self._called.add(call.key)
        self._key = call.key
        yield from self._opened().say(call.arguments)

    def _cite(self, annotation: Json) -> Iterator[Said]:
        match annotation:
            case {"type": "url_citation", "url_citation": {"url": str(url)} as cited}:
                title = cited.get("title")
                title = title if isinstance(title, str) else url
                self._found.append({"url": url, "title": title})
                if self.open_text is not None:
                    yield self.open_text.cite(_citation(url, title))

    def _search(self) -> Iterator[Said]:
        """That the web was searched, which only the citations show: the call, and what it found."""
        call_id = new_id("srvtoolu")
        called: Json = {"id": call_id, "name": "web_search", "input": {}}
        yield from self._begin("server_tool_use", "input", called)
        self._open = None
        self.content.append({"type": "server_tool_use", **called})
        yield "content_block_stop", {"index": self._count - 1}
        found = [
            {"type": "web_search_result", **one, "encrypted_content": SIGNATURE, "page_age": None}
            for one in {one["url"]: one for one in self._found}.values()
        ]
        result: Json = {"tool_use_id": call_id, "content": found}
        yield from self._begin("web_search_tool_result", "content", result)
        self._open = None
        self.content.append({"type": "web_search_tool_result", **result})
        yield "content_block_stop", {"index": self._count - 1}


def _citation(url: str, title: str) -> Json:
    return {
        "type": "web_search_result_location",
        "url": url,
        "title": title,
        "cited_text": "",
        "encrypted_index": SIGNATURE,
    }
