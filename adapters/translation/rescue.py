"""Calls of tools that a model wrote as text, which nobody before us has read -> calls."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import orjson
from msgspec.structs import replace

from adapters.events import Event, Finish, Json, Text, ToolCall, Warn
from adapters.translation.argument_types import fitted
from adapters.translation.call_text import MAX_TEXT, read_calls
from adapters.translation.functions import plain_name
from adapters.wire.writing import dumps_text

MARKS = (
    *("<tool_call>", "<function=", "<|python_tag|>", "[TOOL_CALLS]", "<|channel|>commentary to="),
    *("<|start|>assistant to=", "to=functions.", "<\uff5cDSML\uff5c", "<|DSML|", "<invoke name="),
    *("<minimax:tool_call>", "<function_calls>", "<seed:tool_call>", "<tool_calls>"),
    *("<|tool_call>", "<|tool_call|>", "<|tool_call_start|>", "<|tool_call_begin|>"),
    *("<|tool_calls_section_begin|>", "<\uff5ctool\u2581calls\u2581begin\uff5c>"),
    *("<|START_ACTION|>", "functools["),
)
"""With one of these a call begins, wherever it stands."""
_OBJECT = re.compile(r"(?:```\w{0,8}\s*)?\[?\s*\{\s*\"([^\"]{0,32})\"")
_NO_OBJECT_YET = re.compile(r"(?:`{1,3}\w{0,8}\s*)?\[?\s*(?:\{\s*(?:\"[^\"]{0,32})?)?")
_KEYS = frozenset({"name", "function", "type", "tool", "tool_name", "tool_calls", "arguments"})
"""What the first key of an object may be that is nothing but a call."""
MAX_START, MAX_HELD = 80, 1024
"""Where that key stands at the latest, and how much is held back, blanks and all, to see it."""


def rescued(text: str, tools: Sequence[Json], *, one: bool = False) -> list[Event]:
    """The calls in the text and the end of the answer; none where it cannot be read as calls."""
    functions = [tool.get("function", {}) for tool in tools]
    schemas = {function.get("name"): function.get("parameters") for function in functions}
    calls = read_calls(text, schemas)[: 1 if one else None]
    if not calls:
        return []
    told = [(call.name, _fitted(call.arguments, schemas[call.name])) for call in calls]
    return [
        *(ToolCall(key=i, name=name, arguments=text) for i, (name, text) in enumerate(told)),
        Finish("tool_calls"),
        Warn("rescued=tool_calls"),
        *([Warn("changed=tool_calls.arguments")] if told != calls else []),
    ]


def _fitted(arguments: str, schema: Any) -> str:
    if not isinstance(schema, dict):
        return arguments
    return dumps_text(fitted(orjson.loads(arguments), schema))


class _Talk:
    """The text of one answer as it comes; what may be a call is held back to its end."""

    def __init__(self, tools: Sequence[Json], *, one: bool) -> None:
        self._tools = tools
        self._names = [tool["function"]["name"] for tool in tools]
        self._one = one
        self._held = ""
        self._at_start = True
        self._is_call = False
        self._has_calls = False

    def read(self, event: Event, out: list[Event]) -> None:
        """Append what is certain by now."""
        if type(event) is Text:
            self._held += event.text
            if text := self._certain():
                out.append(Text(text))
        elif type(event) is Finish:
            out += self._ended(event)
        elif type(event) is ToolCall:
            self._has_calls = True
            name = plain_name(event.name, self._names) if event.name else ""
            out.append(event if name == event.name else replace(event, name=name))
        else:
            out.append(event)

    def _certain(self) -> str:
        """The text that can be no call, taken out of what is held."""
        if self._is_call:
            return "" if len(self._held) <= MAX_TEXT else self._all()
        if self._at_start:
            start = self._held.lstrip()[:MAX_START]
            found = _OBJECT.match(start)
            self._is_call = found is not None and found[1] in _KEYS
            is_open = len(self._held) < MAX_HELD and _NO_OBJECT_YET.fullmatch(start)
            if self._is_call or is_open:
                return ""
            self._at_start = False
        found_at = [at for mark in MARKS if (at := self._held.find(mark)) >= 0]
        self._is_call = bool(found_at)
        at = len(self._held) - max(_overlap(self._held, mark) for mark in MARKS)
        at = min(found_at, default=at)
        certain, self._held = self._held[:at], self._held[at:]
        return certain

    def _all(self) -> str:
        """All that is held, which is too long for a call."""
        self._is_call = self._at_start = False
        text, self._held = self._held, ""
        return text

    def _ended(self, finish: Finish) -> list[Event]:
        is_call = self._is_call
        held = self._all()
        may_call = is_call and finish.reason == "stop" and not self._has_calls
        if may_call and (events := rescued(held, self._tools, one=self._one)):
            return events
        return [Text(held), finish] if held else [finish]


def _overlap(text: str, mark: str) -> int:
    """How many characters at the end of `text` may be the beginning of `mark`."""
    sizes = range(min(len(mark) - 1, len(text)), 0, -1)
    return next((size for size in sizes if mark.startswith(text[-size:])), 0)


async def with_written_calls(
    answer: AsyncGenerator[list[Event], None], tools: Sequence[Json], *, one: bool
) -> AsyncGenerator[list[Event], None]:
    """The same events of one choice, with calls for the text that means some.

    `tools` are those that the model was shown; of its calls, `one` is enough where it says so.
    """
    talk = _Talk(tools, one=one)
    async with contextlib.aclosing(answer) as batches:
        async for batch in batches:
            out: list[Event] = []
            for event in batch:
                talk.read(event, out)
            if out:
                yield out
