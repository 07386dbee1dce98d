"""The composition root: settings in, a Starlette application out. Nothing is wired elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from adapters import REGISTRY
from adapters.base import Adapter
from adapters.memory import LruMemory
from adapters.tasks import Embeds
from adapters.upstream import Upstream
from admin.auth import Gate, admin_token
from admin.kept import kept_routes
from admin.routes import OWN_PATHS, admin_routes
from admin.usage import usage_routes
from proxy.background import Background
from proxy.clocks import Clocks
from proxy.console.console import Console
from proxy.console.kept import Keeper, Kept
from proxy.console.ledger import Ledger
from proxy.console.presets import Presets
from proxy.console.status import Sources, status_of
from proxy.console.watch import Reach, Watch
from proxy.doors import (
    DOORS,
    Entrance,
    for_desktops,
    keeping,
    listing,
    ollama,
    request_at,
    speller_of,
)
from proxy.doors.exchange import Endpoint, Service
from proxy.doors.failures import HANDLERS
from proxy.doors.models.catalog import Catalog
from proxy.doors.ollama.passing import passage_routes
from proxy.doors.ollama.real import Real
from proxy.doors.responses.turns import MAX_BYTES, Turns
from proxy.gate.drain import Life, Stage
from proxy.gate.guard import Guard
from proxy.gate.room import Admission
from proxy.gate.shortcut import Shortcut
from proxy.limits.health import Health
from proxy.limits.patience import patience_of
from proxy.limits.retired import Retired
from proxy.limits.unable import Unable
from proxy.proof import Identity
from proxy.redact import Redactor
from proxy.routing.cache import AnswerCache
from proxy.routing.candidates import Chooser
from proxy.routing.images import ImageFetcher
from proxy.routing.operations import operations_of
from proxy.routing.preference import Preference, built_in_models, last_resort_of
from proxy.routing.router import Router
from proxy.routing.sessions import Sessions
from proxy.settings import Settings
from proxy.store.migrate import NewerSchemaError
from proxy.store.preferences import preferences_of
from proxy.store.prices import price_list_of
from proxy.store.rows import UsageRow
from proxy.store.setbacks import Setbacks
from proxy.store.storage import Storage
from proxy.telemetry.alerts import alerts_of
from proxy.telemetry.metrics import Metrics, Tally
from proxy.telemetry.open import telemetry_of
from proxy.telemetry.probes import probe_routes
from proxy.telemetry.recorder import Recorder
from proxy.upstream.client import upstream_of

log = logging.getLogger("pointsman")

MIB = 1024 * 1024


class Parts:
    """Everything but the HTTP side, made from the ground up. None of them knows of this list."""

    def __init__(self, settings: Settings, upstream: Upstream, clocks: Clocks) -> None:
        memory, redactor, answered = LruMemory(), Redactor(settings.secrets()), set[str]()
        self.settings, self.upstream = settings, upstream
        self.adapters: Mapping[str, Adapter] = {
            name: REGISTRY[one.kind or name](one, upstream, memory)
            for name, one in settings.providers.items()
        }
        self.background = Background()
        self.life = Life()
        self.admission = Admission()
        self.preferences = preferences_of(settings, self.adapters)
        self.presets = Presets(settings, self.adapters, self.preferences)
        self.health = Health(self.presets.limits(), clock=clocks.clock, wall=clocks.wall)
        self.retired = Retired(built_in_models(self.adapters), wall=clocks.wall)
        self.catalog = Catalog(self.adapters, tell=self.retired.listed)
        self.operations = operations_of(_embedding_model(settings, self.adapters))
        self.chooser = Chooser(
            self.adapters,
            listed=self.catalog.providers_of,
            has_told=lambda provider: provider in self.catalog.lists(),
            last_resort=last_resort_of(self.adapters, answered),
            retired=self.retired,
            cannot=Unable(clocks.clock),
            operations=self.operations,
        )
        self.router = self._router(clocks, redactor, answered)
        self.setbacks = Setbacks(self.health, self.retired)
        prices = price_list_of(self.adapters)
        self.storage = Storage(
            settings.store_url, self.preferences, memory, self.setbacks, prices, self.background
        )
        self.sources = Sources(
            settings,
            self.adapters,
            self.chooser,
            self.preferences,
            self.storage,
            Recorder(wall=clocks.wall),
            lists=self.catalog.lists,
            health=self.health.snapshot,
            presets=self.presets,
            failed=self.background.problems,
        )
        facts = partial(status_of, self.sources, wall=clocks.wall)
        reach = Reach(self.adapters, redactor)
        self.watch = Watch(facts, reach, self.catalog, self.preferences, self.background)
        self.alerts = alerts_of(settings, self.storage, self.health, upstream.client, clocks.wall)
        self.admin_token = admin_token(settings.admin_token, is_published=settings.is_guarded)
        self.gate = _gate(settings, self.admin_token, clocks)
        self.telemetry = telemetry_of(settings, self.adapters.values())

    def try_again(self, provider: str) -> None:
        """Ask `provider` what it has refused before: its owner says that this has been seen to."""
        self.health.try_again(provider)
        self.chooser.cannot.forget(provider)

    def _router(self, clocks: Clocks, redactor: Redactor, answered: set[str]) -> Router:
        return Router(
            self.adapters,
            self.chooser,
            self.health,
            know=self.catalog.know,
            relist=self.catalog.relist,
            windows=self.catalog.windows,
            images=ImageFetcher(self.settings.fetch_images),
            operations=self.operations,
            redactor=redactor,
            strict_params=self.settings.strict_params,
            max_wait_s=self.settings.max_wait_s,
            clock=clocks.clock,
            sleep=clocks.sleep,
            answered=answered,
            patience=patience_of(self.adapters),
            sessions=Sessions(clocks.clock, on=self.settings.sticky),
        )


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
    clocks = clocks or Clocks()
    parts = Parts(settings, upstream or upstream_of(settings), clocks)
    kept = Kept(Redactor(settings.secrets()), wall=clocks.wall)
    tally = Tally()
    service = _service(parts, tally, clocks)
    said = Turns(clocks.clock, most=MAX_BYTES if settings.responses_store == "memory" else 0)

    real = Real(parts.adapters, parts.upstream.client)

    def aliases() -> Mapping[str, Any]:
        return parts.preferences.get(None).aliases

    told = (
        *listing(parts.catalog, aliases),
        *ollama(parts.catalog, aliases, parts.adapters, real, passes=settings.ollama_passthrough),
    )
    entrances = (*DOORS, *keeping(said), *told)
    doors = [(one, _endpoint(one, service, kept)) for one in entrances]
    app = Starlette(
        routes=[
            *(passage_routes(real, parts.upstream) if settings.ollama_passthrough else ()),
            *_routes(parts, doors, kept, tally),
        ],
        lifespan=lambda _: _lifespan(parts, stop),
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
        keys=settings.client_keys,
        own_paths=OWN_PATHS,
        named_beneath=_named_beneath(app),
        form_paths=[path for one in entrances if one.takes_form for path in one.paths],
        life=parts.life,
        speller_of=speller_of,
        for_desktops=for_desktops,
        hop=parts.upstream.hop,
    )
    app.state.parts = parts
    return app


def _endpoint(entrance: Entrance, service: Service, kept: Kept) -> Keeper:
    return Keeper(Endpoint(entrance.door, service, takes_form=entrance.takes_form), kept)


def _named_beneath(app: Starlette) -> set[str]:
    """What stands before a name in paths that have one."""
    paths = [route.path for route in app.routes if isinstance(route, Route)]
    return {path.partition("{")[0] for path in paths if "{" in path} - {"/"}


def _service(parts: Parts, tally: Tally, clocks: Clocks) -> Service:
    settings, storage, recorder = parts.settings, parts.storage, parts.sources.recorder
    listeners = [storage.usage.put, recorder.ended, tally.add]
    if parts.telemetry is not None:
        listeners.append(parts.telemetry.put)

    async def preference(app: str | None) -> Preference:
        recorder.seen(app)
        return await storage.preference(app)

    def record(row: UsageRow) -> None:
        for listener in listeners:
            listener(row)

    cache = None
    if settings.cache == "memory":
        cache = AnswerCache(settings.cache_mb * MIB, settings.cache_ttl_s, clocks.clock)
    return Service(
        parts.router,
        preference,
        deadline_s=settings.deadline_s,
        keepalive_s=settings.keepalive_s,
        cache=cache,
        split_tags=settings.think_tags == "split",
        record=record,
        admission=parts.admission,
    )


def _routes(
    parts: Parts, doors: Sequence[tuple[Entrance, Keeper]], kept: Kept, tally: Tally
) -> list[BaseRoute]:
    storage, sources = parts.storage, parts.sources
    room, health = parts.admission.requests, parts.health.snapshot
    metrics = Metrics(tally, storage.usage, storage.prices, room, health, sources.in_use)
    ledger = Ledger(storage, alerts=parts.alerts.told)
    read = partial(request_at, entrances=[one for one, _ in doors])
    console = Console(sources, parts.watch, parts.try_again, read, parts.operations)
    gate = parts.gate
    return [
        *(Route(path, at, methods=one.methods) for one, at in doors for path in one.paths),
        *probe_routes(parts.life, parts.background.problems),
        *usage_routes(ledger, metrics.text, gate),
        *kept_routes(kept, gate),
        *admin_routes(console, gate, doors[0][1]),
    ]


def _embedding_model(settings: Settings, adapters: Mapping[str, Adapter]) -> str:
    """The model whose vectors are made: the one that is set, else the configured provider's own."""
    chosen = settings.llm_provider or ""
    is_able = isinstance(adapters.get(chosen), Embeds) and not adapters[chosen].unconfigured
    return settings.embedding_model or (chosen if is_able else "")


