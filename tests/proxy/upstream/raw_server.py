"""A server of raw bytes on loopback: a script says, connection by connection, what it does."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Peer:
    """The server's end of one connection; `ended` is set when its script has."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    requests: list[bytes]
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def request(self) -> bytes:
        """One whole request, as it came; IncompleteReadError when the client has left."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        body = b""
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            while not body.endswith(b"0\r\n\r\n"):
                body += await self.reader.readuntil(b"\r\n")
        elif b"content-length: " in lower:
            length = int(lower.split(b"content-length: ")[1].split(b"\r\n")[0])
            body = await self.reader.readexactly(length)
        self.requests.append(head + body)
        return head + body

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def until_closed(self) -> None:
        """Return when the client has closed or broken the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class RawServer:
    """What a running server has seen: `requests` whole, `peers` in the order they came."""

    url: str
    requests: list[bytes] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)

    @property
    def connections(self) -> int:
        return len(self.peers)


@asynccontextmanager
async def raw_server(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Runs `script` once a connection; what it raises because a client left is no error."""
    tasks: set[asyncio.Task[None]] = set()
    server = RawServer("")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, len(server.peers), server.requests)
        server.peers.append(peer)
        tasks.add(task := asyncio.current_task())
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await script(peer)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            tasks.discard(task)
            peer.ended.set()
            writer.transport.abort()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls, limit=2**26)
    port = listener.sockets[0].getsockname()[1]
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listener.close()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tuple(tasks))
        await asyncio.sleep(0)  # aborted sockets close in the loop's next turn


def always(response: bytes) -> Script:
    """Answers each request of each connection with `response`."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(response)

    return script


def once(response: bytes, *, then: str = "wait") -> Script:
    """Answers one request, then does `then`: `close`, `reset`, or `wait` for the client."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(response)
        match then:
            case "close":
                peer.close()
            case "reset":
                # Under a reset the client's kernel would drop what is not read yet.
                await asyncio.sleep(0.02)
                peer.reset()
            case _:
                await peer.until_closed()

    return script


def answer(body: bytes = b"hi", *headers: bytes) -> bytes:
    """A 200 with `body` under its content-length."""
    lines = [b"HTTP/1.1 200 OK", b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
