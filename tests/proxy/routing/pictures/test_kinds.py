"""The kind of a picture is told by its bytes."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

from proxy.routing.pictures.kinds import kind_of, sniffed

BEGINNINGS = {
    "image/png": b"\x89PNG\r\n\x1a\n\0\0",
    "image/jpeg": b"\xff\xd8\xff\xe0\0\x10",
    "image/gif": b"GIF89a\1\0",
    "image/webp": b"RIFF\x1a\0\0\0WEBPVP8L",
    "image/bmp": b"BM\x1a\0\0\0",
    "image/tiff": b"II*\0\x08\0",
    "image/heic": b"\0\0\0\x18ftypheic\0\0",
    "image/heif": b"\0\0\0\x18ftypmif1\0\0",
    "image/avif": b"\0\0\0\x18ftypavif\0\0",
}


def test_the_bytes_tell_it_whatever_is_declared() -> None:
    for kind, data in BEGINNINGS.items():
        data += bytes(range(256))
        texts = [encode(data).decode() for encode in (b64encode, urlsafe_b64encode)]
        lines = "\n".join(texts[0][at : at + 8] for at in range(0, len(texts[0]), 8))
        for text in (*texts, texts[0].rstrip("="), lines):
            assert kind_of(f"data:image/x-other;base64,{text}") == kind
        assert kind_of(f"DATA:,{quote(data)}") == kind
        assert sniffed(data) == kind


def test_what_bytes_do_not_tell_is_as_declared() -> None:
    told = {
        "data:image/svg+xml,<svg/>": "image/svg+xml",
        "data:image/JPG;base64,AAAA": "image/jpeg",
        "data:image/png;base64,no base64?": "image/png",
        "https://pictures.example/a.gif": None,
        "data:image/gif": None,
    }
    assert {url: kind_of(url) for url in told} == told
