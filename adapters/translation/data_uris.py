"""What a `data:` URI holds. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from adapters.wire.pieces import PIECE_BYTES, sliced

MAX_HEAD = 1024
ENCODED = 48 * 1024
"""Bytes that make whole characters of base64."""
MAX_FILLED = 64
"""Signs at the end that fill base64 up: two are enough, and more are none."""
_SIGNS = " \t\n\r\v\f\x1c\x1d\x1e\x1f-_"
"""Of base64 as not everybody reads it."""
_USUAL = re.compile(r"data:(?!image/jpg;)[a-z0-9.+/-]+;base64,")
_HEAD = re.compile(r"data:([\w.+/-]*)((?:;[\w.+-]+=[^;,]*)*)(;base64)?,", re.IGNORECASE)


class Data(NamedTuple):
    """A media type, and base64."""

    mime_type: str
    base64: str


def plain_base64(data: str) -> str:
    """Base64 as everybody reads it: in one line, filled up, of the usual alphabet."""
    if _is_plain(data, 0):
        return data
    pieces = ("".join(each.split()) for each in sliced(data))
    data = "".join([each.replace("-", "+").replace("_", "/") for each in pieces])
    end = data[-MAX_FILLED:]
    data = data[: len(data) - len(end) + len(end.rstrip("="))]
    return data + "=" * (-len(data) % 4)


def unquoted(data: str) -> bytes:
    """The bytes that a text means in which some are written as `%XX`.

    In steps, between two of them: all at once, each `%` would take a hundred bytes.
    """
    pieces, at = [], 0
    while at < len(data):
        end = at + PIECE_BYTES
        if end < len(data):
            cut = data.rfind("%", max(at + 1, end - 2), end)
            end = cut if cut > 0 else end
        pieces.append(unquote_to_bytes(data[at:end]))
        at = end
    return b"".join(pieces)


def base64_of(data: bytes) -> str:
    """Bytes as base64, in steps."""
    pieces = sliced(data, ENCODED)
    return "".join([base64.b64encode(piece).decode("ascii") for piece in pieces])


def is_base64(text: str) -> bool:
    """Whether it is base64 of the usual alphabet, in one line and filled up."""
    if 0 <= text.find("=") < len(text) - 2:
        return False
    try:
        for piece in sliced(text):
            binascii.a2b_base64(piece, strict_mode=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _is_plain(text: str, at: int) -> bool:
    """Whether it is plain base64 from `at` on: nothing of a large text is copied to know."""
    is_filled = (len(text) - at) % 4 == 0 and not text.endswith("===", at)
    return is_filled and text.isascii() and all(text.find(sign, at) < 0 for sign in _SIGNS)


def plain_image(url: str) -> str:
    """An address as it is, and a data URI without what not everybody reads in one."""
    usual = _USUAL.match(url, 0, MAX_HEAD)
    if usual and _is_plain(url, usual.end()):
        return url
    found = read_data_uri(url)
    return f"data:{found.mime_type};base64,{found.base64}" if found else url


def read_data_uri(uri: str) -> Data | None:
    """What it holds, whatever its encoding; None for any other address."""
    found = _HEAD.match(uri, 0, MAX_HEAD)
    if not found:
        return None
    data = uri[found.end() :]
    data = plain_base64(data) if found[3] else base64_of(unquoted(data))
    mime_type = found[1].lower().replace("image/jpg", "image/jpeg")
    return Data(mime_type or "text/plain", data)
