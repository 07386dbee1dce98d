"""The composition root: settings in, a Starlette application out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import orjson
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters import REGISTRY
from adapters.base import Adapter, ProviderSettings
from adapters.memory import LruMemory
from adapters.upstream import Upstream
from admin.auth import Gate, admin_token
from admin.kept import kept_routes
from admin.routes import OWN_PATHS, admin_routes
from admin.usage import usage_routes
from proxy.console.console import Console
from proxy.console.kept import Keeper, Kept
from proxy.console.ledger import Ledger
from proxy.console.status import Sources, preset_of, status_of
from proxy.console.watch import Reach, Watch
from proxy.doors.chat.write import error_object
from proxy.doors.exchange import ChatEndpoint
from proxy.doors.models import Catalog, ModelsEndpoint
from proxy.errors import ApiError, internal_error
from proxy.gate.drain import Life, Stage
from proxy.gate.guard import Guard
from proxy.gate.room import Admission
from proxy.gate.shortcut import Shortcut
from proxy.limits.health import Health
from proxy.limits.windows import Limits
from proxy.redact import Redactor
from proxy.routing.candidates import Chooser, Preference
from proxy.routing.images import ImageFetcher
from proxy.routing.router import Router
from proxy.settings import Settings, SettingsError, bypasses_proxy, proxies_of_environment
from proxy.store.migrate import NewerSchemaError
from proxy.store.preferences import Preferences
from proxy.store.prices import price_list_of
from proxy.store.rows import UsageRow
from proxy.store.storage import Storage
from proxy.telemetry.alerts import Alerts, alerts_of
from proxy.telemetry.metrics import Metrics, Tally
from proxy.telemetry.recorder import Recorder
from proxy.upstream.client import open_upstream

if TYPE_CHECKING:
    from proxy.telemetry.otel import Telemetry

log = logging.getLogger("pointsman")

PREFIXES = ("/v1", "/openai/v1")
"""The second is Groq's, so that an app on its SDK can swap its base URL, too."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """What limits go by: seconds that only grow, Unix seconds, and how to let a time pass."""

    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(slots=True)
class Parts:
    """The running parts of one server, for whoever shows or closes them."""

    settings: Settings
    upstream: Upstream
    adapters: Mapping[str, Adapter]
    catalog: Catalog
    router: Router
    chooser: Chooser
    health: Health
    preferences: Preferences
    storage: Storage
    sources: Sources
    watch: Watch
    alerts: Alerts
    admin_token: SecretStr | None
    admission: Admission = field(default_factory=Admission)
    life: Life = field(default_factory=Life)
    stop: Callable[[str], None] = log.critical
    telemetry: Telemetry | None = None


def create_app(
    settings: Settings, *, upstream: Upstream | None = None, clocks: Clocks | None = None
) -> Starlette:
    """The server's application. Nothing is connected and no SDK imported before it is needed."""
    clocks = clocks or Clocks()
    parts = build(settings, upstream or open_upstream_of(settings), clocks)
    parts.telemetry = _telemetry(settings, parts.adapters)
    tally = Tally()
    storage = parts.storage
    metrics = Metrics(tally, storage.usage, storage.prices, parts.admission.requests, parts.sources)
    kept = Kept(Redactor(settings.secrets()), wall=clocks.wall)
    chat = Keeper(
        ChatEndpoint(
            parts.router,
            partial(_preference, parts),
            deadline_s=settings.deadline_s,
            split_tags=settings.think_tags == "split",
            record=partial(_record, parts, tally),
            admission=parts.admission,
        ),
        kept,
    )
    models = ModelsEndpoint(parts.catalog)
    app = Starlette(
        routes=[
            route
            for prefix in PREFIXES
            for route in (
                Route(f"{prefix}/chat/completions", chat, methods=["POST"]),
                Route(f"{prefix}/models", models.every),
                Route(f"{prefix}/models/{{id:path}}", models.single),
            )
        ]
        + [Route("/health/live", _live), Route("/health/ready", _ready)]
        + usage_routes(
            Ledger(storage, alerts=parts.alerts.told), metrics.text, Gate(parts.admin_token)
        )
        + kept_routes(kept, Gate(parts.admin_token))
        + admin_routes(Console(parts.sources, parts.watch), Gate(parts.admin_token), chat),
        lifespan=_lifespan,
        exception_handlers={
            ApiError: _api_error,
            HTTPException: _http_error,
            Exception: _internal_error,
        },
    )
    # In front of Starlette's own middleware, which would cost each chunk of a stream another call.
    app.middleware_stack = Guard(
        Shortcut(
            app.build_middleware_stack(),
            posts={f"{prefix}/chat/completions": chat for prefix in PREFIXES},
        ),
        hosts=settings.allowed_hosts,
        origins=settings.allowed_origins,
        keys=settings.client_keys,
        own_paths=OWN_PATHS,
        life=parts.life,
    )
    app.state.parts = parts
    return app


