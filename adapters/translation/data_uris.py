"""What a `data:` URI holds. Pure."""

from __future__ import annotations

import base64
import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

MAX_HEAD = 1024
_HEAD = re.compile(r"data:([\w.+/-]*)((?:;[\w.+-]+=[^;,]*)*)(;base64)?,", re.IGNORECASE)


class Data(NamedTuple):
    """A media type, and base64."""

    mime_type: str
    base64: str


def plain_base64(data: str) -> str:
    """Base64 as everybody reads it: in one line, filled up, of the usual alphabet."""
    if not data.isascii() or not data.isalnum():
        data = "".join(data.split()).rstrip("=").replace("-", "+").replace("_", "/")
    return data + "=" * (-len(data) % 4)


def plain_image(url: str) -> str:
    """An address as it is, and a data URI without what not everybody reads in one."""
    found = read_data_uri(url)
    return f"data:{found.mime_type};base64,{found.base64}" if found else url


def read_data_uri(uri: str) -> Data | None:
    """What it holds, whatever its encoding; None for any other address."""
    found = _HEAD.match(uri, 0, MAX_HEAD)
    if not found:
        return None
    data = uri[found.end() :]
    if found[3]:
        data = plain_base64(data)
    else:
        data = base64.b64encode(unquote_to_bytes(data)).decode("ascii")
    mime_type = found[1].lower().replace("image/jpg", "image/jpeg")
    return Data(mime_type or "text/plain", data)
