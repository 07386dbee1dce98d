"""The HTTP server around the application: uvicorn, as this project runs it and ends it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import Generator, Iterator
from functools import partial
from typing import cast

import click
import uvicorn

from proxy.app import create_app
from proxy.background import quiet
from proxy.clocks import Clocks
from proxy.command.banner import banner
from proxy.doors import speller_of
from proxy.gate.crowd import make_room
from proxy.gate.files import CURE, LEAST_OPEN_FILES, MAX_OPEN_FILES, allow_open_files, scarcity
from proxy.gate.life import Stage
from proxy.gate.memory import memory_limit
from proxy.gate.protocol import Protocol, speaking
from proxy.log import configure
from proxy.parts import Parts
from proxy.redact import Redactor
from proxy.settings import Settings, SettingsError, own_folder

log = logging.getLogger("pointsman")

LAST_WORDS_S = 0.5
"""What those that are cut short have for saying so; a second signal ends all within a second."""
CHECK_S = 1.0
CHECKED = 20
"""Connections at a time: those that came together are refused together, a third of a ms each."""
LISTS_AFTER_S = 0.1
LISTS_S = 1.0
"""For so long the first words wait for the lists of models."""
POLL_S = 0.02


def run(
    settings: Settings, listener: socket.socket, *, parent: int | None = None, says: bool = True
) -> str | None:
    """Serve on `listener` until a signal comes; what is in flight then finishes first.

    Returns why the server stopped by itself, or None if it was told to. `parent` is the file that
    ends with the process which others serve `listener` for as well. It `says` that it is there.
    """
    redactor = Redactor(settings.secrets())
    lines = configure(redactor, level=settings.log_level, form=settings.log_format)
    _leave_no_core()
    with contextlib.suppress(OSError, SettingsError):  # there is none, or it is another one's
        own_folder().chmod(0o700)
    try:
        open_files = allow_open_files()
        scarce = scarcity(open_files)
        if open_files < LEAST_OPEN_FILES:
            return f"{scarce}: {CURE}"
        if scarce and says:
            log.warning("%s: %s", scarce, CURE)
        server = Server(settings, parent=parent, says=says)
        memory = memory_limit()
        server.parts.admission.fit(open_files, memory and memory // settings.workers)
        server.max_connections = open_files // 2
        server.run(sockets=[listener])
    finally:
        lines.close()
    return server.reason and redactor(server.reason)


class Server(uvicorn.Server):
    """Ends in good order: what was asked is answered, then socket, database and upstream close.

    `stop` of the application and `end` of signals both lead to `main_loop`'s end; `reason` is why
    the server has stopped by itself.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clocks: Clocks | None = None,
        parent: int | None = None,
        says: bool = True,
    ) -> None:
        app = create_app(settings, clocks=clocks, stop=self._stop)
        super().__init__(
            uvicorn.Config(
                app,
                http=speaking(speller_of, self._joined),
                ws="none",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
            )
        )
        self.parts: Parts = app.state.parts
        self.reason: str | None = None
        self._pause_s = settings.drain_pause_s
        self._drain_s = settings.drain_s
        self._parent = parent
        self._says = says
        self.max_connections = MAX_OPEN_FILES
        self._told = asyncio.Event()
        self._hurried = asyncio.Event()

    def end(self, *_: object) -> None:
        """Begin to end; called once more, end at once. What SIGTERM and SIGINT do."""
        if self._told.is_set():
            self._hurried.set()
        self.should_exit = True
        self.parts.life.stage = Stage.LEAVING if self._pause_s else Stage.DRAINING
        self._told.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        start = self.parts.background.start
        listing = start("asking for lists of models", self._list)
        start("preparing what no request waits for", partial(self._prepare, listing))
        self._checking = start("checking connections", self._check)
        # What was imported until here stays for good: no need to search it for garbage, now or
        # ever. To do it once took a tenth of a second, in which the first requests waited.
        gc.freeze()
        gc.enable()
        # Few of the many things that a request makes are cycles; to look for them after every 700
        # took 6 % of all the time.
        gc.set_threshold(10_000, 20, 20)
        if sockets and self._says:
            port = sockets[0].getsockname()[1]
            start("saying where it is", partial(self._banner, port, listing))

    async def main_loop(self) -> None:
        """Until told to end; then on for so long as balancers need to see that it is not ready."""
        await self._told.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurried.wait(), self._pause_s)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let what is at work finish, cut short what does not, and close everything in order."""
        self.parts.life.stage = Stage.DRAINING
        self.parts.watch.stop()
        if self._parent is not None:
            self._stop_listening()  # the others go on, and answer whoever comes
        for connection in self._connections():
            connection.finish()
        await self._until_idle(self._drain_s, self._hurried)
        self.parts.life.stage = Stage.OVER
        for task in self.server_state.tasks:
            task.cancel()
        await self._until_idle(LAST_WORDS_S)
        self._stop_listening()
        self._checking.cancel()
        for connection in self._connections():
            connection.transport.close()
        await self.lifespan.shutdown()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """In place of uvicorn's, which at the end lets the signal kill the process after all."""
        loop = asyncio.get_running_loop()
        is_main = threading.current_thread() is threading.main_thread()
        for number in ends() if is_main else ():
            try:
                loop.add_signal_handler(number, self.end)
            except NotImplementedError:  # Windows
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(self.end))
        if self._parent is not None:
            loop.add_reader(self._parent, self._orphaned, loop, self._parent)
        yield

    def _orphaned(self, loop: asyncio.AbstractEventLoop, parent: int) -> None:
        loop.remove_reader(parent)
        self.end()

    def _stop_listening(self) -> None:
        for server in self.servers:
            server.close()

    def _stop(self, reason: str) -> None:
        self.reason = reason
        self.end()

    async def _list(self) -> None:
        """A moment later: whoever asks at once for a model that is known needs no list."""
        await asyncio.sleep(LISTS_AFTER_S)
        await self.parts.catalog.warm()

    async def _banner(self, port: int, listing: asyncio.Task[None]) -> None:
        """Say it once it is known which models there are, or when that takes too long."""
        parts = self.parts
        await asyncio.wait([listing], timeout=LISTS_S)
        preference = await parts.storage.preference(None)
        lists = parts.catalog.lists()
        text = await banner(
            parts.settings,
            port,
            parts.chooser,
            preference,
            parts.adapters,
            lists,
            parts.admin_token,
            needs_key=parts.team.door.needed,
        )
        threading.Thread(target=_say, args=(text,), name="banner", daemon=True).start()

    async def _prepare(self, listing: asyncio.Task[None]) -> None:
        """Nobody waits for it, and the first who ask would have to share the processor with it."""
        await asyncio.wait([listing])
        await quiet(lambda: self.server_state.total_requests)
        await self.parts.catalog.prepare()

    def _connections(self) -> list[Protocol]:
        return cast(list[Protocol], list(self.server_state.connections))

    async def _check(self) -> None:
        """The date for the answers, and the clients that are too slow."""
        while True:
            await self.on_tick(0)
            now = asyncio.get_running_loop().time()
            for at, connection in enumerate(self._connections(), 1):
                if connection in self.server_state.connections:  # others had their turn meanwhile
                    connection.check(now)
                if at % CHECKED == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(CHECK_S)

    def _joined(self) -> None:
        """Make room before there is none: not only once a second."""
        if len(self.server_state.connections) > self.max_connections:
            make_room(self._connections(), self.max_connections)

    async def _until_idle(self, longest_s: float, hurried: asyncio.Event | None = None) -> None:
        """Until all that is at work now has been answered, and the answers have left."""
        work = set(self.server_state.tasks)
        ends_at = asyncio.get_running_loop().time() + longest_s
        while work & self.server_state.tasks or any(c.unsent_bytes for c in self._connections()):
            if asyncio.get_running_loop().time() > ends_at or (hurried and hurried.is_set()):
                return
            await asyncio.sleep(POLL_S)


def _say(text: str) -> None:
    """Print where it can be printed: a disk may be full, and a pipe full or closed.

    Until it is printed there is no standard output: what it still holds would fail the exit, and
    who does not read it would hold the exit up.
    """
    out, sys.stdout = sys.stdout, None
    with contextlib.suppress(OSError):
        click.echo(text, file=out)
        sys.stdout = out


def ends() -> Iterator[signal.Signals]:
    """The signals that end the server; its terminal's going is none where `nohup` says so."""
    yield from (signal.SIGINT, signal.SIGTERM)
    hung_up = getattr(signal, "SIGHUP", None)  # Windows has none
    if hung_up and signal.getsignal(hung_up) is not signal.SIG_IGN:
        yield hung_up


def _leave_no_core() -> None:
    """A core file would hold every key."""
    try:
        import resource
    except ImportError:  # Windows writes none
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
