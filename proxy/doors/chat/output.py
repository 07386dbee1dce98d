"""Calls of custom tools in an answer: functions to the provider, texts to the client. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec.structs import replace

from adapters.base import Event, Finish, ToolCall
from proxy.doors.reading.custom import input_of


class CustomCalls:
    """Those by `names`, which are held until they are whole: only then is the text in them told."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._held: dict[str | int, list[ToolCall]] = {}

    def read(self, events: Iterable[Event]) -> list[Event]:
        """The events, whole calls before the end of their choice."""
        out: list[Event] = []
        for event in events:
            if type(event) is ToolCall and (event.key in self._held or event.name in self._names):
                self._held.setdefault(event.key, []).append(event)
                continue
            if type(event) is Finish:
                out += self._whole(event.index)
            out.append(event)
        return out

    def _whole(self, index: int) -> list[Event]:
        keys = [key for key, pieces in self._held.items() if pieces[0].index == index]
        return [_told(self._held.pop(key)) for key in keys]


def _told(pieces: list[ToolCall]) -> ToolCall:
    call = pieces[0]
    text = input_of("".join(piece.arguments for piece in pieces))
    custom = {"type": "custom", "custom": {"name": call.name, "input": text}}
    return replace(call, arguments="", extra={**(call.extra or {}), **custom})