def open_upstream_of(settings: Settings) -> Upstream:
    """The upstream that the settings ask for."""
    proxies = proxies_of_environment()
    return open_upstream(settings.transport, proxies=proxies, bypass=bypasses_proxy)


def build(settings: Settings, upstream: Upstream, clocks: Clocks) -> Parts:
    """Everything but the HTTP side, wired together."""
    memory = LruMemory()
    redactor = Redactor(settings.secrets())
    adapters = {
        name: adapter(settings.providers[name], upstream, memory)
        for name, adapter in REGISTRY.items()
    }
    catalog = Catalog(adapters)
    preferences = Preferences(_preference_of(settings), adapters)
    chooser = Chooser(
        adapters,
        listed=catalog.providers_of,
        last_resort=_last_resort(adapters, lambda: router.answered),
    )
    limits = _limits(adapters, settings.rate_preset)
    health = Health(limits, clock=clocks.clock, wall=clocks.wall)
    storage = Storage(settings.store_url, preferences, memory, health, price_list_of(adapters))
    router = Router(
        adapters,
        chooser,
        health,
        know=catalog.know,
        windows=catalog.windows,
        images=ImageFetcher(settings.fetch_images),
        redactor=redactor,
        strict_params=settings.strict_params,
        max_wait_s=settings.max_wait_s,
        clock=clocks.clock,
        sleep=clocks.sleep,
    )
    sources = Sources(
        settings,
        adapters,
        chooser,
        preferences,
        Recorder(wall=clocks.wall),
        lists=catalog.lists,
        health=health.snapshot,
        limits=lambda: _limits(adapters, preset_of(settings, preferences)),
        problem=lambda: storage.problem,
        loaded=lambda: storage.preference(None),
    )
    facts = partial(status_of, sources, wall=clocks.wall)
    return Parts(
        settings,
        upstream,
        adapters,
        catalog,
        router,
        chooser,
        health,
        preferences,
        storage,
        sources,
        Watch(facts, Reach(adapters, redactor), catalog, preferences),
        alerts_of(settings, storage, health, upstream.client, wall=clocks.wall),
        admin_token(settings.admin_token, is_published=settings.is_published),
    )


def _preference_of(settings: Settings) -> Preference:
    return Preference(
        provider=settings.llm_provider or next(iter(REGISTRY)),
        chosen=settings.llm_provider is not None,
        fallback=settings.fallback,
    )


def _record(parts: Parts, tally: Tally, row: UsageRow) -> None:
    """Tell of a request that has ended: for now on the page, for good in the usage log."""
    parts.storage.usage.put(row)
    parts.sources.recorder.ended(row)
    tally.add(row)
    if parts.telemetry is not None:
        parts.telemetry.put(row)


def _telemetry(settings: Settings, adapters: Mapping[str, Adapter]) -> Telemetry | None:
    if not settings.otel:
        return None
    try:
        from proxy.telemetry.otel import open_telemetry
    except ModuleNotFoundError:
        raise SettingsError(
            "POINTSMAN_OTEL is on, but OpenTelemetry is not installed:"
            " uv run --extra otel pointsman, or pip install '.[otel]'"
        ) from None
    return open_telemetry(settings, adapters.values())


