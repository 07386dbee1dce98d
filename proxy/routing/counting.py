"""How many tokens a conversation is, as the provider counts that would answer it, if it does.

No limit is drawn on and nobody else is asked: where the first in the order cannot tell at once,
doors make a guess.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from adapters.base import AdapterError, ChatRequest
from adapters.tasks import Counts
from proxy.errors import ApiError
from proxy.routing.planning.any_key import AnyKey
from proxy.routing.planning.candidates import Chooser
from proxy.routing.planning.preference import Preference

TIMEOUT_S = 3.0
"""Clients ask before each turn."""

Count = Callable[[ChatRequest, str], Awaitable[int | None]]
"""The tokens of an app's request; None where nobody counts them."""


class Counting:
    """A `Count` by the providers that there are."""

    def __init__(
        self,
        keys: AnyKey,
        chooser: Chooser,
        preference: Callable[[str | None], Awaitable[Preference]],
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._keys = keys
        self._chooser = chooser
        self._preference = preference
        self._timeout_s = timeout_s

    async def __call__(self, request: ChatRequest, app: str) -> int | None:
        try:
            plan = self._chooser.plan(request, await self._preference(app or None))
        except ApiError:
            return None
        first = self._keys.usable(plan.candidates[0])
        adapter = first and self._keys.adapter(first)
        if first is None or not isinstance(adapter, Counts):
            return None
        try:
            async with asyncio.timeout(self._timeout_s):
                return await adapter.count_tokens(replace(request, model=first.model))
        except AdapterError as error:
            self._keys.refused(first, error)
        except TimeoutError:
            pass
        return None


async def nobody_counts(_request: ChatRequest, _app: str) -> int | None:
    """A `Count` where there is no provider."""
    return None
