"""Of which kind a picture is, whatever its address says. Pure."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

HEAD_CHARS = 128
"""Of a picture's base64, enough to recognise its kind."""
_BEGINNINGS: Mapping[bytes, str] = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"II*\x00": "image/tiff",
    b"MM\x00*": "image/tiff",
    b"BM": "image/bmp",
}
_BRANDS: Mapping[bytes, str] = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "image/heic"),
    **dict.fromkeys((b"mif1", b"msf1", b"heif"), "image/heif"),
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
}


def sniffed(data: bytes | bytearray) -> str | None:
    """The media type that the first bytes show (WHATWG MIME Sniffing, "image type pattern")."""
    if data[:4] == b"RIFF" and data[8:14] == b"WEBPVP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(bytes(data[8:12]))
    return next((kind for begin, kind in _BEGINNINGS.items() if data.startswith(begin)), None)


def kind_of(url: str) -> str | None:
    """The media type of a picture in a data URI: by its bytes, else as it says; None elsewhere."""
    head, comma, data = url[:1024].partition(",")
    if head[:5].lower() != "data:" or not comma:
        return None
    said = head[5:].partition(";")[0].strip().lower()
    return sniffed(_begin(head, data[:HEAD_CHARS])) or said.replace("image/jpg", "image/jpeg")


def _begin(head: str, data: str) -> bytes:
    if not head.lower().endswith("base64"):
        return unquote_to_bytes(data)
    compact = "".join(data.split()).replace("-", "+").replace("_", "/")
    try:
        return b64decode(compact[: len(compact) // 4 * 4])
    except (binascii.Error, ValueError):
        return b""
