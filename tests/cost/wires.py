"""The server's sockets, played in memory: what is written on one side is read on the other.

Nothing waits for a selector, so a request takes the same turns of the loop every time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

import orjson

from proxy.upstream.connection import Connection, Origin
from tests.faults.dialects import Dialect

ASKS = (b"chat", b"enerateContent")
"""What the paths of calls for an answer hold; the rest asks for models."""


class Wire(asyncio.Transport):
    """The socket beneath a protocol; `on_write` gets what it writes."""

    def __init__(self, protocol: asyncio.Protocol, on_write: Callable[[bytes], None]) -> None:
        super().__init__()
        self._protocol = protocol
        self._on_write = on_write
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._on_write(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self._on_write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """Nothing comes unasked."""

    def resume_reading(self) -> None:
        """Nothing was held back."""


class Provider:
    """A provider in memory, for the transport to dial.

    `pieces` are what it answers the next call with: the first at once, each further one when
    `go_on` is called.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.pieces: deque[bytes] = deque()
        self._asking: Connection

    async def dial(self, _origin: Origin, connection: Connection) -> None:
        """In place of `proxy.upstream.dial.Dialer`'s."""
        received = b""

        def take(data: bytes) -> None:
            nonlocal received
            received += data
            if _is_complete(received):
                path, received = received.split(b" ", 2)[1], b""
                self._answer(path, connection)

        connection.connection_made(Wire(connection, take))

    def go_on(self) -> None:
        """Send the next piece, if there is one, in the loop's next turn."""
        if self.pieces:
            _send(self._asking, self.pieces.popleft())

    def _answer(self, path: bytes, connection: Connection) -> None:
        if any(part in path for part in ASKS):
            self._asking = connection
            self.go_on()
        else:
            _send(connection, whole(self.dialect.lists))


def _send(connection: Connection, data: bytes) -> None:
    asyncio.get_running_loop().call_soon(connection.data_received, data)


def whole(body: object) -> bytes:
    """An answer in one piece."""
    data = orjson.dumps(body)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(data) + data


def streamed(dialect: Dialect, words: int) -> list[bytes]:
    """A streamed answer of so many words, each of which is a read of its own."""
    parts = dialect.streamed(["word "] * words)
    kind = dialect.stream_type.encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n" % kind
    first, *more = parts.words
    return [
        head + _chunk(parts.opening) + _chunk(first),
        *map(_chunk, more),
        _chunk(parts.ending) + b"0\r\n\r\n",
    ]


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _is_complete(request: bytes) -> bool:
    head, blank, body = request.partition(b"\r\n\r\n")
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    length = int(rest.partition(b"\r\n")[0]) if found else 0
    return bool(blank) and len(body) >= length
