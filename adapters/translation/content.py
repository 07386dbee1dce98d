"""Texts and files in the content of a message, as several kinds of providers read them. Pure."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Container, Iterator
from typing import Any

from adapters.events import Json
from adapters.translation.data_uris import Data, read_data_uri

TEXT_TYPES = (
    *("text/", "application/json", "application/xml", "application/yaml"),
    "application/x-yaml",
)
"""What media types of texts begin with."""


def texts(content: Any) -> Iterator[str]:
    """The texts of a `content`, which may be a string, a list of parts, or nothing."""
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    for part in content or ():
        if part.get("type") in ("text", "refusal") and (text := part.get(part["type"])):
            yield text


def file_data(file: Json, finer: Container[str] = ()) -> Data | None:
    """A file's data URI, or bare base64; None where it is neither.

    What the URI does not tell of its type, the file's name may; bare base64 is else a PDF. What is
    said to be plain text stays that, but for types in `finer`: names of source code mislead.
    """
    text = str(file.get("file_data") or "")
    guess = mimetypes.guess_type(str(file.get("filename") or ""), strict=False)[0]
    if not text.startswith("data:"):
        return Data(guess or "application/pdf", text) if text else None
    found = read_data_uri(text)
    if found is None or guess is None:
        return found
    is_finer = found.mime_type == "text/plain" and guess in finer
    is_vague = is_finer or found.mime_type == "application/octet-stream"
    return Data(guess, found.base64) if is_vague else found


def text_file(file: Json) -> str | None:
    """A text file as text, under its name; None for any other. Raises ValueError for no UTF-8."""
    found = read_data_uri(str(file.get("file_data") or ""))
    if found is None or not found.mime_type.startswith(TEXT_TYPES):
        return None
    text = base64.b64decode(found.base64, validate=True).decode("utf-8-sig")
    name = file.get("filename")
    return f"{name}:\n{text}" if isinstance(name, str) and name else text
