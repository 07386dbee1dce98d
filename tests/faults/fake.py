"""A provider of raw bytes on loopback: each call gets what the script says, byte for byte.

It lives on the loop of the test, so that nothing in a test runs beside it unseen.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from tests.faults.dialects import JSON_TYPE, Dialect, encoded

TASK_NAME = "fake"
LAST_CHUNK = b"0\r\n\r\n"
READ_S = 0.005
"""Long enough for the proxy to read what came before: a reset would take it away."""


class Pause:
    """A step that lets the proxy read what was written so far."""


PAUSE = Pause()
Step = bytes | asyncio.Event | Pause


@dataclass(frozen=True)
class Reply:
    """What one call gets: steps one after the other, then the connection's end.

    Bytes are written and events waited for. `keep` leaves the connection open for the next call,
    `hang` says nothing more but holds it.
    """

    steps: tuple[Step, ...] = ()
    end: Literal["keep", "close", "reset", "hang"] = "keep"


@dataclass(frozen=True)
class Call:
    """A call that came in; `number` counts those of its connection from 0."""

    path: str
    headers: dict[str, str]
    body: Any
    number: int

    @property
    def is_stream(self) -> bool:
        return "streamGenerateContent" in self.path or bool(self.body.get("stream"))


@dataclass
class Counts:
    """`busy` are calls whose answer is not over; `left` those that the client broke off."""

    accepted: int = 0
    open: int = 0
    busy: int = 0
    left: int = 0
    written: int = 0


@dataclass
class Fake:
    """The server. `script` is for the next calls, then `rule`, then a good answer."""

    dialect: Dialect
    script: deque[Reply] = field(default_factory=deque)
    rule: Callable[[Call], Reply | None] = lambda _: None
    calls: list[Call] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    url: str = ""

    def then(self, *replies: Reply) -> None:
        """What happens to the next calls, one after the other."""
        self.script.extend(replies)

    def always(self, reply: Reply) -> None:
        """What happens to every call after those of the script."""
        self.rule = lambda _: reply

    def good(self, call: Call) -> Reply:
        """The ordinary answer."""
        if call.is_stream:
            return stream(self.dialect, bytes(self.dialect.streamed(self.dialect.words)))
        return self.good_whole

    @property
    def good_whole(self) -> Reply:
        """The ordinary answer to a call that is no stream."""
        return whole(encoded(self.dialect.whole(self.dialect.text)))

    async def start(self, tls: ssl.SSLContext | None = None) -> Self:
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: asyncio.StreamReaderProtocol(_Reader(), self._serve),
            "127.0.0.1",
            0,
            ssl=tls,
        )
        port = self._listener.sockets[0].getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        self._tasks: set[asyncio.Task[None]] = set()
        return self

    async def stop(self) -> None:
        self._listener.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # aborted sockets close in the loop's next turn

    async def _serve(self, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.set_name(TASK_NAME)
        self._tasks.add(task)
        self.counts.accepted += 1
        self.counts.open += 1
        try:
            await self._answer_calls(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            self.counts.open -= 1
            self._tasks.discard(task)
            writer.transport.abort()

    async def _answer_calls(self, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        number = 0
        while True:
            method, path, headers, body = await _request(reader)
            if method == "GET":
                told = self.dialect.lists
                if path.endswith("/api/ps"):  # what it has in memory: it is ill, not loading
                    told = {"models": [{"name": self.dialect.model, "model": self.dialect.model}]}
                writer.write(b"".join(_bytes(whole(encoded(told)))))
                continue
            if path.endswith("/api/show"):
                writer.write(b"".join(_bytes(whole(b"{}", 404))))
                continue
            call = Call(path, headers, json.loads(body), number)
            number += 1
            self.calls.append(call)
            reply = self.script.popleft() if self.script else self.rule(call) or self.good(call)
            if not await self._play(reply, reader, writer):
                return

    async def _play(self, reply: Reply, reader: _Reader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        self.counts.busy += 1
        leaving = asyncio.ensure_future(reader.gone.wait())
        playing = asyncio.ensure_future(self._write(reply, writer))
        leaving.set_name(TASK_NAME)
        playing.set_name(TASK_NAME)
        try:
            done, _ = await asyncio.wait({leaving, playing}, return_when="FIRST_COMPLETED")
            if playing not in done:
                self.counts.left += 1
                return False
            playing.result()
        finally:
            self.counts.busy -= 1
            for task in (leaving, playing):
                task.cancel()
            await asyncio.gather(leaving, playing, return_exceptions=True)
        if reply.end == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        return reply.end == "keep"

    async def _write(self, reply: Reply, writer: asyncio.StreamWriter) -> None:
        for step in reply.steps:
            match step:
                case Pause():
                    await asyncio.sleep(READ_S)
                case asyncio.Event():
                    await step.wait()
                case data:
                    writer.write(data)
                    self.counts.written += len(data)
                    await writer.drain()
        if reply.end == "hang":
            await asyncio.Event().wait()
        if reply.end != "keep":
            await asyncio.sleep(READ_S)


class _Reader(asyncio.StreamReader):
    """A reader that tells when the client has closed or reset."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.gone.set()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self.gone.set()


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return method, path, headers, body


# -- replies ----------------------------------------------------------------------------------


def head(status: int, content_type: str | None, *headers: tuple[str, str]) -> bytes:
    """The status line and the headers; no framing."""
    lines = [f"HTTP/1.1 {status} Whatever"]
    lines += [f"content-type: {content_type}"] if content_type else []
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def whole(
    body: bytes, status: int = 200, *headers: tuple[str, str], content_type: str = JSON_TYPE
) -> Reply:
    """An answer in one piece."""
    length = ("content-length", str(len(body)))
    return Reply((head(status, content_type, *headers, length) + body,))


def refusal(
    dialect: Dialect,
    status: int,
    *headers: tuple[str, str],
    message: str = "It cannot be done.",
    code: str | None = None,
    **more: Any,
) -> Reply:
    """An error status with the provider's own body."""
    return whole(encoded(dialect.error(message, code, **more)), status, *headers)


def stream(dialect: Dialect, *pieces: Step) -> Reply:
    """A stream, each piece of bytes a chunk."""
    start = head(200, dialect.stream_type, ("transfer-encoding", "chunked"))
    steps = [chunk(piece) if isinstance(piece, bytes) else piece for piece in pieces]
    return Reply((start, *steps, LAST_CHUNK))


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def _bytes(reply: Reply) -> list[bytes]:
    return [step for step in reply.steps if isinstance(step, bytes)]
