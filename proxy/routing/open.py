"""Opens the routing: what can be asked, of whom, and who asks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from adapters import REGISTRY
from adapters.base import Adapter, Memory, Model
from adapters.tasks import Embeds
from adapters.upstream import Upstream
from proxy.clocks import Clocks
from proxy.limits.health import Health
from proxy.limits.patience import patience_of
from proxy.limits.retired import Retired
from proxy.limits.unable import Unable
from proxy.providers import pooled
from proxy.redact import Redactor
from proxy.routing.loading import Loading
from proxy.routing.operations.operation import Operations
from proxy.routing.operations.table import operations_of
from proxy.routing.pictures.fetching import ImageFetcher
from proxy.routing.planning.candidates import Chooser
from proxy.routing.planning.keys import Keys
from proxy.routing.planning.pools import Pools
from proxy.routing.planning.preference import last_resort_of
from proxy.routing.planning.sessions import Sessions
from proxy.routing.router import Models, Router
from proxy.settings import Settings


class Lists(Models, Protocol):
    """What is known of the models that there are."""

    def lists(self) -> Mapping[str, Sequence[Model]]: ...
    def providers_of(self, model: str) -> Sequence[str]: ...


class Routing(NamedTuple):
    """Its parts, each made over the one before."""

    operations: Operations
    chooser: Chooser
    pools: Pools | None
    router: Router


def keys_of(settings: Settings, upstream: Upstream, memory: Memory) -> Keys:
    """An adapter for each key of each provider that is set up."""
    return Keys(
        {
            name: [REGISTRY[one.kind or name](by, upstream, memory) for by in one.by_key()]
            for name, one in settings.providers.items()
        }
    )


def routing_of(
    settings: Settings,
    keys: Keys,
    models: Lists,
    health: Health,
    retired: Retired,
    loading: Loading,
    redactor: Redactor,
    clocks: Clocks,
) -> Routing:
    """The routing over the providers of `keys`, as the settings want it."""
    answered, adapters = set[str](), keys.adapters
    operations = operations_of(_embedding_model(settings, adapters))
    chooser = Chooser(
        adapters,
        listed=models.providers_of,
        has_told=lambda provider: provider in models.lists(),
        last_resort=last_resort_of(adapters, answered),
        retired=retired,
        cannot=Unable(clocks.clock),
        operations=operations,
        pools=pooled(settings.pools),
    )
    sessions = Sessions(clocks.clock, on=settings.sticky)
    pools = _pools(settings, adapters, models, health, sessions)
    router = Router(
        keys,
        models,
        chooser,
        health,
        clocks,
        operations=operations,
        sessions=sessions,
        pools=pools,
        patience=patience_of(adapters),
        loading=loading,
        images=ImageFetcher(settings.fetch_images),
        redactor=redactor,
        answered=answered,
        strict_params=settings.strict_params,
        max_wait_s=settings.max_wait_s,
    )
    return Routing(operations, chooser, pools, router)


def _embedding_model(settings: Settings, adapters: Mapping[str, Adapter]) -> str:
    """The model whose vectors are made: the one that is set, else the configured provider's own."""
    chosen = settings.llm_provider or ""
    is_able = isinstance(adapters.get(chosen), Embeds) and not adapters[chosen].unconfigured
    return settings.embedding_model or (chosen if is_able else "")


def _pools(
    settings: Settings,
    adapters: Mapping[str, Adapter],
    models: Lists,
    health: Health,
    sessions: Sessions,
) -> Pools | None:
    if not (pools := pooled(settings.pools)):
        return None
    return Pools(pools, adapters, listed=models.providers_of, busy=health.busy, sessions=sessions)
