"""The HTTP server around the application: uvicorn, as this project runs it."""

from __future__ import annotations

import gc
import socket

import click
import uvicorn

from proxy.app import Parts, create_app
from proxy.banner import banner
from proxy.settings import Settings

DRAIN_S = 60


def run(settings: Settings, listener: socket.socket) -> str | None:
    """Serve on `listener` until a signal comes; what is in flight then finishes first.

    Returns why the server stopped by itself, or None if it was told to.
    """
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_S,
    )
    server = _Server(config, app.state.parts)
    server.run(sockets=[listener])
    return server.reason


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, parts: Parts) -> None:
        super().__init__(config)
        self._parts = parts
        self.reason: str | None = None
        parts.stop = self._stop

    def _stop(self, reason: str) -> None:
        self.reason = reason
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What was imported until here stays for good: no need to search it for garbage again.
        gc.collect()
        gc.freeze()
        if sockets:
            click.echo(await banner(self._parts, sockets[0].getsockname()[1]))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._parts.watch.stop()  # pages that follow the status would keep the server from stopping
        await super().shutdown(sockets)
