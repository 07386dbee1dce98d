"""GET /v1/models and /v1/models/{id}, and the lists of models behind them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response

from adapters.base import Adapter, AdapterError, Json, Model
from proxy.errors import model_not_found
from proxy.parse import check_model_name
from proxy.wire import model_object, models_object

log = logging.getLogger("pointsman.models")

FRESH_S = 60.0
TIMEOUT_S = 2.0
FIRST_LIST_S = 1.0


class Catalog:
    """What each provider offers: asked in parallel, with a short timeout, the last good list kept.

    A provider that does not answer delays nobody beyond the timeout, and keeps its old list.
    """

    def __init__(
        self, adapters: Mapping[str, Adapter], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._adapters = adapters
        self._clock = clock
        self._lists: dict[str, Sequence[Model]] = {}
        self._asked_s: float | None = None
        self._refreshing: asyncio.Task[None] | None = None

    def lists(self) -> Mapping[str, Sequence[Model]]:
        """The last good list of each provider that has ever given one."""
        return self._lists

    def providers_of(self, model: str) -> list[str]:
        """The providers that list a model of this name, or are set to use it."""
        names = {model, f"{model}:latest"}
        return [
            provider
            for provider, adapter in self._adapters.items()
            if adapter.settings.model == model
            or any(listed.id in names for listed in self._lists.get(provider, ()))
        ]

    async def know(self, model: str) -> None:
        """See to it that the lists are fresh enough to look `model` up, waiting once at most.

        Only the very first lists are waited for, and not long; later ones come in the background.
        """
        if self._is_fresh() or any(a.settings.model == model for a in self._adapters.values()):
            return
        task = self._refresh()
        if not self._lists:
            await asyncio.wait([task], timeout=FIRST_LIST_S)

    async def refreshed(self) -> Mapping[str, Sequence[Model]]:
        """The lists, asked for anew unless they are fresh."""
        if not self._is_fresh():
            await asyncio.wait([self._refresh()])
        return self._lists

    async def close(self) -> None:
        """Stop a refresh that is under way."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)

    def _is_fresh(self) -> bool:
        return self._asked_s is not None and self._clock() - self._asked_s < FRESH_S

    def _refresh(self) -> asyncio.Task[None]:
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._ask_all())
        return self._refreshing

    async def _ask_all(self) -> None:
        ready = [name for name, adapter in self._adapters.items() if adapter.unconfigured is None]
        outcomes = await asyncio.gather(*map(self._ask, ready), return_exceptions=True)
        for provider, outcome in zip(ready, outcomes, strict=True):
            if isinstance(outcome, Exception):
                log.error("no list of models from %s", provider, exc_info=outcome)
        self._asked_s = self._clock()

    async def _ask(self, provider: str) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                self._lists[provider] = await self._adapters[provider].models()
        except (AdapterError, TimeoutError) as error:
            log.debug("no list of models from %s: %s", provider, error)


class ModelsEndpoint:
    """The two routes, over one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def every(self, _request: Request) -> Response:
        """Every model as `provider/model`, and by its plain name where only one lists it."""
        return _json(models_object(await self._entries()))

    async def single(self, request: Request) -> Response:
        """One model by either of its names."""
        name = check_model_name(request.path_params["id"])
        for entry in await self._entries():
            if entry["id"] == name:
                return _json(orjson.dumps(entry))
        raise model_not_found(name)

    async def _entries(self) -> list[Json]:
        lists = await self._catalog.refreshed()
        entries: dict[str, Json] = {}
        for provider, models in lists.items():
            for model in models:
                name = f"{provider}/{model.id}"
                entries[name] = model_object(name, model)
        for models in lists.values():
            for model in models:
                entries.setdefault(model.id, model_object(model.id, model))
        return list(entries.values())


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
