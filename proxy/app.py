"""The composition root: settings in, a Starlette application out. Nothing is wired elsewhere."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from adapters.memory import LruMemory
from adapters.upstream import Upstream
from admin.auth import Gate, admin_token
from admin.kept import kept_routes
from admin.keys import key_routes
from admin.routes import OWN_PATHS, admin_routes
from admin.usage import usage_routes
from proxy.background import Background
from proxy.candidate import Candidate
from proxy.clocks import Clocks
from proxy.cluster.open import replica_of
from proxy.console.answers import KeptAnswers
from proxy.console.console import Console
from proxy.console.kept import Keeper, Kept
from proxy.console.ledger import Ledger
from proxy.console.presets import Presets, health_of
from proxy.console.responses import KeptResponses
from proxy.console.status import Sources
from proxy.console.team import Team
from proxy.console.watch import watch_of
from proxy.doors import Entrance, for_desktops, request_at, speller_of
from proxy.doors.endpoint import Endpoint
from proxy.doors.failures import HANDLERS
from proxy.doors.models.catalog import Catalog
from proxy.doors.open import Doors, cache_of, patterns_of, service_of, turns_of
from proxy.gate.drain import Life, Stage
from proxy.gate.guard import Guard
from proxy.gate.keys import Keys
from proxy.gate.room import Admission
from proxy.gate.shortcut import Shortcut
from proxy.limits.retired import Retired
from proxy.proof import Identity
from proxy.redact import Redactor
from proxy.routing.compact import Compacting
from proxy.routing.counting import Counting
from proxy.routing.loading import Loading
from proxy.routing.open import keys_of, routing_of
from proxy.routing.preference import Preference, built_in_models
from proxy.settings import Settings
from proxy.store.allowances import Allowances
from proxy.store.base import NewerSchemaError
from proxy.store.preferences import preferences_of
from proxy.store.prices import price_list_of
from proxy.store.setbacks import Setbacks
from proxy.store.storage import Storage
from proxy.store.team_keys import TeamKeys
from proxy.telemetry.alerts import alerts_of
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.open import Monitors
from proxy.telemetry.probes import probe_routes
from proxy.upstream.client import upstream_of

log = logging.getLogger("pointsman")

Task = tuple[str, Callable[[], Coroutine[Any, Any, None]]]


class Parts:
    """Everything but the HTTP side, made from the ground up. None of them knows of this list."""

    def __init__(self, settings: Settings, upstream: Upstream, clocks: Clocks) -> None:
        memory, redactor = LruMemory(), Redactor(settings.secrets())
        self.settings, self.upstream = settings, upstream
        self.keys = keys_of(settings, upstream, memory)
        self.adapters = self.keys.adapters
        self.background, self.life, self.admission = Background(), Life(), Admission()
        self.preferences = preferences_of(settings, self.adapters)
        self.presets = Presets(settings, self.adapters, self.preferences)
        self.health = health_of(settings, self.presets, self.keys, clocks)
        self.retired = Retired(built_in_models(self.adapters), wall=clocks.wall)
        self.catalog = Catalog(self.adapters, tell=self.retired.listed, keys=self.keys)
        self.loading = Loading(self.adapters, self.background, clocks.wall)
        knowing = (self.catalog, self.health, self.retired, self.loading)
        self.operations, self.chooser, self.pools, self.router = routing_of(
            settings, self.keys, *knowing, redactor, clocks
        )
        self.setbacks = Setbacks(self.health, self.retired, self.keys)
        saved = (self.preferences, memory, self.setbacks, price_list_of(self.adapters))
        self.team = TeamKeys(Keys(settings.client_keys))
        self.team.listen(lambda: self.preferences.allow(self.team.allowed()))
        self.storage = Storage(settings.store_url, *saved, self.background, self.team)
        self.allowances = Allowances(
            self.team,
            self.storage,
            lambda request: sum(self.operations[type(request)].tokens(request)),
            self.background,
            clocks,
        )
        self.replica = replica_of(
            settings,
            self.health,
            self.retired,
            self.router,
            memory,
            self.preferences,
            self.storage,
            self.allowances,
        )
        self.monitors = Monitors(settings, self.adapters.values(), clocks.wall)
        self.sources = Sources(
            settings,
            self.adapters,
            self.chooser,
            self.preferences,
            self.storage,
            self.monitors.recorder,
            lists=self.catalog.lists,
            health=self.health.snapshot,
            presets=self.presets,
            failed=self.background.problems,
            keys=self.keys,
            shared=self.replica,
            loading=self.loading.since,
            team=self.team,
        )
        self._open(redactor, clocks)

    def _open(self, redactor: Redactor, clocks: Clocks) -> None:
        """What clients meet, and the owner."""
        settings, upstream = self.settings, self.upstream
        self.watch = watch_of(self.sources, self.catalog, self.background, redactor, clocks.wall)
        self.kept = Kept(redactor, wall=clocks.wall)
        self.alerts = alerts_of(settings, self.storage, self.health, upstream.client, clocks.wall)
        self.cache, self.shelves = cache_of(settings, self.storage, self.background, clocks)
        self.service = service_of(
            settings,
            Compacting(self.router, self.catalog.windows) if settings.compact else self.router,
            self.storage,
            self.admission,
            cache=self.cache,
            seen=self.monitors.recorder.seen,
            ended=(self.storage.usage.put, *self.monitors.listeners()),
            allowances=self.allowances,
        )
        self.turns, self.disk = turns_of(settings, self.storage, self.background, clocks)
        count = Counting(self.adapters, self.chooser, self.health, self.storage.preference)
        self.doors = Doors(
            settings,
            self.adapters,
            self.catalog,
            self.preferences,
            upstream,
            self.turns,
            self.team,
            count,
        )
        self.admin_token = admin_token(settings.admin_token, is_published=settings.is_guarded)
        passport = None if self.admin_token is settings.admin_token else Identity().passport
        made = partial(Gate, clock=clocks.clock, wall=clocks.wall, sleep=clocks.sleep)
        self.gate = made(self.admin_token, passport=passport, keys=self.team)

    def try_again(self, provider: str) -> None:
        """Ask `provider` what it has refused before: its owner says that this has been seen to."""
        self.health.try_again(provider)
        self.chooser.cannot.forget(provider)

    def chosen(self, provider: str, preference: Preference) -> None:
        """Get ready for what is about to be asked of `provider`."""
        self.try_again(provider)
        self.router.sessions.forget()
        self.loading.warm(Candidate(provider, self.chooser.model_of(provider, preference)))


def create_app(
    settings: Settings,
    *,
    upstream: Upstream | None = None,
    clocks: Clocks | None = None,
    stop: Callable[[str], None] = log.critical,
) -> Starlette:
    """The server's application. Nothing is connected and no SDK imported before it is needed.

    `stop` gets the reason where the server cannot go on.
    """
    parts = Parts(settings, upstream or upstream_of(settings), clocks or Clocks())
    doors = [
        (one, Keeper(Endpoint(one.door, parts.service, takes_form=one.takes_form), parts.kept))
        for one in parts.doors.entrances
    ]
    app = Starlette(
        routes=_routes(parts, doors),
        lifespan=lambda _: in_order(parts, _tasks(parts, stop)),
        exception_handlers=HANDLERS,
    )
    # In front of Starlette's own middleware, which would cost each chunk of a stream another call.
    app.middleware_stack = Guard(
        Shortcut(
            app.build_middleware_stack(),
            posts={path: at for one, at in doors for path in one.posts},
        ),
        hosts=settings.allowed_hosts,
        origins=settings.allowed_origins,
        keys=parts.team.door,
        own_paths=OWN_PATHS,
        paths=patterns_of(app.routes),
        form_paths=[path for one, _ in doors if one.takes_form for path in one.paths],
        life=parts.life,
        speller_of=speller_of,
        for_desktops=for_desktops,
        hop=parts.upstream.hop,
    )
    app.state.parts = parts
    return app


def _routes(parts: Parts, doors: Sequence[tuple[Entrance, Keeper]]) -> list[BaseRoute]:
    storage, sources, gate = parts.storage, parts.sources, parts.gate
    room, health = parts.admission.requests, parts.health.snapshot
    metrics = Metrics(
        parts.monitors.tally, storage.usage, storage.prices, room, health, sources.in_use
    )
    read = partial(request_at, entrances=parts.doors.entrances)
    console = Console(
        sources,
        parts.watch,
        parts.try_again,
        read,
        parts.operations,
        parts.service.aside,
        chosen=parts.chosen,
        pools=parts.pools,
    )
    return [
        *parts.doors.passages,
        *(Route(path, at, methods=one.methods) for one, at in doors for path in one.paths),
        *probe_routes(parts.life, parts.background.problems),
        *usage_routes(Ledger(storage, alerts=parts.alerts.told), metrics.text, gate),
        *key_routes(_team(parts), gate),
        *kept_routes(
            parts.kept,
            responses=KeptResponses(parts.turns, parts.disk),
            cache=KeptAnswers(parts.settings.cache, parts.shelves),
            gate=gate,
        ),
        *admin_routes(console, gate, doors[0][1]),
    ]


def _team(parts: Parts) -> Team:
    settings = parts.settings
    knowing = (parts.storage, parts.allowances)
    return Team(parts.team, settings.providers, settings.client_keys, *knowing)


def _tasks(parts: Parts, stop: Callable[[str], None]) -> Sequence[Task]:
    async def read() -> None:
        try:
            await parts.storage.open()
        except NewerSchemaError as error:
            stop(str(error))

    parts.storage.begin()
    # Loading SQLModel takes longer than all the rest of the start: requests wait for it, if they
    # come that early, but the listening socket does not.
    return (
        ("reading the database", read),
        ("keeping to the limits", partial(parts.presets.keep, parts.health)),
        ("looking for alerts", parts.alerts.watch),
        *([("agreeing with other servers", parts.replica.run)] if parts.replica else ()),
    )


@asynccontextmanager
async def in_order(parts: Parts, tasks: Sequence[Task] = ()) -> AsyncIterator[None]:
    """The life of all parts: from the first line to the last it begins, and so back it ends.

    What stands on others is closed before them, whatever fails on the way. A command that only
    looks begins no `tasks`.
    """
    async with AsyncExitStack() as stack:
        at_the_end = stack.push_async_callback
        at_the_end(parts.monitors.close)
        at_the_end(parts.upstream.client.aclose)
        for adapter in (*parts.adapters.values(), *parts.keys.others()):
            at_the_end(adapter.close)
        if parts.replica:
            at_the_end(parts.replica.close)
        at_the_end(parts.service.aside.close)
        at_the_end(parts.router.close)
        at_the_end(parts.catalog.close)
        at_the_end(parts.storage.close)
        for shelf in parts.shelves:
            at_the_end(shelf.close)
        at_the_end(parts.turns.close)
        at_the_end(parts.watch.close)
        at_the_end(parts.background.close)
        for name, work in tasks:
            parts.background.start(name, work)
        parts.life.stage = Stage.READY
        yield
        parts.life.stage = Stage.DRAINING
