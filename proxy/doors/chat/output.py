"""Calls of custom tools in an answer: functions to the provider, texts to the client. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from msgspec.structs import replace

from adapters.base import Event, Finish, ToolCall
from proxy.doors.reading.custom import input_of
from proxy.doors.writing.calls import HeldCalls


class CustomCalls:
    """Those by `names`, which are held until they are whole: only then is the text in them told."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._held = defaultdict[int, HeldCalls](HeldCalls)

    def read(self, events: Iterable[Event]) -> list[Event]:
        """The events, whole calls before the end of their choice."""
        out: list[Event] = []
        for event in events:
            if type(event) is ToolCall:
                held = self._held[event.index]
                if event.key in held or event.name in self._names:
                    held.add(event)
                    continue
            elif type(event) is Finish:
                out += map(_told, self._held.pop(event.index, HeldCalls()).whole())
            out.append(event)
        return out


def _told(call: ToolCall) -> ToolCall:
    custom = {"type": "custom", "custom": {"name": call.name, "input": input_of(call.arguments)}}
    return replace(call, arguments="", extra={**(call.extra or {}), **custom})
