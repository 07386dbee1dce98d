"""Answers of one block after the other, each begun, filled and ended. No I/O.

What a stream has said of a block is what stands in the whole at its end: both are made here, and
the whole takes no notice of what is streamed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from adapters.base import Event, Json, Text, ToolCall
from adapters.translation.arguments import are_whole
from adapters.wire.writing import dumps
from proxy.doors.writing.calls import HeldCalls
from proxy.doors.writing.whole import JSON_TYPE

Said = tuple[str, Json]
"""A type of event, and its members except `type`."""
NOTHING = ("", "{}")
"""What may still come of a call that has ended, as it adds nothing."""


class Block(Protocol):
    """`kind` is its type in the whole; `pieces` are what has been said in it."""

    @property
    def kind(self) -> str: ...

    @property
    def pieces(self) -> list[str]: ...

    def begin(self) -> Iterator[Said]: ...

    def say(self, piece: Any, /) -> Iterator[Said]:
        """A further piece; of a call, a piece of its arguments."""

    def end(self) -> Generator[Said, None, Json]:
        """What a stream says at its end; returned is the block as it stands in the whole."""


B = TypeVar("B", bound=Block)


class Blocks(Generic[B]):
    """Where an answer stands: the blocks that are `done`, and the one that is open.

    `spoken` is the kind of block that holds a text. A protocol gives `take`, `end`, `whole`,
    `open_text` and the block of a call.
    """

    spoken: str

    def __init__(self) -> None:
        self.done: list[Json] = []
        self._open: B | None = None
        self._count = 0
        self._reason: str | None = None
        self._key: str | int | None = None
        self._called: set[str | int] = set()
        self._waiting = HeldCalls()

    def take(self, event: Event) -> Iterator[Said]:
        """What a stream says of an event. What the protocol has no words for is left out."""
        raise NotImplementedError

    def end(self) -> Iterator[Said]:
        """The blocks that are open, ended, and those that only the end brings."""
        raise NotImplementedError

    def whole(self) -> Json:
        """The answer as one object, behind its end."""
        raise NotImplementedError

    @property
    def open_text(self) -> B | None:
        """The open block, if a text is what it goes on with."""
        raise NotImplementedError

    def end_early(self) -> bool:
        """Take what there is for all, cut at its length; False where that would be no answer."""
        kinds = [block["type"] for block in self.done]
        if self._open is not None:
            kinds.append(self._open.kind)
        if self._key is not None or self._waiting or self.spoken not in kinds:
            return False
        self._reason = "length"
        return True

    def _begin(self, block: B) -> Iterator[Said]:
        yield from self._end()
        self._open = block
        self._count += 1
        yield from block.begin()

    def _end(self) -> Iterator[Said]:
        block, self._open, self._key = self._open, None, None
        if block is not None:
            self.done.append((yield from block.end()))

    def _call(self, call: ToolCall) -> Iterator[Said]:
        """One call after the other: a piece of another one waits until the open one is whole."""
        block = self._open
        if block is not None and call.key == self._key:
            yield from block.say(call.arguments)
        elif call.key in self._called and call.arguments.strip() in NOTHING:
            return
        elif self._waiting or (
            block is not None and self._key is not None and not are_whole(block.pieces)
        ):
            self._waiting.add(call)
        else:
            yield from self._begin_call(call)

    def _begin_call(self, call: ToolCall) -> Iterator[Said]:
        block = self._block_of(call)
        yield from self._begin(block)
        self._called.add(call.key)
        self._key = call.key
        yield from block.say(call.arguments)

    def _flush(self) -> Iterator[Said]:
        """End the open block, and each call that has waited for that."""
        yield from self._end()
        waiting, self._waiting = self._waiting, HeldCalls()
        for call in waiting.whole():
            yield from self._begin_call(call)
        yield from self._end()

    def _block_of(self, call: ToolCall) -> B:
        raise NotImplementedError


class BlockFold:
    headers = (JSON_TYPE,)

    def __init__(self, blocks: Blocks[Any]) -> None:
        self._blocks = blocks

    def feed(self, events: Iterable[Event]) -> None:
        text = self._blocks.open_text
        for event in events:
            if type(event) is Text and text is not None and event.text and not event.index:
                text.pieces.append(event.text)
                continue
            deque(self._blocks.take(event), maxlen=0)
            text = self._blocks.open_text

    def cut(self) -> bool:
        return self._blocks.end_early()

    def end(self) -> bytes:
        deque(self._blocks.end(), maxlen=0)
        return dumps(self._blocks.whole())
