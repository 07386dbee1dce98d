"""What an answer brings at once, in portions that each take a few milliseconds to tell. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from adapters.events import Event, Media, Reasoning, Text, ToolCall
from adapters.tasks import Vectors

MANY = 1000
"""Events that are handed on at once: it takes a few milliseconds."""
LONG = 64 * 1024
"""Characters of one text."""
EVENT_BYTES = 512
"""Of an event, beside its text."""
NUMBER_BYTES = 20
"""Of a number in a vector."""


def portions(events: list[Event]) -> Iterator[list[Event]]:
    """The events in lists of at most `MANY`, of which each has at most one long text."""
    portion: list[Event] = []
    for event in events:
        for piece in _pieces(event):
            portion.append(piece)
            if piece is not event or len(portion) == MANY:
                yield portion
                portion = []
    if portion or not events:
        yield portion


def size_of(event: Any) -> int:
    """About how long its JSON is, in bytes."""
    kind = type(event)
    if kind is Text or kind is Reasoning:
        return EVENT_BYTES + len(event.text)
    if kind is ToolCall:
        return EVENT_BYTES + len(event.arguments)
    if kind is Media:
        return EVENT_BYTES + len(event.data)
    if kind is Vectors:
        return EVENT_BYTES + sum(map(len, event.values)) * NUMBER_BYTES
    return EVENT_BYTES


def _pieces(event: Event) -> Iterator[Event]:
    """The event, or where its text is longer than `LONG` several that come to the same."""
    if type(event) is ToolCall and len(event.arguments) > LONG:
        yield replace(event, arguments=event.arguments[:LONG])
        for at in range(LONG, len(event.arguments), LONG):
            text = event.arguments[at : at + LONG]
            yield ToolCall(event.key, arguments=text, index=event.index)
    elif (type(event) is Text or type(event) is Reasoning) and len(event.text) > LONG:
        for at in range(0, len(event.text), LONG):
            yield replace(event, text=event.text[at : at + LONG])
    else:
        yield event
