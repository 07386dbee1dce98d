"""Settings in, a Starlette application out: routes, guard and console around the parts."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from admin.routes import (
    OWN_PATHS,
    console_routes,
    kept_routes,
    key_routes,
    site_routes,
    usage_routes,
)
from proxy.clocks import Clocks
from proxy.console.console import Console
from proxy.console.kept import Keeper
from proxy.console.ledger import Ledger
from proxy.console.status import in_use
from proxy.console.stock import Stock
from proxy.console.team import Team
from proxy.doors import Entrance, for_desktops, request_at, speller_of
from proxy.doors.open import patterns_of
from proxy.doors.serving.endpoint import Endpoint
from proxy.doors.serving.failures import HANDLERS
from proxy.gate.guard import Guard
from proxy.gate.life import Stage
from proxy.gate.shortcut import Shortcut
from proxy.parts import Parts
from proxy.settings import Settings
from proxy.store.base import NewerSchemaError
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.probes import probe_routes

log = logging.getLogger("pointsman")

Task = tuple[str, Callable[[], Coroutine[Any, Any, None]]]


def create_app(
    settings: Settings,
    *,
    clocks: Clocks | None = None,
    stop: Callable[[str], None] = log.critical,
) -> Starlette:
    """The server's application. Nothing is connected and no SDK imported before it is needed.

    `stop` gets the reason where the server cannot go on.
    """
    parts = Parts(settings, clocks or Clocks())
    doors = [
        (one, Keeper(Endpoint(one.door, parts.service, takes_form=one.takes_form), parts.kept))
        for one in parts.doors.entrances
    ]
    app = Starlette(
        routes=_routes(parts, doors),
        lifespan=lambda _: in_order(parts, _tasks(parts, stop)),
        exception_handlers=HANDLERS,
    )
    app.router.redirect_slashes = False  # `failures.py` does so
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
        form_ends=[
            path.rpartition("}")[2] for one, _ in doors if one.takes_form for path in one.paths
        ],
        life=parts.life,
        speller_of=speller_of,
        for_desktops=for_desktops,
        hop=parts.upstream.hop,
    )
    app.state.parts = parts
    return app


def _routes(parts: Parts, doors: Sequence[tuple[Entrance, Keeper]]) -> list[BaseRoute]:
    storage, gate = parts.storage, parts.gate
    room, health = parts.admission.requests, parts.health.snapshot
    sharing = parts.replica.agreeing if parts.replica else lambda: None
    metrics = Metrics(
        parts.monitors.tally,
        storage.usage,
        storage.usage.prices,
        room,
        health,
        partial(in_use, parts),
        sharing,
    )
    read = partial(request_at, entrances=parts.doors.entrances)
    console = Console(
        parts,
        parts.watch,
        parts.try_again,
        parts.chosen,
        read,
        parts.aside,
        parts.admission,
    )
    settings = parts.settings
    ledger = Ledger(storage.query, storage.usage, alerts=parts.alerts.told)
    team = Team(parts.team, settings.providers, settings.client_keys, storage, parts.allowances)
    return [
        *parts.doors.passages,
        *(Route(path, at, methods=one.methods) for one, at in doors for path in one.paths),
        *probe_routes(parts.life, parts.background.problems, parts.team.door),
        *usage_routes(ledger, metrics.text, gate),
        *key_routes(team, gate),
        *kept_routes(
            parts.kept,
            responses=Stock(settings.responses_store, parts.archives),
            cache=Stock(settings.cache, parts.shelves),
            gate=gate,
        ),
        *site_routes(gate, doors[0][1]),
        *console_routes(console, gate),
    ]


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
    """The life of all parts: `tasks` begin, and at the end the last line is closed first.

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
        at_the_end(parts.aside.close)
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
