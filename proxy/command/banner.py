"""What the terminal shows at the start: where to point an app, and who would answer."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping, Sequence

import httpx
import orjson
from pydantic import SecretStr

from adapters.base import Adapter, Model
from proxy.console.status import gone_text, is_offered, unlisted
from proxy.routing.planning.candidates import Chooser
from proxy.routing.planning.preference import Preference
from proxy.settings import Settings

REACH_S = 0.3
READY = "ready, "
SET_UP = "set up, "


async def banner(
    settings: Settings,
    port: int,
    chooser: Chooser,
    preference: Preference,
    adapters: Mapping[str, Adapter],
    lists: Mapping[str, Sequence[Model]],
    token: SecretStr | None,
    *,
    needs_key: bool,
) -> str:
    """A few lines: base URL, the active provider, each provider's state, one curl to try.

    Only who can answer is called ready, by the `lists` of models that are known by now.
    """
    base_url = f"{settings.url(port)}/v1"
    troubles = {name: await _trouble(adapter) for name, adapter in adapters.items()}
    states = {
        name: trouble or _model(adapters[name], chooser, preference, lists.get(name))
        for name, trouble in troubles.items()
    }
    width = max(map(len, states))
    active = f"{preference.provider} ({chooser.model_of(preference.provider, preference)})"
    stand_in = chooser.stand_in(preference)
    if stand_in and troubles[preference.provider]:
        active += f"; until something is set up {stand_in} answers"
    elif all(troubles.values()):
        active += "; nobody can answer until one of these is set up"
    lines = [
        "",
        f"  pointsman   {base_url}",
        f"  active      {active}",
        f"  switch      {settings.url(port)}/admin",
        "",
        *(f"  {name:<{width}}  {state}" for name, state in states.items()),
        "",
        "  Try it:",
        f"  {_curl(base_url, needs_key=needs_key)}",
        *_token(settings, token),
        "",
    ]
    return "\n".join(lines)


def _token(settings: Settings, token: SecretStr | None) -> list[str]:
    """The admin token, if this start has made it up: it is shown here and nowhere else."""
    if token is None or settings.admin_token.get_secret_value():
        return []
    shown = token.get_secret_value()
    return ["", f"  Admin token of this run (POINTSMAN_ADMIN_TOKEN sets one for good): {shown}"]


async def _trouble(adapter: Adapter) -> str:
    """Why a provider cannot be asked, as far as that is known without the network; else nothing."""
    if adapter.unconfigured:
        return f"not set up: {adapter.unconfigured}"
    if address_of(adapter) is None:
        return f"not usable: {adapter.settings.variable('base_url')} is not the URL of a server"
    if not adapter.local or adapter.last_resort:
        return ""
    try:
        async with asyncio.timeout(REACH_S):
            available = await adapter.is_available()
    except TimeoutError:
        return f"{SET_UP}but it does not answer"
    return "" if available.reachable else f"{SET_UP}but {available.detail}"


def _model(
    adapter: Adapter, chooser: Chooser, preference: Preference, models: Sequence[Model] | None
) -> str:
    """Which model answers, in whose place, and whether its provider has it."""
    name = adapter.name
    model = chooser.model_of(name, preference)
    if gone := gone_text(chooser, name, preference):
        return f"{READY if model != chooser.wanted_of(name, preference) else SET_UP}{gone}"
    if adapter.last_resort:
        return f"{READY}{model}"
    if models is None:
        return f"{SET_UP}{model}; which models there are is not known yet"
    if not models:
        return f"{SET_UP}but it lists no models"
    missing = unlisted(model, is_offered(models, model))
    return f"{SET_UP}but {missing}" if missing else f"{READY}{model}"


def _curl(base_url: str, *, needs_key: bool) -> str:
    body = {"model": "default", "messages": [{"role": "user", "content": "Say hello."}]}
    key = ' -H "Authorization: Bearer $POINTSMAN_KEY"' if needs_key else ""
    data = shlex.quote(orjson.dumps(body).decode())
    return f'curl {base_url}/chat/completions -H "Content-Type: application/json"{key} -d {data}'


def address_of(adapter: Adapter) -> str | None:
    """Where a provider is, without user and password, if that was set; None if it is no server."""
    # One that reads its address in a way of its own tells it as `url`.
    named = getattr(adapter.settings, "url", adapter.settings.base_url)
    if not named:
        return ""
    try:
        url = httpx.URL(named)
    except httpx.InvalidURL:
        return None
    is_server = url.scheme in ("http", "https") and url.host
    if not is_server:
        return None
    return f" at {url.scheme}://{url.netloc.decode('ascii')}{url.path.rstrip('/')}"
