"""What the transport costs: CPU a plain request and a streamed chunk, beside httpx's own.

    uv run benchmarks/transport.py [--requests 4000] [--chunks 4000]

A raw asyncio server in a process of its own answers; only this process's CPU is counted. The
transports are called directly and by turns; of three rounds the best counts. `floor` is a bare
asyncio.Protocol that sends the same bytes and parses nothing: what no client gets below. Ends by
itself.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from multiprocessing.connection import Connection as Pipe
from typing import Any

import click
import httpx

from proxy.upstream.transport import Transport

CONNECTIONS = 16
STREAMS = 8
CHUNK_INTERVAL_S = 0.002
ROUNDS = 3

REQUEST_BODY = b'{"model":"m","messages":[{"role":"user","content":"%s"}]}' % (b"x" * 970)
HEADERS = {
    "authorization": "Bearer " + "k" * 48,
    "content-type": "application/json",
    "accept": "application/json",
    "user-agent": "benchmark",
}
ANSWER_BODY = b"y" * 500
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: Sat, 21 Nov 2026 10:00:00 GMT\r\n"
    b"x-request-id: 0123456789\r\nserver: fake\r\ncontent-length: %d\r\n\r\n%b"
) % (len(ANSWER_BODY), ANSWER_BODY)
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % (b"w" * 120)
EVENT_CHUNK = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)


class _Upstream(asyncio.Protocol):
    """Answers every request at once; one to /stream/N with N chunks, 2 ms apart."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank or len(body) < len(REQUEST_BODY):
            return
        self._received = b""
        path = head.split(b" ", 2)[1]
        if not path.startswith(b"/stream/"):
            self._transport.write(ANSWER)
            return
        self._transport.write(STREAM_HEAD)
        self._send_chunk(int(path.removeprefix(b"/stream/")))

    def _send_chunk(self, left: int) -> None:
        if not left:
            self._transport.write(b"0\r\n\r\n")
            return
        self._transport.write(EVENT_CHUNK)
        asyncio.get_running_loop().call_later(CHUNK_INTERVAL_S, self._send_chunk, left - 1)


def _serve(pipe: Pipe) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(_Upstream, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.to_thread(pipe.recv)  # ends when the parent closes its end
        server.close()

    with suppress(EOFError):
        _loop_runner()(main())


def _loop_runner() -> Callable[..., Any]:
    if sys.platform == "win32":
        return asyncio.run
    import uvloop

    return uvloop.run


class _Floor(httpx.AsyncBaseTransport):
    """Waits for the last bytes of an answer it knows beforehand; every read wakes its caller."""

    def __init__(self) -> None:
        self._idle: list[_FloorProtocol] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        loop = asyncio.get_running_loop()
        if self._idle:
            protocol = self._idle.pop()
        else:
            host, port = request.url.host, request.url.port
            _, protocol = await loop.create_connection(_FloorProtocol, host, port)
        target = request.url.raw_path
        protocol.transport.write(
            b"POST %b HTTP/1.1\r\nhost: x\r\n%b\r\n\r\n%b" % (target, b"x" * 200, REQUEST_BODY)
        )
        end = b"0\r\n\r\n" if b"stream" in target else ANSWER_BODY
        return httpx.Response(200, stream=_FloorStream(protocol, end, self._idle))


class _FloorProtocol(asyncio.Protocol):
    received = b""
    waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received = data
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class _FloorStream(httpx.AsyncByteStream):
    def __init__(self, protocol: _FloorProtocol, end: bytes, idle: list[_FloorProtocol]) -> None:
        self._protocol, self._end, self._idle = protocol, end, idle

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        protocol = self._protocol
        if protocol.received.endswith(self._end):
            protocol.received = b""
            self._idle.append(protocol)
            raise StopAsyncIteration
        protocol.waiter = asyncio.get_running_loop().create_future()
        await protocol.waiter
        return protocol.received


@asynccontextmanager
async def _transports() -> AsyncIterator[dict[str, httpx.AsyncBaseTransport]]:
    limits = httpx.Limits(max_connections=2000, max_keepalive_connections=100)
    async with Transport() as own, httpx.AsyncHTTPTransport(limits=limits) as theirs:
        yield {"floor": _Floor(), "own": own, "httpx": theirs}


def _request(url: str) -> httpx.Request:
    timeouts = {"connect": 3.0, "read": 60.0, "write": 60.0, "pool": 10.0}
    return httpx.Request(
        "POST", url, headers=HEADERS, content=REQUEST_BODY, extensions={"timeout": timeouts}
    )


async def _call(transport: httpx.AsyncBaseTransport, request: httpx.Request) -> int:
    """Pieces read."""
    response = await transport.handle_async_request(request)
    pieces = 0
    async for _ in response.stream:
        pieces += 1
    await response.stream.aclose()
    return pieces


async def _plain(transport: httpx.AsyncBaseTransport, base: str, count: int) -> float:
    """CPU seconds a request, 16 connections."""
    request = _request(base + "/plain")

    async def worker(times: int) -> None:
        for _ in range(times):
            await _call(transport, request)

    await asyncio.gather(*(worker(4) for _ in range(CONNECTIONS)))
    start = time.process_time()
    await asyncio.gather(*(worker(count // CONNECTIONS) for _ in range(CONNECTIONS)))
    return (time.process_time() - start) / (count // CONNECTIONS * CONNECTIONS)


async def _streamed(transport: httpx.AsyncBaseTransport, base: str, count: int) -> float:
    """CPU seconds a chunk, 8 streams; what the requests cost is in it."""
    request = _request(f"{base}/stream/{count // STREAMS}")
    start = time.process_time()
    await asyncio.gather(*(_call(transport, request) for _ in range(STREAMS)))
    return (time.process_time() - start) / (count // STREAMS * STREAMS)


async def _measure(base: str, requests: int, chunks: int) -> dict[str, dict[str, float]]:
    best: dict[str, dict[str, float]] = {}
    async with _transports() as transports:
        for _ in range(ROUNDS):
            for name, transport in transports.items():
                row = {
                    "request_us": await _plain(transport, base, requests) * 1e6,
                    "chunk_us": await _streamed(transport, base, chunks) * 1e6,
                }
                seen = best.setdefault(name, row)
                best[name] = {key: round(min(seen[key], row[key]), 1) for key in row}
    return best


@click.command(help=__doc__)
@click.option("--requests", default=4000, show_default=True)
@click.option("--chunks", default=4000, show_default=True)
def main(requests: int, chunks: int) -> None:
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,))
    server.start()
    theirs.close()
    try:
        base = f"http://127.0.0.1:{ours.recv()}"
        print(json.dumps(_loop_runner()(_measure(base, requests, chunks)), indent=2))
    finally:
        ours.close()
        server.join(5)
        server.terminate()


if __name__ == "__main__":
    main()
