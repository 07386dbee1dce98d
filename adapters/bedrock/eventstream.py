"""Bytes of `application/vnd.amazon.eventstream` -> messages, each checked first. No I/O.

A message is its length, that of its headers, a CRC of both, the headers, the payload, and a CRC of
all before. Source: smithy.io/2.0/aws/amazon-eventstream.html; the other bounds are AWS's SDK's.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from zlib import crc32

from msgspec import Struct

MAX_HEADER_BYTES = 128 * 1024
MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
"""A third of what AWS's SDK takes: a piece of an answer is far smaller."""
MAX_HEADERS = 256

_PRELUDE = struct.Struct("!III")
_CRC = struct.Struct("!I")
_OVERHEAD = _PRELUDE.size + _CRC.size
_STRING = 7
_BYTES = 6
_SIZES: Mapping[int, int] = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by its type: booleans, numbers, a time, a UUID."""


class BrokenStreamError(ValueError):
    """Bytes that are no message."""


class Message(Struct, frozen=True):
    """One message; of its headers only the texts, by their names."""

    headers: dict[str, str]
    payload: bytes


class MessageDecoder:
    """Messages from pieces of any size."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._awaited = _PRELUDE.size

    @property
    def is_between(self) -> bool:
        """Whether no message has begun that is not here whole."""
        return not self._rest

    def feed(self, data: bytes) -> list[Message]:
        self._rest += data
        if len(self._rest) < self._awaited:
            return []
        found: list[Message] = []
        whole = bytes(self._rest)
        at = 0
        while (size := _size(whole, at)) and at + size <= len(whole):
            found.append(_message(whole, at, size))
            at += size
        self._awaited = size or _PRELUDE.size
        del self._rest[:at]
        return found


def _size(data: bytes, at: int) -> int:
    """How long the message is that begins there; 0 where that cannot be told yet."""
    if len(data) < at + _PRELUDE.size:
        return 0
    total, headers, crc = _PRELUDE.unpack_from(data, at)
    if crc32(data[at : at + 8]) != crc:
        raise BrokenStreamError("the checksum of a message's start is wrong")
    payload = total - headers - _OVERHEAD
    if headers > MAX_HEADER_BYTES or not 0 <= payload <= MAX_PAYLOAD_BYTES:
        raise BrokenStreamError("a message is of no size that it could have")
    return int(total)


def _message(data: bytes, at: int, size: int) -> Message:
    end = at + size - _CRC.size
    if crc32(memoryview(data)[at:end]) != _CRC.unpack_from(data, end)[0]:
        raise BrokenStreamError("the checksum of a message is wrong")
    start = at + _PRELUDE.size
    headers_end = start + _PRELUDE.unpack_from(data, at)[1]
    try:
        headers = _headers(data[start:headers_end])
    except (struct.error, IndexError, KeyError, UnicodeDecodeError):
        raise BrokenStreamError("the headers of a message cannot be read") from None
    return Message(headers, data[headers_end:end])


def _headers(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    names: set[bytes] = set()
    at = 0
    while at < len(data):
        name_end = at + 1 + data[at]
        name = data[at + 1 : name_end]
        kind = data[name_end]
        at = name_end + 1
        if kind in (_STRING, _BYTES):
            (size,) = struct.unpack_from("!H", data, at)
            at += 2
        else:
            size = _SIZES[kind]
        if at + size > len(data) or name in names or len(names) == MAX_HEADERS:
            raise BrokenStreamError("the headers of a message cannot be read")
        names.add(name)
        if kind == _STRING:
            found[name.decode()] = data[at : at + size].decode()
        at += size
    return found
