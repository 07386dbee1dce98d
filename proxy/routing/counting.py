"""How many tokens a conversation is, by the word of who would answer it, where that costs nothing.

No limit is drawn on and nobody else is asked: where the first in the order cannot tell at once,
doors make a guess.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from msgspec.structs import replace

from adapters.base import Adapter, AdapterError, ChatRequest
from adapters.tasks import Counts
from proxy.errors import ApiError
from proxy.limits.health import Health
from proxy.routing.planning.candidates import Chooser
from proxy.routing.planning.preference import Preference

TIMEOUT_S = 3.0
"""Clients ask before each turn."""

Count = Callable[[ChatRequest, str], Awaitable[int | None]]
"""Of a request of an app; None where nobody can tell."""


class Counting:
    """A `Count` by the providers that there are."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        chooser: Chooser,
        health: Health,
        preference: Callable[[str | None], Awaitable[Preference]],
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._adapters = adapters
        self._chooser = chooser
        self._health = health
        self._preference = preference
        self._timeout_s = timeout_s

    async def __call__(self, request: ChatRequest, app: str) -> int | None:
        """The count."""
        try:
            plan = self._chooser.plan(request, await self._preference(app or None))
        except ApiError:
            return None
        first = plan.candidates[0]
        adapter = self._adapters[first.provider]
        if not isinstance(adapter, Counts) or self._health.wait(first) is not None:
            return None
        try:
            async with asyncio.timeout(self._timeout_s):
                return await adapter.count_tokens(replace(request, model=first.model))
        except (AdapterError, TimeoutError):
            return None


async def nobody_counts(_request: ChatRequest, _app: str) -> int | None:
    """A `Count` where there is no provider."""
    return None
