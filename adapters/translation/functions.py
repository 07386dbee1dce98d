"""Names of functions as the strictest providers take them, and back."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import AsyncGenerator, Collection, Sequence

from msgspec.structs import replace

from adapters.events import Event, Json, ToolCall

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_STRANGE = re.compile(r"[^A-Za-z0-9_-]", re.ASCII)
_COUNTED = re.compile(r":\d{1,6}$", re.ASCII)
"""Kimi's, of which call it is."""
_SPACES = ("functions.", "default_api.", "default_api:")
"""Under which some models know all tools."""


def function_name(name: str) -> str:
    """The name itself where it is taken, else one that is and that no other name gets."""
    if _NAME.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{_STRANGE.sub('_', name)[:50]}_{digest}"


def plain_name(name: str, offered: Collection[str]) -> str:
    """The offered name without the marks and the space of names that a model writes around it."""
    if name in offered:
        return name
    plain = name.partition("<|")[0].strip()
    plain = next((plain.removeprefix(one) for one in _SPACES if plain.startswith(one)), plain)
    plain = _COUNTED.sub("", plain)
    return plain if plain in offered else name


async def with_own_names(
    answer: AsyncGenerator[list[Event], None], tools: Sequence[Json]
) -> AsyncGenerator[list[Event], None]:
    """The same events, calls by the names that the client knows."""
    names = {function_name(name): name for tool in tools if (name := tool["function"]["name"])}
    async with contextlib.aclosing(answer) as batches:
        async for batch in batches:
            for at, event in enumerate(batch):
                if type(event) is ToolCall and event.name:
                    own = names.get(plain_name(event.name, names), event.name)
                    if own != event.name:
                        batch[at] = replace(event, name=own)
            yield batch
