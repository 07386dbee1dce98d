"""A real uvicorn on a loopback port, in a thread of its own, with an application to be swapped."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from adapters.base import ProviderSettings
from proxy.app import create_app
from proxy.clocks import Clocks
from proxy.settings import Settings
from tests.proxy.kit import ScriptedAdapter


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()
        self.loop: asyncio.AbstractEventLoop
        self.leaving: asyncio.Event

    async def main_loop(self) -> None:
        """Instead of uvicorn's own, which looks every tenth of a second whether it shall end."""
        self.loop = asyncio.get_running_loop()
        self.leaving = asyncio.Event()
        self.is_up.set()
        await self.leaving.wait()


@dataclass
class Host:
    """The server; `app` is what it serves at the moment."""

    app: Starlette | None = None
    port: int = 0
    server: _Uvicorn = field(init=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)

    @contextlib.contextmanager
    def running(self) -> Iterator[Host]:
        config = uvicorn.Config(
            self, port=0, http="httptools", ws="none", lifespan="off", log_config=None
        )
        self.server = _Uvicorn(config)
        thread = threading.Thread(target=self.server.run)
        thread.start()
        try:
            assert self.server.is_up.wait(10)
            self.port = self.server.servers[0].sockets[0].getsockname()[1]
            yield self
        finally:
            self.server.loop.call_soon_threadsafe(self.server.leaving.set)
            thread.join(10)

    @contextlib.contextmanager
    def serving(self, app: Starlette) -> Iterator[Host]:
        """Serve `app`, with its lifespan around it, in the server's own loop."""
        lifespan = app.router.lifespan_context(app)
        self.run(lifespan.__aenter__())
        self.app = app
        try:
            yield self
        finally:
            self.app = None
            self.run(lifespan.__aexit__(None, None, None))

    def run(self, coroutine: Any) -> None:
        """Await something in the server's own loop."""
        asyncio.run_coroutine_threadsafe(coroutine, self.server.loop).result(10)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def app_over(
    patch: Any,
    *classes: type[ScriptedAdapter],
    keys: dict[str, str] | None = None,
    first_s: dict[str, float] | None = None,
    **settings: Any,
) -> Starlette:
    """The project's own application over scripted providers.

    `keys` holds their API keys, `first_s` how long each may be without a word.
    """
    registry = {one.name: one for one in classes}
    patch.setattr("proxy.routing.open.REGISTRY", registry)
    providers = {
        name: ProviderSettings(
            model=f"{name}-model",
            api_key=(keys or {}).get(name),  # type: ignore[arg-type] # pydantic makes it a secret
            rate_limit_enabled=False,
            first_token_timeout=(first_s or {}).get(name),
        )
        for name in registry
    }
    # Between two attempts nothing needs to be waited for here.
    clocks = Clocks(sleep=lambda wanted_s: asyncio.sleep(min(wanted_s, 0.01)))
    return create_app(Settings(providers=providers, max_wait_s=0, **settings), clocks=clocks)
