"""Bytes -> server-sent events, or lines of NDJSON, each up to a length. No I/O; reads no JSON.

Both split at the ASCII line ends only: U+2028, U+2029 and U+0085 may stand raw inside a JSON
string, and a reader that takes them for line ends (`aiter_lines` of httpx) breaks the object.
"""

from __future__ import annotations

from msgspec import Struct

from adapters.wire.json_size import (
    MAX_ANSWER_CONTAINERS,
    MAX_ANSWER_ITEMS,
    Values,
    has_too_many_values,
)
from adapters.wire.reading import MAX_ANSWER_BYTES

MAX_LINE_BYTES = 4 * 1024 * 1024
MAX_LINE_VALUES = 20_000
"""Objects and lists in a line, or the data of an event; a seventh of a whole answer's."""


class LineTooLongError(ValueError):
    """More bytes, or values, than a line, an event or an answer without any may hold."""


_MARK = b"\xef\xbb\xbf"
_BLANK_LINES = (b"\n\n", b"\n\r", b"\r\r")
"""Behind the end of a line, another one: whichever of LF, CRLF and CR a stream is written with."""


class ServerSentEvent(Struct, frozen=True):
    """One event of the stream; `event` is empty where the stream gives no name."""

    data: bytes
    event: bytes = b""


class SseDecoder:
    """Server-sent events from pieces of any size (WHATWG HTML, "Server-sent events").

    Takes LF, CRLF and CR as line ends, joins several `data` lines with LF, unless each is JSON of
    its own, skips comments and fields it has no use for. An event without data is no event.

    Where bare JSON comes in their place, as errors do, `is_bare` says so, and `rest` is all of it.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._started = False
        self.is_bare = False

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        # What nearly every read of a stream is, one event of one line, is spared the rest.
        if self._started and not self._rest and data.startswith(b"data: "):
            # `find`, as `in` and `count` take ten times as long for one byte.
            end, cr = data.find(b"\n"), data.find(b"\r")
            if cr < 0 and data[end:] == b"\n\n":
                return [ServerSentEvent(data[6:end])]
            if cr == end - 1 and data[end:] == b"\n\r\n":
                return [ServerSentEvent(data[6:cr])]
        if self.is_bare:
            return self._kept(data)
        if self._rest:
            # Only what is new, and where it joins, is searched: each byte is read once or twice.
            joint = bytes(self._rest[-2:]) + data
            self._rest += data
            if self._started and not any(end in joint for end in _BLANK_LINES):
                return self._waiting()
            data = bytes(self._rest)
            self._rest.clear()
        if not self._started and not (data := self._begun(data)):
            return []
        held = b""
        if b"\r" in data:
            if data.endswith(b"\r"):  # the LF of a CRLF may still be on its way
                data, held = data[:-1], b"\r"
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        blocks = data.split(b"\n\n")
        self._rest += blocks.pop() + held
        self._waiting()
        _check_values(data, blocks)
        return [event for block in blocks if block for event in _events(block)]

    def _waiting(self) -> list[ServerSentEvent]:
        if len(self._rest) > MAX_LINE_BYTES:
            raise LineTooLongError
        return []

    def _begun(self, data: bytes) -> bytes:
        """What begins a stream, without the byte order mark; nothing as long as that is all."""
        if len(data) < 3 and _MARK.startswith(data):  # it may itself arrive in pieces
            self._rest += data
            return b""
        data = data.removeprefix(_MARK)
        begin = data.lstrip()
        self._started = begin != b""
        self.is_bare = begin.startswith((b"{", b"["))
        if self.is_bare:
            self._values = Values()
            self._kept(begin)
        return b"" if self.is_bare or not begin else data

    def _kept(self, data: bytes) -> list[ServerSentEvent]:
        self._rest += data
        self._values.feed(data)
        is_too_much = self._values.are_more_than(MAX_ANSWER_CONTAINERS, MAX_ANSWER_ITEMS)
        if is_too_much or len(self._rest) > MAX_ANSWER_BYTES:
            self._rest.clear()
            raise LineTooLongError
        return []

    def rest(self) -> bytearray:
        """What has come so far and is no event yet; it is let go."""
        rest, self._rest = self._rest, bytearray()
        return rest

    def end(self) -> list[ServerSentEvent]:
        """What is left when the bytes end: an event whose blank line never came, if any."""
        rest = bytes(self._rest).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._rest.clear()
        _check_values(rest, [rest])
        return _events(rest)


def are_events(body: bytes | bytearray) -> bool:
    """Whether an answer in one piece is a stream's events, which some servers call JSON."""
    return body[:1024].lstrip().startswith((b"data:", b"event:", b":"))


def _check_values(data: bytes, lines: list[bytes]) -> None:
    """Raises LineTooLongError for a line that would take far more memory once it is read."""
    if len(data) <= MAX_LINE_VALUES:
        return
    if any(has_too_many_values(line, most=MAX_LINE_VALUES) for line in lines):
        raise LineTooLongError


def _events(block: bytes) -> list[ServerSentEvent]:
    """What stands between two blank lines: one event, unless a server writes none of those."""
    if b"\n" not in block:
        return [ServerSentEvent(_value(block, 5))] if block.startswith(b"data:") else []
    data: list[bytes] = []
    name = b""
    for line in block.split(b"\n"):
        if line.startswith(b"data:"):
            data.append(_value(line, 5))
        elif line.startswith(b"event:"):
            name = _value(line, 6)
    if data[1:] and all(line.startswith((b"{", b"[DONE]")) and line[-1:] in b"}]" for line in data):
        return [ServerSentEvent(line, name) for line in data]
    return [ServerSentEvent(b"\n".join(data), name)] if data else []


def _value(line: bytes, start: int) -> bytes:
    return line[start + 1 :] if line[start : start + 1] == b" " else line[start:]


class NdjsonDecoder:
    """Lines of newline-delimited JSON from pieces of any size; empty lines are skipped."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._started = False

    def feed(self, data: bytes) -> list[bytes]:
        if not self._started:
            data = data.removeprefix(_MARK)
            self._started = True
        # What nearly every read of a stream is, one line, is spared the rest.
        end = data.find(b"\n")
        if not self._rest and 0 < end == len(data) - 1 and not data.isspace():
            return [data[:-1]]
        if end < 0:
            lines, rest = [], data
        else:
            data = bytes(self._rest) + data if self._rest else data
            *lines, rest = data.split(b"\n")
            self._rest.clear()
        self._rest += rest
        if len(self._rest) > MAX_LINE_BYTES:
            raise LineTooLongError
        _check_values(data, lines)
        return [line for line in lines if line and not line.isspace()]

    def end(self) -> list[bytes]:
        """The last line, if the bytes ended without an LF."""
        rest = bytes(self._rest)
        self._rest.clear()
        _check_values(rest, [rest])
        return [rest] if rest.strip() else []
