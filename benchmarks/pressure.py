"""What a server holds up under: slow and idle connections, streams, bodies above the limit.

    python -m benchmarks.pressure

Prints a line a case, with the time that good calls take meanwhile. The tests in `tests/security`
(with POINTSMAN_SOAK=1) hold the same cases to their limits; this is to see the figures.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self

from proxy.figures import percentile
from tests.security.kit import Process, ask, body_of, fakes_running, post, process

PICTURE, VALUES, OBJECTS = "30 MiB, a picture", "30 MiB of values", "126 kB of objects"
SLOW, STREAMS, IDLE, BODIES = 500, 1000, 10_000, 100
MIB = 2**20
PNG = b"\x89PNG\r\n\x1a\n"
SEES = "ollama/gemma3:4b"
GOOD = post(body_of())
HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
)
CROWDS = ((5, PICTURE), (40, PICTURE), (40, VALUES), (200, OBJECTS))
UNFINISHED = (b"P", HEAD, HEAD + b"Content-Length: 100\r\n\r\n{")


def main() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(f"{'nothing else':<26}{asyncio.run(alone())}")
    for name, case, interval_s in (
        (f"{SLOW} slow sockets", slow_sockets, 0.0),
        (f"{STREAMS:,} streams", streams, 0.05),
        (f"{IDLE:,} idle", idle_connections, 0.0),
        (f"{BODIES} x 33 MiB", large_bodies, 0.0),
        *((f"{count} x {what}", partial(crowd, count, what), 0.0) for count, what in CROWDS),
    ):
        with running(interval_s) as server:
            print(f"{name:<26}{asyncio.run(case(server))}")


@contextlib.contextmanager
def running(interval_s: float = 0.0) -> Iterator[Process]:
    with (
        tempfile.TemporaryDirectory() as folder,
        fakes_running() as fakes,
        process(fakes, Path(folder)) as server,
    ):
        fakes.groq.interval_s = interval_s
        ask(server.port, GOOD)  # what comes in with the first call is nobody's delay
        yield server


class Watch:
    """Good calls one after the other, as long as it is open, and the most memory seen."""

    def __init__(self, server: Process) -> None:
        self._server = server
        self.times_s: list[float] = []
        self.most_bytes = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            began = time.perf_counter()
            answer = await talk(self._server.port, post(body_of(), Connection="close"))
            self.times_s.append(time.perf_counter() - began)
            assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
            self.most_bytes = max(self.most_bytes, self._server.rss_bytes())
            await asyncio.sleep(0.02)

    def __str__(self) -> str:
        p50, p95 = ((percentile(self.times_s, share) or 0) * 1000 for share in (0.5, 0.95))
        calls = f"{len(self.times_s)} good calls: p50 {p50:.1f} ms, p95 {p95:.1f} ms"
        return f"{calls}; at most {self.most_bytes / MIB:.0f} MiB"


async def talk(port: int, data: bytes) -> bytes:
    """All that is answered until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError):
        writer.write(data)
        await writer.drain()
    try:
        return await reader.read()
    finally:
        writer.close()


async def alone() -> str:
    with running() as server:
        async with Watch(server) as watch:
            await asyncio.sleep(5)
        return str(watch)


async def slow_sockets(server: Process) -> str:
    async with Watch(server) as watch:
        began = time.perf_counter()
        kinds = (UNFINISHED[at % len(UNFINISHED)] for at in range(SLOW))
        answers = await asyncio.gather(*(talk(server.port, data) for data in kinds))
        took_s = time.perf_counter() - began
    refused = sum(b" 408 " in answer[:20] for answer in answers)
    return f"{refused} refused, all closed after {took_s:.1f} s; {watch}"


async def streams(server: Process) -> str:
    data = post(body_of(stream=True), Connection="close")
    async with Watch(server) as watch:
        began = time.perf_counter()
        answers = await asyncio.gather(*(talk(server.port, data) for _ in range(STREAMS)))
        took_s = time.perf_counter() - began
    whole = sum(answer.rstrip().endswith(b"0") and b"data: [DONE]" in answer for answer in answers)
    return f"{whole} complete in {took_s:.1f} s; {watch}"


async def idle_connections(server: Process) -> str:
    held: list[asyncio.StreamWriter] = []
    for _ in range(0, IDLE, 500):
        opening = (asyncio.open_connection("127.0.0.1", server.port) for _ in range(500))
        held += [writer for _, writer in await asyncio.gather(*opening)]
    open_files = server.open_files()
    async with Watch(server) as watch:
        await asyncio.sleep(5)
    for writer in held:
        writer.close()
    return f"{open_files:,} files open; {watch}"


async def large_bodies(server: Process) -> str:
    async def send() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        with contextlib.suppress(ConnectionError):
            writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(33):
                writer.write(b"%x\r\n%b\r\n" % (MIB, b" " * MIB))
                await writer.drain()
        status = (await reader.readline()).split()[1]
        writer.close()
        return status

    async with Watch(server) as watch:
        statuses = await asyncio.gather(*(send() for _ in range(BODIES)))
    counts = {status.decode(): statuses.count(status) for status in sorted(set(statuses))}
    return f"{counts}; {watch}"


async def crowd(count: int, what: str, server: Process) -> str:
    """Bodies at once, out of a process of their own."""
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(1) as clients:
        async with Watch(server) as watch:
            statuses = await loop.run_in_executor(clients, sent_at_once, server.port, count, what)
    return f"{statuses}; {watch}"


def sent_at_once(port: int, count: int, what: str) -> dict[str, int]:
    """How often each status came back."""
    data = post(_body(what), Connection="close")

    async def send() -> list[bytes]:
        return await asyncio.gather(*(talk(port, data) for _ in range(count)))

    return Counter(
        (answer.split(b" ", 2)[1:2] or [b"none"])[0].decode() for answer in asyncio.run(send())
    )


def _body(what: str) -> bytes:
    if what != PICTURE:
        return b'{"a":[' + b"{}," * (10 * MIB if what == VALUES else 42_000) + b"{}]}"
    url = f"data:image/png;base64,{base64.b64encode(PNG + bytes(22 * MIB)).decode()}"
    picture = {"type": "image_url", "image_url": {"url": url}}
    asked = body_of(SEES, messages=[{"role": "user", "content": [picture]}])
    return json.dumps(asked).encode()


if __name__ == "__main__":
    main()
