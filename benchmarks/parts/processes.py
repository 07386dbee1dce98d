"""Processes that listen on a port of this machine, and what the system tells of them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from parts.load import Job, Result

HERE = Path(__file__).resolve().parent
POLL_S = 0.002
START_S = 60.0


@dataclass(frozen=True)
class Running:
    """A process that listens, and how long that took from the command on."""

    pid: int
    port: int
    start_s: float

    def rss_mb(self) -> float:
        """Its resident memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    command: Sequence[str], port: int, env: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """A server process that listens on `port`; stopped at the end."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        env=os.environ | dict(env or {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        yield Running(process.pid, port, time.perf_counter() - began)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    began = time.perf_counter()
    while time.perf_counter() - began < START_S:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(POLL_S)
    raise RuntimeError(f"nothing listens on {port}: {process.args!r}")


@contextlib.contextmanager
def upstream() -> Iterator[str]:
    """The fake upstream in a process of its own; its URL."""
    port = free_port()
    with running([sys.executable, str(HERE / "upstream.py"), str(port)], port):
        yield f"http://127.0.0.1:{port}"


def answer_so(
    upstream: str, *, delay_ms: float = 0, chunks: int = 20, gap_ms: float = 2, models: int = 1
) -> None:
    """Tell the fake upstream how to answer from now on."""
    manner = {"delay_ms": delay_ms, "chunks": chunks, "gap_ms": gap_ms, "models": models}
    put(f"{upstream}/manner", manner)


def put(url: str, body: object) -> None:
    """PUT a JSON body. Raises OSError unless it is taken."""
    headers = {"content-type": "application/json"}
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method="PUT")
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()


def send(job: Job) -> Result:
    """What a load came to; its clients are a process of their own."""
    done = subprocess.run(_LOAD, input=_line(job), stdout=subprocess.PIPE, check=True)
    return Result(**json.loads(done.stdout))


@contextlib.contextmanager
def held(job: Job) -> Iterator[None]:
    """While this lasts, every connection of `job` is in the middle of its answer."""
    with subprocess.Popen(_LOAD, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as clients:
        assert clients.stdin and clients.stdout
        clients.stdin.write(_line(job))
        clients.stdin.flush()
        if clients.stdout.readline() != b"ready\n":
            raise RuntimeError("not every stream has begun")
        yield


_LOAD = (sys.executable, str(HERE / "load.py"))


def _line(job: Job) -> bytes:
    return json.dumps(asdict(job)).encode() + b"\n"
