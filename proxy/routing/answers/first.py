"""The beginning of an answer: read up to its first content, or to an end that has none."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from adapters.base import (
    CONTENT_EVENTS,
    AdapterError,
    ChatRequest,
    ErrorKind,
    Event,
    Finish,
    Usage,
)
from adapters.wire.portions import MANY
from proxy.gate.work import Work

SAYING = frozenset(CONTENT_EVENTS) - {Finish}
"""The events with something in them to show or to do."""


class EmptyAnswerError(AdapterError):
    """An answer with nothing in it but its end; `events` are what there is."""

    def __init__(self, events: list[Event], provider: str) -> None:
        super().__init__(ErrorKind.EMPTY, "the answer is empty", provider=provider)
        self.events = events


async def until_content(
    events: AsyncGenerator[list[Event], None], provider: str
) -> tuple[list[Event], AsyncGenerator[list[Event], None]]:
    """All events up to and with the first batch that holds content, and those that follow.

    Where the first content is but the end, it is read to see whether that is all. Raises
    EmptyAnswerError for an answer of nothing: no text, no call, no tokens.
    """
    first: list[Event] = []
    has_ended = False
    try:
        async for batch in events:
            first += batch
            for event in batch:
                kind = type(event)
                if kind is Finish:
                    has_ended = True
                elif kind in SAYING:
                    return first, events
    except AdapterError as error:
        if has_ended:
            return first, _broken(error)
        raise
    except BaseException:
        await events.aclose()
        raise
    if not has_ended:
        raise AdapterError(
            ErrorKind.BAD_RESPONSE, "the answer ended before it began", provider=provider
        )
    if is_empty(first):
        raise EmptyAnswerError(first, provider)
    return first, nothing()


async def until_end(
    first: list[Any], rest: AsyncGenerator[list[Any], None], work: Work
) -> tuple[list[Any], AsyncGenerator[list[Any], None]]:
    """All events of an answer that goes out in one piece: what fails on its way may still rotate.

    Where its time is up, those that are there, and the cancellation again behind them. Very many
    stay in several batches, so that nobody has to take them all in at once.
    """
    batches, last = [first], first
    try:
        async for batch in rest:
            if last[MANY:]:
                last = batch
                batches.append(last)
            else:
                last += batch
    except AdapterError:
        async for last in _in_turns(batches, nothing()):
            last.clear()  # the caller holds the first of them
        raise
    except asyncio.CancelledError as late:
        if not work.is_late:
            raise
        return first, _behind(batches, _broken(late))
    return first, _behind(batches, nothing())


def _behind(
    batches: list[list[Any]], last: AsyncGenerator[list[Any], None]
) -> AsyncGenerator[list[Any], None]:
    return _in_turns(batches[1:], last) if batches[1:] else last


async def _in_turns(
    batches: list[list[Any]], last: AsyncGenerator[list[Any], None]
) -> AsyncGenerator[list[Any], None]:
    """What has been read before; everybody else has a turn between two of them."""
    async with contextlib.aclosing(last):
        while batches:
            yield batches.pop(0)  # to let go of all of them at once would take its time, too
            await asyncio.sleep(0)
        async for batch in last:
            yield batch


def is_plain(request: Any) -> bool:
    """Whether the client gets nothing of its answer before all of it is there."""
    return isinstance(request, ChatRequest) and not request.stream


async def until_kind(
    kind: type, events: AsyncGenerator[list[Any], None], provider: str
) -> tuple[list[Any], AsyncGenerator[list[Any], None]]:
    """All events up to and with the first batch that holds one of this kind, and what follows."""
    first: list[Any] = []
    try:
        async for batch in events:
            first += batch
            if any(type(event) is kind for event in batch):
                return first, events
    except BaseException:
        await events.aclose()
        raise
    raise AdapterError(
        ErrorKind.BAD_RESPONSE, "the answer ended before it began", provider=provider
    )


async def _broken(error: BaseException) -> AsyncGenerator[list[Event], None]:
    try:
        raise error
    finally:
        del error  # no frame holds what is raised through it
    yield []


def is_empty(events: Sequence[Event]) -> bool:
    """Whether an answer without content has ended as a good one does, and used no tokens.

    One token may be the mark of the end itself, which some providers count.
    """
    reasons = {event.reason for event in events if type(event) is Finish}
    used = [event.completion for event in events if type(event) is Usage]
    return reasons == {"stop"} and bool(used) and max(used) <= 1


async def nothing() -> AsyncGenerator[list[Event], None]:
    return
    yield []
