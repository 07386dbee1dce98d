"""A loopback HTTP/1.1 server in a thread of its own, which can be told to misbehave.

It is a plain asyncio protocol over httptools, since no HTTP framework can cut an answer after n
bytes. It counts connections, keeps every request, and knows which clients left too early.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, unquote

import httptools

from tests.fakes.gate import Gate

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent; `path` is decoded and without the query, header names are lower case.

    `target` is both as they came.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    target: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it goes out: each entry of `body` is one write, `chunked` for streams."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: tuple[bytes, ...] = ()
    chunked: bool = False


def json_answer(
    value: object, status: int = 200, *, headers: tuple[tuple[str, str], ...] = ()
) -> Answer:
    """One JSON value, in UTF-8 with nothing escaped that need not be."""
    if not any(name == "content-type" for name, _ in headers):
        headers = (("content-type", "application/json"), *headers)
    return Answer(status, headers, (json.dumps(value, ensure_ascii=False).encode(),))


class RefusalError(Exception):
    """The request is not what the API takes; `answer` says so in the provider's own words."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one answer. All byte counts are of the body, before chunk framing.

    - `answer`: sent in place of the ordinary one.
    - `hold`: not even the status line before this gate opens.
    - `hold_at`: that many bytes, then nothing before the gate opens (or for ever: `Gate()`).
    - `stop_at`: that many bytes, then the end, as `stop` says: close (FIN), reset (RST), or a clean
      end that pretends to be whole.
    - `piece`: bytes a write.
    """

    answer: Answer | None = None
    hold: Gate | None = None
    hold_at: tuple[int, Gate] | None = None
    stop_at: int | None = None
    stop: Literal["close", "reset", "end"] = "close"
    piece: int | None = None


@dataclass(slots=True)
class Counts:
    accepted: int = 0
    open: int = 0
    closed: int = 0
    left: int = 0


class FakeServer:
    """The server; a subclass says in `respond` what it answers. Use it as a context manager.

    `script` holds one entry for each of the next requests to the model (their path ends in one of
    `chat_paths`): a Fault, or None for none.
    `delay_s` is waited before each answer and `interval_s` between the writes of a stream.
    With `canned` the first answer to each kind of request is given again and again, unread.
    """

    chat_paths: tuple[str, ...] = ()

    def __init__(
        self, *, port: int = 0, delay_s: float = 0, interval_s: float = 0, canned: bool = False
    ) -> None:
        self.port = port
        self.delay_s = delay_s
        self.interval_s = interval_s
        self.canned = canned
        self.requests: list[Request] = []
        self.counts = Counts()
        self.script: deque[Fault | None] = deque()
        self._cans: dict[tuple[str, bool], bytes] = {}
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._connections: set[_Connection] = set()

    def respond(self, request: Request) -> Answer:
        raise NotImplementedError

    # -- for tests ----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def then(self, *faults: Fault | None) -> None:
        """What happens to the next requests to the model, one after the other."""
        self.script.extend(faults)

    def forget(self) -> None:
        """No requests, no script: as new for the next test. Connections stay counted."""
        self.requests.clear()
        self.script.clear()

    def wait_until(self, holds: Callable[[FakeServer], bool], *, timeout_s: float = 10) -> None:
        """Returns when `holds(self)` does; raises TimeoutError if that does not come."""
        with self._changed:
            if not self._changed.wait_for(lambda: holds(self), timeout_s):
                raise TimeoutError(f"{type(self).__name__}: {self.counts}")

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Around every change of what tests wait for."""
        with self._changed:
            yield
            self._changed.notify_all()

    def next_fault(self, request: Request) -> Fault:
        """What the script has for this request, which must be one for the model."""
        if self.script and request.path.endswith(self.chat_paths):
            return self.script.popleft() or Fault()
        return Fault()

    # -- life ---------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", self.port), backlog=1024)
        self.port = listener.getsockname()[1]
        serving = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listener, serving), daemon=True)
        self._thread.start()
        serving.wait()  # else the end might come before the beginning
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, listener: socket.socket, serving: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(lambda: _Connection(self, self._loop), sock=listener)
        )
        serving.set()
        try:
            self._loop.run_forever()
        finally:
            server.close()
            self._loop.run_until_complete(self._close_connections())
            self._loop.close()

    async def _close_connections(self) -> None:
        tasks = [connection.abort() for connection in list(self._connections)]
        await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)
        await asyncio.sleep(0)  # the transports report their end on the loop's next turn

    # -- answers ------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        try:
            return self.respond(request)
        except RefusalError as refusal:
            return refusal.answer
        except Exception:
            # Only a bug of the fake comes here: let it be read where the test fails.
            return Answer(599, body=(traceback.format_exc().encode(),))

    def can(self, request: Request) -> bytes:
        """The whole answer as bytes, made once for each path and kind."""
        key = (request.path, b'"stream":true' in request.body)
        if key not in self._cans:
            answer = self.answer(request)
            body = b"".join(frame(piece, answer.chunked) for piece in answer.body)
            self._cans[key] = head(answer) + body + (b"0\r\n\r\n" if answer.chunked else b"")
        return self._cans[key]


