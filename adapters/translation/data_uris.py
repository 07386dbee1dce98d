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


def read_data_uri(uri: str) -> Data | None:
    """What it holds, whatever its encoding; None for any other address."""
    found = _HEAD.match(uri, 0, MAX_HEAD)
    if not found:
        return None
    data = uri[found.end() :]
    if not found[3]:
        data = base64.b64encode(unquote_to_bytes(data)).decode("ascii")
    mime_type = found[1].lower().replace("image/jpg", "image/jpeg")
    return Data(mime_type or "text/plain", data)
