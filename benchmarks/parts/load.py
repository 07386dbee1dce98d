"""The clients: so many keep-alive connections that send one request after the other.

    python benchmarks/parts/load.py < JOB > RESULT

A process of its own, and cheap, so that it takes nothing from what it measures. The job and the
result are JSON, with the fields of `Job` and `Result`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import uvloop

LAST_CHUNK = b"0\r\n\r\n"
PATIENCE_S = 60.0
MAX_FAILED = 100


@dataclass(frozen=True)
class Job:
    """What to send where, for how long; `mark` are the bytes in which an answer's text begins.

    With `pid`, the CPU time of that process is taken; with `hold`, the answers are never read to
    their end: the clients say `ready` when all have begun, and stay until their input ends.
    """

    port: int
    body: str
    path: str = "/v1/chat/completions"
    headers: dict[str, str] = field(default_factory=dict)
    connections: int = 1
    seconds: float = 1.0
    warm_s: float = 0.2
    least: int = 0
    mark: str = ""
    pid: int | None = None
    hold: bool = False

    def request(self) -> bytes:
        """The bytes of one request."""
        body = self.body.encode()
        fields = {
            "host": f"127.0.0.1:{self.port}",
            "content-type": "application/json",
            "authorization": "Bearer x",
            "content-length": str(len(body)),
        } | self.headers
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"POST {self.path} HTTP/1.1\r\n{lines}\r\n".encode() + body


@dataclass(frozen=True)
class Result:
    """What came of it; times are in milliseconds, to the end and to the first text."""

    requests: int
    failed: int
    seconds: float
    cpu_s: float
    p50_ms: float
    p95_ms: float
    first_p50_ms: float


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, all its threads, in seconds.

    As in `/proc/PID/stat`, which tells it in hundredths; here it is in nanoseconds.
    """
    total_ns = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # one that has just ended
            total_ns += int((thread / "schedstat").read_text().split()[0])
    return total_ns / 1e9


class Client(asyncio.Protocol):
    """One connection: `ask` gives the seconds to the first text and to the end of an answer."""

    def __init__(self, request: bytes, mark: bytes) -> None:
        self.request, self.mark = request, mark

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(ok=False)

    def ask(self) -> asyncio.Future[bool]:
        """Send the request; the future tells whether the answer was a good one."""
        self.answered = asyncio.get_running_loop().create_future()
        self.head = b""
        self.left = -1  # bytes of the body that are missing; -1 stands for chunked
        self.tail = b""
        self.first = 0.0
        self.began = time.perf_counter()
        self.transport.write(self.request)
        return self.answered

    def data_received(self, data: bytes) -> None:
        if not self.tail:
            self.head += data
            head, blank, data = self.head.partition(b"\r\n\r\n")
            if not blank:
                return
            self.ok = b" 200 " in head[:15]
            _, told, length = head.lower().partition(b"content-length:")
            self.left = int(length.partition(b"\r\n")[0]) if told else -1
            self.tail = b"-"
        if not self.first and self.mark in data:
            self.first = time.perf_counter()
        if self.left >= 0:
            self.left -= len(data)
            if self.left <= 0:
                self._end(ok=self.ok)
            return
        self.tail = (self.tail + data)[-len(LAST_CHUNK) :]
        if self.tail == LAST_CHUNK:
            self._end(ok=self.ok)

    def _end(self, *, ok: bool) -> None:
        self.end = time.perf_counter()
        if not self.answered.done():
            self.answered.set_result(ok)


class Clients:
    """All connections, and what they have seen since `forget` was called."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.all: list[Client] = []
        self.forget()

    def forget(self) -> None:
        self.times: list[float] = []
        self.firsts: list[float] = []
        self.failed = 0

    async def connect(self) -> None:
        self.all = [await self._client() for _ in range(self.job.connections)]

    async def _client(self) -> Client:
        request, mark = self.job.request(), self.job.mark.encode()
        _, client = await asyncio.get_running_loop().create_connection(
            lambda: Client(request, mark), "127.0.0.1", self.job.port
        )
        return client

    async def run(self, seconds: float, least: int = 0) -> None:
        """Ask for so long, and at least so often; what has begun is waited for."""
        ends = time.perf_counter() + seconds

        async def one(place: int) -> None:
            while time.perf_counter() < ends or len(self.times) < least:
                client = self.all[place]
                if client.transport.is_closing():  # a server overrun may close what it kept
                    client = self.all[place] = await self._client()
                try:
                    ok = await asyncio.wait_for(client.ask(), PATIENCE_S)
                except TimeoutError:
                    client.transport.abort()
                    ok = False
                if not ok or not client.first:
                    self.failed += 1
                    if self.failed > MAX_FAILED:
                        return
                    continue
                self.times.append((client.end - client.began) * 1000)
                self.firsts.append((client.first - client.began) * 1000)

        await asyncio.gather(*(one(place) for place in range(len(self.all))))

    async def hold(self) -> None:
        """Begin an answer on every connection, and stay until the input ends."""
        for client in self.all:
            client.ask()
        while not all(client.first for client in self.all):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def work(job: Job) -> Result | None:
    """Warm up, then measure."""
    clients = Clients(job)
    await clients.connect()
    if job.hold:
        await clients.hold()
        return None
    if job.warm_s:
        await clients.run(job.warm_s)
        clients.forget()
    cpu_before = cpu_s(job.pid) if job.pid else 0.0
    began = time.perf_counter()
    await clients.run(job.seconds, job.least)
    seconds = time.perf_counter() - began
    cpu = cpu_s(job.pid) - cpu_before if job.pid else 0.0
    times = clients.times if len(clients.times) > 1 else (clients.times or [0.0]) * 2
    return Result(
        requests=len(clients.times) + clients.failed,
        failed=clients.failed,
        seconds=seconds,
        cpu_s=cpu,
        p50_ms=statistics.median(times),
        p95_ms=statistics.quantiles(times, n=20)[-1],
        first_p50_ms=statistics.median(clients.firsts or [0.0]),
    )


def main() -> None:
    """The job is the first line of the input."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    result = uvloop.run(work(Job(**json.loads(sys.stdin.readline()))))
    if result is not None:
        print(json.dumps(asdict(result)))


if __name__ == "__main__":
    main()