def _gate(settings: Settings, token: SecretStr | None, clocks: Clocks) -> Gate:
    is_made = token is not settings.admin_token
    return Gate(
        token,
        passport=Identity().passport if is_made else None,
        clock=clocks.clock,
        wall=clocks.wall,
        sleep=clocks.sleep,
    )


@asynccontextmanager
async def _lifespan(parts: Parts, stop: Callable[[str], None]) -> AsyncIterator[None]:
    start = parts.background.start
    async with closed_at_the_end(parts):
        # Loading SQLModel takes longer than all the rest of the start: requests wait for it, if
        # they come that early, but the listening socket does not.
        start("reading the database", partial(_open, parts.storage, stop))
        start("keeping to the limits", partial(parts.presets.keep, parts.health))
        start("looking for alerts", parts.alerts.watch)
        parts.life.stage = Stage.READY
        yield
        parts.life.stage = Stage.DRAINING


@asynccontextmanager
async def closed_at_the_end(parts: Parts) -> AsyncIterator[None]:
    """What stands on others is closed before them, from the last of these lines to the first."""
    try:
        yield
    finally:
        async with AsyncExitStack() as stack:
            if parts.telemetry is not None:
                stack.push_async_callback(asyncio.to_thread, parts.telemetry.close)
            stack.push_async_callback(parts.upstream.client.aclose)
            for adapter in parts.adapters.values():
                stack.push_async_callback(adapter.close)
            stack.push_async_callback(parts.router.close)
            stack.push_async_callback(parts.catalog.close)
            stack.push_async_callback(parts.storage.close)
            stack.push_async_callback(parts.watch.close)
            stack.push_async_callback(parts.background.close)


async def _open(storage: Storage, stop: Callable[[str], None]) -> None:
    try:
        await storage.open()
    except NewerSchemaError as error:
        stop(str(error))
