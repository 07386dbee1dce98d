"""What an answer brings at once, in portions that each take a few milliseconds to tell. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from adapters.base import Event, Reasoning, Text, ToolCall

MANY = 1000
"""Events that are handed on at once: it takes a few milliseconds."""
LONG = 64 * 1024
"""Characters of one text."""


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


def _pieces(event: Event) -> Sequence[Event]:
    """The event, or where its text is longer than `LONG` several that come to the same."""
    if type(event) is ToolCall:
        first, *rest = _cut(event.arguments)
        if not rest:
            return (event,)
        begin = replace(event, arguments=first)
        return [begin, *(ToolCall(event.key, arguments=text, index=event.index) for text in rest)]
    if type(event) is Text or type(event) is Reasoning:
        first, *rest = _cut(event.text)
        return [replace(event, text=text) for text in (first, *rest)] if rest else (event,)
    return (event,)


def _cut(text: str) -> list[str]:
    return [text[at : at + LONG] for at in range(0, len(text), LONG)] or [text]
