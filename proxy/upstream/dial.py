"""A name becomes a connected stream: addresses raced (RFC 8305), TLS verified, asyncio's own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import ssl
import sys
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import httpx

from proxy.upstream.connection import Connection, Origin
from proxy.upstream.names import Address, Names

ATTEMPT_DELAY_S = 0.25


class Dialer:
    """Opens connections. `ssl_context` must verify; None makes httpx's default on first use."""

    def __init__(self, ssl_context: ssl.SSLContext | None) -> None:
        if ssl_context is not None:
            if ssl_context.verify_mode != ssl.CERT_REQUIRED or not ssl_context.check_hostname:
                raise ValueError("ssl_context must verify certificates and host names")
            ssl_context.set_alpn_protocols(["http/1.1"])
        self._ssl_context = ssl_context
        self._names = Names()
        self._making: asyncio.Future[ssl.SSLContext] | None = None

    async def dial(self, origin: Origin, connection: Connection) -> None:
        """Connect `connection` to `origin`. Raises OSError; ssl.SSLError is one, for all of TLS."""
        context = await self._context() if origin.secure else None
        sock = await self._connected_socket(origin.host, origin.port)
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                sock=sock,
                ssl=context,
                server_hostname=(origin.name or origin.host) if context else None,
            )
        except ConnectionError as error:
            if context is None:
                raise
            raise ssl.SSLError("the TLS handshake was broken off") from error

    async def _context(self) -> ssl.SSLContext:
        """The context, made in a thread: it reads 200 certificates, 16 ms."""
        if self._ssl_context is None:
            if self._making is None:
                loop = asyncio.get_running_loop()
                self._making = loop.run_in_executor(None, _default_context)
            try:
                self._ssl_context = await asyncio.shield(self._making)
            finally:
                if self._making is not None and self._making.done():
                    self._making = None
        return self._ssl_context

    async def _connected_socket(self, host: str, port: int) -> socket.socket:
        found = await self._names.addresses(host, port)
        if not found:
            raise OSError("the name has no address")
        if len(found) == 1:
            return await _attempt(found[0])
        return await race(found)


def _default_context() -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def by_turns(addresses: Sequence[Address]) -> deque[Address]:
    """Families by turns, the resolver's first choice first."""
    families: dict[int, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    turns = itertools.zip_longest(*families.values())
    return deque(address for turn in turns for address in turn if address is not None)


def _made(
    ended: Iterable[asyncio.Task[socket.socket]], failed: list[BaseException]
) -> socket.socket | None:
    """A socket that has connected; the last failure goes into `failed`."""
    for task in ended:
        if (error := task.exception()) is None:
            return task.result()
        failed[:] = [error]
    return None


async def race(addresses: Sequence[Address], *, delay_s: float = ATTEMPT_DELAY_S) -> socket.socket:
    """The first socket to connect; a further attempt starts each `delay_s`, or when one failed.

    `addresses` are as getaddrinfo gives them. Raises the last attempt's OSError.
    """
    waiting = by_turns(addresses)
    running: set[asyncio.Task[socket.socket]] = set()
    failed: list[BaseException] = [OSError("no address answers")]
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.create_task(_attempt(waiting.popleft())))
            done, _ = await asyncio.wait(
                running,
                timeout=delay_s if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            running -= done
            if made := _made(done, failed):
                return made
            done.clear()
        raise failed.pop()  # which no frame may hold, or all that was to be sent lives on with it
    finally:
        for task in running:
            task.cancel()
            task.add_done_callback(_close_unwanted)


def _close_unwanted(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _attempt(address: Address) -> socket.socket:
    family, kind, protocol, _, place = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await _connect(sock, place)
    except BaseException:
        sock.close()
        raise
    return sock


async def _connect(sock: socket.socket, place: Any) -> None:
    """Connect to a numeric address. Not the loop's `sock_connect`: uvloop's looks it up again."""
    loop = asyncio.get_running_loop()
    if sys.platform == "win32":  # whose loop cannot watch a socket for writing
        await loop.sock_connect(sock, place)
        return
    with contextlib.suppress(BlockingIOError, InterruptedError):
        sock.connect(place)
        return
    writable = loop.create_future()
    descriptor = sock.fileno()
    loop.add_writer(descriptor, _set, writable)
    try:
        await writable
    finally:
        loop.remove_writer(descriptor)
    if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(code, os.strerror(code))


def _set(writable: asyncio.Future[None]) -> None:
    if not writable.done():
        writable.set_result(None)
