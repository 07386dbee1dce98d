"""Between a connection's socket and its requests: when it is read, and how it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from proxy.errors import ApiError
from proxy.gate.body import new_request_id
from proxy.reply import Speller, refused

NOSNIFF = b"\r\nx-content-type-options: nosniff"
BOTH = b"\r\ncache-control: no-store" + NOSNIFF + b"\r\n"


def unkept(head: bytes) -> bytes:
    """The head of an answer, which is what it says it is, and nobody's to keep if it says no more.

    Told here, since each header that an application tells costs five calls. `find`, as `in` makes
    an exception first, up to Python 3.11, and lets go of it.
    """
    if head.find(b"\r\ncache-control:") < 0:
        head = head.replace(b"\r\n", BOTH, 1)
    elif head.find(NOSNIFF) < 0:
        head = head.replace(b"\r\n", NOSNIFF + b"\r\n", 1)
    return head


def refusal(speller: Speller, error: ApiError) -> bytes:
    """A whole response, where no application answers."""
    request_id = new_request_id()
    reply = refused(speller, error, request_id)
    headers = [*reply.head(), (b"x-request-id", request_id)]
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return unkept(b"%b%b\r\n" % (STATUS_LINE[reply.status], lines)) + reply.body


class _UntilClosed(int):
    """The length of what has none in HTTP/1.0, which knows no chunks: all fits, and nothing lacks.

    It is what uvicorn compares and counts down.
    """

    def __lt__(self, _other: object) -> bool:
        return False

    def __sub__(self, _other: object) -> _UntilClosed:
        return self

    def __ne__(self, _other: object) -> bool:
        return False

    __hash__ = int.__hash__


UNTIL_CLOSED = _UntilClosed()


class Flow(FlowControl):
    """Reads no more while `holds`, whoever asks for it."""

    holds = False

    def resume_reading(self) -> None:
        if self.read_paused and not self.holds:
            super().resume_reading()


class Wire:
    """The transport as an answer sees it: its head leaves together with what follows at once."""

    __slots__ = ("_hang_up", "_head", "_loop", "_transport", "begins", "is_closing")

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        hang_up: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._hang_up = hang_up
        self._head = b""
        self.begins = False
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif self.begins and not data.startswith(b"HTTP/1.1 100"):
            self.begins = False
            self._head = unkept(data)
            if data.find(b"\r\ncontent-length:") < 0:  # else what follows comes without fail
                self._loop.call_soon(self.flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        self.flush()
        self._hang_up()

    def flush(self) -> None:
        """Let the head go alone: nothing follows, or not so soon."""
        if self._head:
            head, self._head = self._head, b""
            if not self.is_closing():
                self._transport.write(head)
