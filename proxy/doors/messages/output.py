"""Events of an answer -> the blocks of a message, and what a stream says of each. No I/O."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping

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
from adapters.translation.arguments import arguments_or_text
from proxy.doors.messages.objects import (
    SIGNATURE,
    message_object,
    new_id,
    shown_id,
    stop_members,
    stop_of,
    usage_object,
)
from proxy.doors.messages.read import OF_A_PICTURE, Parsed
from proxy.doors.reading.tokens import guessed_tokens
from proxy.doors.writing.blocks import Blocks, Said

_DELTAS: Mapping[str, tuple[str, str]] = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}
"""Of each kind of block: the type of its pieces, and under which name one stands."""
NO_STOP: Mapping[str, None] = {"stop_reason": None, "stop_sequence": None}


class Block:
    """A block as it was `begun`, and what has been said in it since."""

    def __init__(self, index: int, begun: Json) -> None:
        self.index = index
        self.kind: str = begun["type"]
        self.pieces: list[str] = []
        self._begun = begun
        self._citations: list[Json] = []

    def begin(self) -> Iterator[Said]:
        yield "content_block_start", {"index": self.index, "content_block": self._begun}

    def say(self, piece: str) -> Iterator[Said]:
        if piece:
            self.pieces.append(piece)
            yield self._delta(*_DELTAS[self.kind], piece)

    def cite(self, citation: Json) -> Said:
        self._citations.append(citation)
        return self._delta("citations_delta", "citation", citation)

    def end(self) -> Generator[Said, None, Json]:
        said = "".join(self.pieces)
        match self.kind:
            case "thinking":
                yield self._delta("signature_delta", "signature", SIGNATURE)
                whole = {**self._begun, "thinking": said, "signature": SIGNATURE}
            case "tool_use":
                whole = {**self._begun, "input": arguments_or_text(said)}
            case _:
                cited = {"citations": self._citations} if self._citations else {}
                whole = {**self._begun, "text": said, **cited}
        yield "content_block_stop", {"index": self.index}
        return whole

    def _delta(self, kind: str, name: str, value: object) -> Said:
        delta = {"type": kind, name: value}
        return "content_block_delta", {"index": self.index, "delta": delta}


class Answer(Blocks[Block]):
    """Thoughts are told only where they were asked for, and a search of the web likewise.

    The count of the prompt is guessed at the start, and told as it was at the end.
    """

    spoken = "text"

    def __init__(self, asked: Parsed) -> None:
        super().__init__()
        self._asked = asked
        self._id = new_id("msg")
        self._prompt_guess = guessed_tokens(asked.request, OF_A_PICTURE)
        self._usage: Usage | None = None
        self._refusal: list[str] = []
        self._found: list[Json] = []

    def take(self, event: Event) -> Iterator[Said]:
        match event:
            case Text(text, 0) | Refusal(text, 0) if text:
                if type(event) is Refusal:
                    self._refusal.append(text)
                yield from self._say({"type": "text", "text": ""}, text)
            case Reasoning(text, 0) if text and self._asked.thoughts:
                begun = {"type": "thinking", "thinking": "", "signature": ""}
                yield from self._say(begun, "" if self._asked.hides_thoughts else text)
            case ToolCall(index=0):
                yield from self._call(event)
            case Annotation(value, 0) if self._asked.searches:
                yield from self._cite(value)
            case Finish(reason, 0):
                self._reason = self._reason or reason
            case Usage():
                self._usage = event

    def end(self) -> Iterator[Said]:
        """The blocks that are open, ended; the search, if there was one."""
        yield from self._flush()
        if self._found:
            yield from self._search()

    def begun(self) -> Json:
        usage = usage_object(Usage(self._prompt_guess, 1))
        return message_object(self._id, self._asked.shown_model, [], NO_STOP, usage)

    def whole(self) -> Json:
        return message_object(
            self._id, self._asked.shown_model, self.done, self.stop(), self.counts()
        )

    def stop(self) -> Json:
        stop = stop_of(self._reason, has_calls=bool(self._called))
        return stop_members(stop, "".join(self._refusal))

    def counts(self) -> Json:
        """What it took, guessed where the provider states nothing; the search if any was seen."""
        said = (one.get("text") or one.get("thinking") or "" for one in self.done)
        guess = sum(math.ceil(len(text) / 4) for text in said)
        usage = self._usage or Usage(self._prompt_guess, guess)
        return usage_object(usage, searches=1 if self._found else 0)

    @property
    def open_text(self) -> Block | None:
        return self._open if self._open is not None and self._open.kind == "text" else None

    def _say(self, begun: Json, text: str) -> Iterator[Said]:
        """A piece of a block that is open, or that begins so."""
        block = self._open
        if block is None or block.kind != begun["type"]:
            block = Block(self._count, begun)
            yield from self._begin(block)
        yield from block.say(text)

    def _begin_call(self, call: ToolCall) -> Iterator[Said]:
        if call.key in self._called:
            raise ValueError("a piece of a call comes after something else has begun")
        yield from super()._begin_call(call)

    def _block_of(self, call: ToolCall) -> Block:
        begun = {"type": "tool_use", "id": shown_id(call.id), "name": call.name, "input": {}}
        return Block(self._count, begun)

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
        found = [
            {"type": "web_search_result", **one, "encrypted_content": SIGNATURE, "page_age": None}
            for one in {one["url"]: one for one in self._found}.values()
        ]
        call = {"type": "server_tool_use", "id": call_id, "name": "web_search", "input": {}}
        result = {"type": "web_search_tool_result", "tool_use_id": call_id, "content": found}
        for block in (call, result):
            index = len(self.done)
            self.done.append(block)
            yield "content_block_start", {"index": index, "content_block": block}
            yield "content_block_stop", {"index": index}


def _citation(url: str, title: str) -> Json:
    return {
        "type": "web_search_result_location",
        "url": url,
        "title": title,
        "cited_text": "",
        "encrypted_index": SIGNATURE,
    }
