"""CPU a request and a streamed chunk costs: pointsman beside a bare pass-through, in one run.

    uv run benchmarks/run.py [--quick] [--json FILE]

Everything runs on this machine: a fake upstream, the server measured, and this load, each in a
process of its own. CPU time is the server process's own (user and system), read from /proc, so a
busy machine changes it little; compare figures of one run only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvloop

HERE = Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")
PROMPT = "Tell me about the harbour and its lights. " * 22
CHUNKS = 20


@dataclass(frozen=True)
class Load:
    """One kind of traffic; `streams` tells whether answers are streamed."""

    name: str
    requests: int
    connections: int
    streams: bool = False
    delay_ms: float = 0
    turns: int = 1


LOADS = (
    Load("plain, 16 connections", 6000, 16),
    Load("plain, 64 in flight, upstream 50 ms", 4000, 64, delay_ms=50),
    Load("plain, 1 connection", 2000, 1),
    Load("100 KB in, 210 turns", 1000, 8, turns=210),
    Load("stream, 8 at once", 320, 8, streams=True),
    Load("stream, 256 at once", 1024, 256, streams=True),
)


@dataclass
class Figures:
    """What a load cost a server: CPU in µs (a chunk's for streams), latency in ms, memory in MB."""

    cpu_us: float
    p50_ms: float
    p95_ms: float
    first_ms: float
    rss_mb: float
    failed: int


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(command: list[str], port: int, env: dict[str, str] | None = None) -> Iterator[int]:
    """A server process that listens on `port`; its pid. Stopped at the end."""
    process = subprocess.Popen(
        command, env=os.environ | (env or {}), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(400):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.025)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mb(pid: int) -> float:
    """Resident memory of a process in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6


def request_bytes(port: int, model: str, load: Load) -> bytes:
    """The request of a load, headers and all."""
    turn = {"role": "user", "content": PROMPT if load.turns == 1 else PROMPT[:460]}
    answer = {"role": "assistant", "content": PROMPT[:460]}
    messages = [turn if i % 2 == 0 else answer for i in range(load.turns)]
    data = {"model": model, "messages": messages, "temperature": 0.5}
    if load.streams:
        data["stream"] = True
    body = json.dumps(data, separators=(",", ":")).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n"
        b"content-type: application/json\r\nauthorization: Bearer x\r\ncontent-length: %d\r\n\r\n"
    ) % (port, len(body)) + body


async def drive(port: int, request: bytes, load: Load) -> tuple[list[float], list[float], int]:
    """Send the load; (whole times, times to first byte of the body, failures), in ms."""
    times: list[float] = []
    firsts: list[float] = []
    failed = 0
    left = load.requests

    async def worker() -> None:
        nonlocal left, failed
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        while left > 0:
            left -= 1
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            first = time.perf_counter()
            if b"chunked" in head.lower():
                while (size := int(await reader.readline(), 16)) > 0:
                    await reader.readexactly(size + 2)
                await reader.readline()
            else:
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
            times.append((time.perf_counter() - began) * 1000)
            firsts.append((first - began) * 1000)
            failed += b" 200 " not in head[:15]
        writer.close()

    await asyncio.gather(*(worker() for _ in range(load.connections)))
    return times, firsts, failed


def measure(pid: int, port: int, model: str, load: Load, scale: float) -> Figures:
    """Run a load once to warm up and once for the figures."""
    request = request_bytes(port, model, load)
    warm = Load(load.name, max(load.connections, load.requests // 10), load.connections)
    uvloop.run(drive(port, request, warm))
    load = Load(load.name, max(int(load.requests * scale), load.connections), load.connections)
    before = cpu_s(pid)
    times, firsts, failed = uvloop.run(drive(port, request, load))
    cpu = cpu_s(pid) - before
    return Figures(
        cpu_us=cpu / load.requests * 1e6,
        p50_ms=statistics.median(times),
        p95_ms=statistics.quantiles(times, n=20)[-1],
        first_ms=statistics.median(firsts),
        rss_mb=rss_mb(pid),
        failed=failed,
    )


def servers(upstream: str) -> dict[str, tuple[list[str], dict[str, str], list[str]]]:
    """Name -> (command without its port, environment, models to ask for)."""
    env = {
        "GROQ_API_KEY": "gsk_benchmark",
        "GROQ_BASE_URL": upstream,
        "GEMINI_API_KEY": "benchmark",
        "GEMINI_BASE_URL": upstream,
        "OLLAMA_HOST": upstream,
        "POINTSMAN_RATE_PRESET": "off",
    }
    ours = [sys.executable, "-m", "proxy", "--port"]
    return {
        "pass-through": ([sys.executable, str(HERE / "passthrough.py")], {}, ["groq/m"]),
        "pointsman": (ours, env, ["groq/m", "gemini/m", "ollama/m"]),
    }


def run(loads: tuple[Load, ...], scale: float) -> list[dict[str, object]]:
    """Every load on every server and route."""
    rows: list[dict[str, object]] = []
    for load in loads:
        port = free_port()
        fake = [sys.executable, str(HERE / "upstream.py"), str(port)]
        fake += ["--delay-ms", str(load.delay_ms), "--chunks", str(CHUNKS)]
        with running(fake, port):
            upstream = f"http://127.0.0.1:{port}"
            for name, (command, env, models) in servers(upstream).items():
                own = free_port()
                extra = [upstream] if name == "pass-through" else []
                with running([*command, str(own), *extra], own, env) as pid:
                    for model in models:
                        figures = measure(pid, own, model, load, scale)
                        row = {"load": load.name, "server": name, "route": model.partition("/")[0]}
                        rows.append(row | vars(figures) | {"streams": load.streams})
                        show(rows[-1])
    return rows


def show(row: dict[str, object]) -> None:
    """One line of the table, as soon as it is known."""
    per_chunk = f"{row['cpu_us'] / (CHUNKS + 2):7.1f} µs/chunk" if row["streams"] else " " * 16
    print(
        f"{row['load']:<38} {row['server']:<13} {row['route']:<7} {row['cpu_us']:8.0f} µs CPU"
        f" {per_chunk}  p50 {row['p50_ms']:7.2f} ms  first {row['first_ms']:7.2f} ms"
        f"  {row['rss_mb']:4.0f} MB" + (f"  {row['failed']} FAILED" if row["failed"] else ""),
        flush=True,
    )


def main() -> None:
    """Measure, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests")
    parser.add_argument("--json", type=Path, help="write the rows there")
    parser.add_argument("--only", help="only the loads whose name holds this")
    options = parser.parse_args()
    loads = tuple(load for load in LOADS if (options.only or "") in load.name)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")
    rows = run(loads, 0.1 if options.quick else 1.0)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