def head(answer: Answer) -> bytes:
    """The status line and the headers, with the framing that `answer.chunked` asks for."""
    lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Other')}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    size = sum(map(len, answer.body))
    lines.append("transfer-encoding: chunked" if answer.chunked else f"content-length: {size}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def frame(piece: bytes, chunked: bool) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece


@dataclass(slots=True)
class _Incoming:
    url: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class _Connection(asyncio.Protocol):
    """One connection: requests are answered in the order they came."""

    def __init__(self, fake: FakeServer, loop: asyncio.AbstractEventLoop) -> None:
        self._fake = fake
        self._loop = loop
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._ours_to_close = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._incoming = _Incoming()
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # asyncio does so only for listeners that name their protocol; without, each answer in two
        # writes would wait 40 ms for an acknowledgement.
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._fake.changing():
            self._fake.counts.accepted += 1
            self._fake.counts.open += 1
            self._fake._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        was_answering = self._task is not None and not self._task.done()
        if self._task:
            self._task.cancel()
        with self._fake.changing():
            self._fake.counts.open -= 1
            self._fake.counts.closed += 1
            self._fake.counts.left += was_answering and not self._ours_to_close
            self._fake._connections.discard(self)

    def abort(self) -> asyncio.Task[None] | None:
        self._ours_to_close = True
        self._transport.abort()
        if self._task:
            self._task.cancel()
        return self._task

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._end("close")

    # -- httptools' callbacks -----------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._incoming = _Incoming()

    def on_url(self, url: bytes) -> None:
        self._incoming.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._incoming.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._incoming.body += body

    def on_message_complete(self) -> None:
        target = self._incoming.url.decode("latin-1")
        path, _, query = target.partition("?")
        request = Request(
            self._parser.get_method().decode(),
            unquote(path),
            dict(parse_qsl(query)),
            self._incoming.headers,
            bytes(self._incoming.body),
            target,
        )
        if self._fake.canned:
            self._loop.call_later(
                self._fake.delay_s, self._transport.write, self._fake.can(request)
            )
            return
        self._waiting.append(request)
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._serve())

    # -- answering ----------------------------------------------------------------------------

    async def _serve(self) -> None:
        while self._waiting:
            request = self._waiting.popleft()
            with self._fake.changing():
                self._fake.requests.append(request)
            fault = self._fake.next_fault(request)
            if fault.hold:
                await fault.hold.passed()
            await asyncio.sleep(self._fake.delay_s)
            if not await self._send(fault.answer or self._fake.answer(request), fault):
                return

    async def _send(self, answer: Answer, fault: Fault) -> bool:
        """Sends as the fault wants it; whether the connection goes on."""
        self._transport.write(head(answer))
        for piece in _pieces(answer, fault):
            if isinstance(piece, Gate):
                await piece.passed()
                continue
            await self._writable.wait()
            self._transport.write(frame(piece, answer.chunked))
            await asyncio.sleep(self._fake.interval_s)
        if fault.stop_at is not None and fault.stop != "end":
            self._end(fault.stop)
            return False
        if answer.chunked:
            self._transport.write(b"0\r\n\r\n")
        return True

    def _end(self, how: str) -> None:
        self._ours_to_close = True
        if how == "reset":
            linger = struct.pack("ii", 1, 0)
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._transport.abort()
        else:
            self._transport.close()


def _pieces(answer: Answer, fault: Fault) -> Iterator[bytes | Gate]:
    """The body cut as the fault wants it, with the gate at its place."""
    hold_at, gate = fault.hold_at or (-1, None)
    sent = 0
    for piece in filter(None, answer.body):
        marks = {hold_at - sent, (fault.stop_at if fault.stop_at is not None else -1) - sent}
        step = fault.piece or len(piece) or 1
        cuts = sorted({*range(0, len(piece), step), *(m for m in marks if 0 <= m <= len(piece))})
        for start, end in zip(cuts, [*cuts[1:], len(piece)], strict=True):
            if gate and sent + start == hold_at:
                yield gate
                gate = None
            if sent + start == fault.stop_at:
                return
            if end > start:
                yield piece[start:end]
        sent += len(piece)
    if gate and sent >= hold_at >= 0:
        yield gate
