"""What the terminal shows at the start: where to point an app, and who would answer."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping

import httpx
import orjson
from pydantic import SecretStr

from adapters.base import Adapter
from proxy.console.status import gone_text
from proxy.routing.planning.candidates import Chooser, Preference
from proxy.settings import Settings

REACH_S = 0.3
READY = "ready"


async def banner(
    settings: Settings,
    port: int,
    chooser: Chooser,
    preference: Preference,
    adapters: Mapping[str, Adapter],
    token: SecretStr | None,
) -> str:
    """A few lines: base URL, the active provider, each provider's state, one curl to try."""
    base_url = f"{settings.url(port)}/v1"
    states = {name: await _state(adapter) for name, adapter in adapters.items()}
    for name, state in states.items():
        if state.startswith(READY) and (gone := gone_text(chooser, name, preference)):
            states[name] = f"{READY}, {gone}"
    width = max(map(len, states))
    active = f"{preference.provider} ({chooser.model_of(preference.provider, preference)})"
    stand_in = chooser.stand_in(preference)
    if stand_in and not states[preference.provider].startswith(READY):
        active += f"; until something is set up {stand_in} answers"
    lines = [
        "",
        f"  pointsman   {base_url}",
        f"  active      {active}",
        f"  switch      {settings.url(port)}/admin",
        "",
        *(f"  {name:<{width}}  {state}" for name, state in states.items()),
        "",
        "  Try it:",
        f"  {_curl(base_url, needs_key=bool(settings.client_keys))}",
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


async def _state(adapter: Adapter) -> str:
    if adapter.unconfigured:
        return f"not set up: {adapter.unconfigured}"
    model = adapter.settings.model
    if address_of(adapter) is None:
        return f"not usable: {adapter.settings.variable('base_url')} is not the URL of a server"
    if not adapter.local:
        return f"{READY}, {model}"
    if adapter.last_resort:
        return f"{READY}, {model}"
    try:
        async with asyncio.timeout(REACH_S):
            available = await adapter.is_available()
    except TimeoutError:
        return "set up, but it does not answer"
    return f"{READY}, {model}" if available.reachable else f"set up, but {available.detail}"


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