async def _preference(parts: Parts, app: str | None) -> Preference:
    parts.sources.recorder.seen(app)
    return await parts.storage.preference(app)


def _limits(adapters: Mapping[str, Adapter], preset: str) -> Mapping[str, Limits]:
    return {name: limits_of(adapter.settings, preset) for name, adapter in adapters.items()}


def limits_of(settings: ProviderSettings, preset: str) -> Limits:
    """The limits that the proxy keeps to by itself, before a provider has to say no."""
    if preset == "off" or not settings.rate_limit_enabled:
        return Limits()
    a_minute = settings.rate_limit_requests_per_minute
    if preset == "careful":
        a_minute = settings.careful_requests_per_minute or a_minute
    return Limits(
        requests_per_minute=a_minute,
        tokens_per_minute=settings.rate_limit_tokens_per_minute,
        requests_per_day=settings.rate_limit_requests_per_day,
    )


def _last_resort(
    adapters: Mapping[str, Adapter], answered: Callable[[], set[str]]
) -> Callable[[Preference], str | None]:
    """The provider that stands in while nothing is set up: no key, no answer yet, no choice but
    of one that is not set up either.
    """
    others = {name for name, adapter in adapters.items() if not adapter.last_resort}
    has_key = any(adapters[name].settings.api_key for name in others)

    def stand_in(preference: Preference) -> str | None:
        is_choice_set_up = preference.chosen and not adapters[preference.provider].unconfigured
        if has_key or is_choice_set_up or answered() & others:
            return None
        ready = (
            name for name in adapters if name not in others and not adapters[name].unconfigured
        )
        return next(ready, None)

    return stand_in


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    # Loading SQLModel takes longer than all the rest of the start: requests wait for it, if they
    # come that early, but the listening socket does not.
    works = (_open_storage(parts), _keep_limits(parts), parts.alerts.watch())
    tasks = [asyncio.create_task(work) for work in works]
    parts.life.stage = Stage.READY
    yield
    parts.life.stage = Stage.DRAINING
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await parts.watch.close()
    await parts.storage.close()
    await parts.catalog.close()
    await parts.router.close()
    for adapter in parts.adapters.values():
        await adapter.close()
    await parts.upstream.client.aclose()
    if parts.telemetry is not None:
        await asyncio.to_thread(parts.telemetry.close)


async def _open_storage(parts: Parts) -> None:
    try:
        await parts.storage.open()
    except NewerSchemaError as error:
        parts.stop(str(error))


async def _keep_limits(parts: Parts) -> None:
    """Hold the limits of the rate preset that the user has chosen last."""
    held: str = parts.settings.rate_preset
    with parts.preferences.watch() as changed:
        while True:
            preset = preset_of(parts.settings, parts.preferences)
            if preset != held:
                parts.health.keep_to(_limits(parts.adapters, preset))
                held = preset
            await changed.wait()
            changed.clear()


async def _live(_request: Request) -> Response:
    return Response(b'{"status":"ok"}', media_type="application/json")


async def _ready(request: Request) -> Response:
    parts: Parts = request.app.state.parts
    if not parts.life.ready:
        return Response(b'{"status":"starting or stopping"}', 503, media_type="application/json")
    return Response(b'{"status":"ready"}', media_type="application/json")


async def _api_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - registered for this type alone
    headers = {name.decode(): value.decode() for name, value in error.headers()}
    return Response(
        orjson.dumps(error_object(error)), error.status, headers, media_type="application/json"
    )


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type alone
    path = request.scope["path"]
    message = {
        404: f"There is nothing at {path}. The base URL ends in /v1.",
        405: f"{request.method} is not allowed at {path}.",
    }.get(error.status_code, error.detail)
    response = await _api_error(request, ApiError(error.status_code, message))
    response.headers.update(error.headers or {})
    return response


async def _internal_error(request: Request, error: Exception) -> Response:
    log.error("failed inside the proxy at %s", request.scope["path"], exc_info=error)
    response = await _api_error(request, internal_error())
    response.headers["connection"] = "close"  # which the server does after an exception
    return response
