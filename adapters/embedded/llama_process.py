"""A child process with llama.cpp in it: its threads and slots, its start, and how it is reached."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import ssl
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

import httpx
import orjson

LOAD_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 3.0
SLOTS = 2
"""Requests that are answered at the same time; the others wait for one to end."""

CONNECTIONS = 32
BATCH_TOKENS = 64
"""Tokens of a prompt read in one go; between two batches a client that left is noticed."""

MAX_THREADS = 8


class LoadError(Exception):
    """The model could not be loaded."""


class LlamaProcess:
    """A running llama.cpp that only this process can reach: by a private socket, with a key."""

    def __init__(self, process: Process, socket: str, key: str) -> None:
        self._process = process
        self.key = key
        self.transport = httpx.AsyncHTTPTransport(
            uds=socket,
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # unused, but cheaper than the default
            # llama.cpp closes a connection after a stream.
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=0),
        )

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        return self._process.pid

    async def close(self) -> None:
        await self.transport.aclose()
        await _stop(self._process)


async def start(model: Path, *, context: int) -> LlamaProcess:
    """Load a GGUF file in a new process; `context` is in tokens a request. Raises LoadError."""
    key = secrets.token_urlsafe(32)
    order = {
        "model": str(model),
        "key": key,
        "context": context,
        "slots": SLOTS,
        "batch": BATCH_TOKENS,
        "connections": CONNECTIONS,
        "threads": thread_count(),
    }
    worker = Path(__file__).with_name("llama_worker.py")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(worker)),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        start_new_session=True,  # a Ctrl-C is for the server, which then ends this
    )
    try:
        async with asyncio.timeout(LOAD_TIMEOUT_S):
            socket = await _told(process, orjson.dumps(order))
    except BaseException as error:
        await _stop(process)
        if isinstance(error, TimeoutError):
            raise LoadError from error
        raise
    return LlamaProcess(process, socket, key)


def thread_count() -> int:
    """How many cores to compute on: one is left to the event loop.

    llama.cpp's threads wait for each other after every layer, so that one too many on a busy
    machine makes all of them many times slower.
    """
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min(MAX_THREADS, cores - 1))


async def _told(process: Process, order: bytes) -> str:
    """The path of the socket, once the model is loaded."""
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    with contextlib.suppress(ConnectionError):  # it is gone: the read tells
        process.stdin.write(order + b"\n")
        await process.stdin.drain()
    line = await process.stdout.readline()
    if not line.endswith(b"\n"):
        raise LoadError
    return line.decode().rstrip("\n")


async def _stop(process: Process) -> None:
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    process.stdin.close()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
