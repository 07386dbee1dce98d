"""A host becomes addresses: numeric ones at once, names in threads of their own.

Not by the loop's `getaddrinfo`: beneath uvloop two threads look up all names there are, and a name
server that never answers holds both, so that nobody connects to anywhere any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import Any

Address = tuple[int, int, int, str, Any]
"""As `socket.getaddrinfo` gives them."""

Waiting = asyncio.Future[list[Address]]

MAX_LOOKUPS = 32
"""Threads that may wait for a name server at a time: far more than one has providers."""


class Names:
    """The system's resolver, asked once at a time for each name."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, int], Waiting] = {}

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Where `host` is, in the system's order of preference; OSError if nobody knows.

        Whoever stops waiting leaves the look-up to those who still do, and to the next.
        """
        if (numeric := _numeric(host, port)) is not None:
            return numeric
        running = self._running.get((host, port)) or self._start(host, port)
        return await asyncio.shield(running)

    def _start(self, host: str, port: int) -> Waiting:
        if len(self._running) >= MAX_LOOKUPS:
            raise OSError("too many names are being looked up: the name server does not answer")
        loop = asyncio.get_running_loop()
        found: Waiting = loop.create_future()
        self._running[host, port] = found

        def end(result: list[Address] | Exception) -> None:
            del self._running[host, port]
            if isinstance(result, Exception):
                found.set_exception(result)
                found.exception()  # nobody may wait for it any more
            else:
                found.set_result(result)

        def look_up() -> None:
            result: list[Address] | Exception
            try:
                result = [*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
            except (OSError, UnicodeError) as error:
                result = error
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(end, result)

        # A daemon: a look-up cannot be broken off, and the end must not wait for it.
        threading.Thread(target=look_up, name="look-up", daemon=True).start()
        return found


def _numeric(host: str, port: int) -> list[Address] | None:
    """The one address that `host` is, if it is one: for that nobody needs to be asked."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if "%" in host:  # a zone: the system knows its number
        return None
    try:
        socket.inet_pton(family, host)
    except OSError:
        return None
    place = (host, port, 0, 0) if family == socket.AF_INET6 else (host, port)
    return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place)]
