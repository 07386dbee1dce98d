"""Messages of `application/vnd.amazon.eventstream`, written by their specification."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any


def event(value: Any) -> bytes:
    """One event as a message; `value` names its kind."""
    named = value if isinstance(value, dict) and len(value) == 1 else {"unknown": value}
    [(kind, body)] = named.items()
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return message(headers, json.dumps(body, ensure_ascii=False).encode())


def thrown(name: str, text: str) -> bytes:
    """An exception inside a stream."""
    headers = {
        ":exception-type": name,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return message(headers, json.dumps({"message": text}).encode())


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    return framed(b"".join(header(name, value) for name, value in headers.items()), payload)


def header(name: str, value: str) -> bytes:
    text, key = value.encode(), name.encode()
    return bytes([len(key)]) + key + b"\x07" + struct.pack("!H", len(text)) + text


def framed(headers: bytes, payload: bytes) -> bytes:
    """The lengths, the CRC of them, what is in it, and the CRC of all that."""
    body = begin(16 + len(headers) + len(payload), len(headers)) + headers + payload
    return body + struct.pack("!I", zlib.crc32(body))


def begin(total: int, headers: int) -> bytes:
    """What a message begins with; its CRC is right, whatever the lengths say."""
    lengths = struct.pack("!II", total, headers)
    return lengths + struct.pack("!I", zlib.crc32(lengths))
