"""What a client may ask for: every model by the names that lead to it, in no protocol's form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from adapters.base import Model
from proxy.doors.models.catalog import Catalog
from proxy.errors import model_not_found
from proxy.routing.planning.candidates import ANY_MODEL

OURS = "pointsman"
Permits = Callable[[str, str], bool]
"""Whether a provider's model may be asked."""


class Named(Struct, frozen=True):
    """A model by one of its names; `provider` is None where any may answer to that."""

    name: str
    model: Model
    provider: str | None = None


class Offered:
    """Over one catalog; `aliases` gives the names that the owner has made.

    `permits` tells of an app which providers' models it may ask: it is offered nothing else.
    """

    def __init__(
        self,
        catalog: Catalog,
        aliases: Callable[[], Iterable[str]] = lambda: (),
        permits: Callable[[str], Permits] = lambda _app: lambda _provider, _model: True,
    ) -> None:
        self._catalog = catalog
        self._aliases = aliases
        self.permits = permits

    async def every(self, app: str = "") -> Sequence[Named]:
        """The names that any provider may answer, then each model that chats or makes vectors."""
        return list(self._entries(await self._lists(app)).values())

    async def single(self, name: str, app: str = "") -> Named:
        """One model by its name, with its provider or plain. Raises ApiError 404."""
        lists = await self._lists(app)
        entries = self._entries(lists)
        for provider, model in _served(lists):
            entries.setdefault(model.id, Named(model.id, model, provider))
        if entry := entries.get(name) or entries.get(f"{name}:latest"):
            return Named(name, entry.model, entry.provider)
        provider, _, rest = name.partition("/")
        is_unknown = self._catalog.is_configured(provider) and provider not in lists
        if rest and is_unknown and self.permits(app)(provider, rest):
            return Named(name, Model(rest), provider)  # nobody can tell yet
        raise model_not_found(name)

    async def _lists(self, app: str) -> Mapping[str, Sequence[Model]]:
        lists, permits = await self._catalog.refreshed(), self.permits(app)
        return {
            provider: [model for model in models if permits(provider, model.id)]
            for provider, models in lists.items()
        }

    def _entries(self, lists: Mapping[str, Sequence[Model]]) -> dict[str, Named]:
        ours = (ANY_MODEL, *sorted(name for name in self._aliases() if "*" not in name))
        entries = {name: Named(name, Model(name, owned_by=OURS)) for name in ours}
        for provider, model in _served(lists):
            name = f"{provider}/{model.id}"
            entries[name] = Named(name, model, provider)
        return entries


def _served(lists: Mapping[str, Sequence[Model]]) -> Iterator[tuple[str, Model]]:
    for provider, models in lists.items():
        yield from ((provider, model) for model in models if model.chat or model.embeds)
