"""Names of functions as the strictest providers take them, and back."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import AsyncGenerator, Mapping, Sequence

from msgspec.structs import replace

from adapters.base import Event, Json, ToolCall

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_STRANGE = re.compile(r"[^A-Za-z0-9_-]", re.ASCII)


def function_name(name: str) -> str:
    """The name itself where it is taken, else one that is and that no other name gets."""
    if _NAME.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{_STRANGE.sub('_', name)[:50]}_{digest}"


def renamed(tools: Sequence[Json]) -> Mapping[str, str]:
    """The client's names of those functions that go by another one."""
    names = (tool["function"]["name"] for tool in tools)
    return {native: name for name in names if (native := function_name(name)) != name}


def with_own_names(
    answer: AsyncGenerator[list[Event], None], tools: Sequence[Json]
) -> AsyncGenerator[list[Event], None]:
    """The same events, calls by the names that the client knows."""
    names = renamed(tools)
    return _renamed(answer, names) if names else answer


async def _renamed(
    answer: AsyncGenerator[list[Event], None], names: Mapping[str, str]
) -> AsyncGenerator[list[Event], None]:
    async with contextlib.aclosing(answer) as batches:
        async for batch in batches:
            yield [_own(event, names) for event in batch]


def _own(event: Event, names: Mapping[str, str]) -> Event:
    if type(event) is ToolCall and event.name in names:
        return replace(event, name=names[event.name])
    return event
