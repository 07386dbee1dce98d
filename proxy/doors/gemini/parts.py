"""Gemini's parts -> content parts of a neutral message. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.base import Json
from proxy.doors.gemini.fields import data_bytes, field, member
from proxy.doors.reading.checks import json_object, string
from proxy.errors import bad_request

AUDIO: Mapping[str, str] = {
    **dict.fromkeys(("audio/wav", "audio/x-wav", "audio/wave"), "wav"),
    **dict.fromkeys(("audio/mp3", "audio/mpeg"), "mp3"),
    **{f"audio/{name}": name for name in ("aac", "aiff", "flac", "ogg")},
}
DETAILS: Mapping[str, str] = {
    "MEDIA_RESOLUTION_LOW": "low",
    "MEDIA_RESOLUTION_MEDIUM": "medium",
    "MEDIA_RESOLUTION_HIGH": "high",
    "MEDIA_RESOLUTION_ULTRA_HIGH": "original",
}


def content_part(part: Json, path: str) -> Json | None:
    """What a user's part says; None where that is nothing. Raises ApiError."""
    if (text := member(part, path, "text", string)) is not None:
        return {"type": "text", "text": text} if text else None
    if (blob := member(part, path, "inlineData", json_object)) is not None:
        return _inline(blob, f"{path}.inlineData", part)
    if (file := member(part, path, "fileData", json_object)) is not None:
        return _by_address(file, f"{path}.fileData", part)
    if text := fenced(part):
        return {"type": "text", "text": text}
    return None


def fenced(part: Json) -> str:
    """Code that a model has run, or what came of it, as text; empty for any other part."""
    match field(part, "executableCode"), field(part, "codeExecutionResult"):
        case {"code": str(code)} as made, _:
            return f"\n```{str(made.get('language') or '').lower()}\n{code.rstrip()}\n```\n"
        case _, {"output": str(output)}:
            return f"\n```\n{output.rstrip()}\n```\n"
    return ""


def _inline(blob: Json, path: str, part: Json) -> Json:
    mime_type = _mime_type(blob, path)
    data = member(blob, path, "data", data_bytes)
    if not mime_type or data is None:
        raise bad_request(f"'{path}' must have a mimeType and data.", param=path)
    name = member(blob, path, "displayName", string)
    return _medium(mime_type, data, name, part)


def _mime_type(blob: Json, path: str) -> str:
    """Without parameters, in lower case."""
    given: str = member(blob, path, "mimeType", string) or ""
    return given.partition(";")[0].strip().lower()


def _medium(mime_type: str, data: str, name: str | None, part: Json) -> Json:
    uri = f"data:{mime_type};base64,{data}"
    if mime_type.startswith("image/"):
        return _image(uri, part)
    if audio := AUDIO.get(mime_type):
        return {"type": "input_audio", "input_audio": {"data": data, "format": audio}}
    file = {"file_data": uri} | ({"filename": name} if name else {})
    return {"type": "file", "file": file}


def _image(url: str, part: Json) -> Json:
    image: Json = {"url": url}
    match field(part, "mediaResolution"):
        case {"level": str(level)} if level.upper() in DETAILS:
            image["detail"] = DETAILS[level.upper()]
    return {"type": "image_url", "image_url": image}


def _by_address(file: Json, path: str, part: Json) -> Json:
    """An image that anybody can fetch, or a file that only Google can."""
    uri = member(file, path, "fileUri", string)
    if not uri:
        raise bad_request(f"'{path}' must have a fileUri.", param=path)
    mime_type = _mime_type(file, path)
    if mime_type.startswith("image/") and uri.startswith(("http:", "https:")) and not _is_kept(uri):
        return _image(uri, part)
    return {"type": "file", "file": {"file_id": uri} | ({"format": mime_type} if mime_type else {})}


def _is_kept(uri: str) -> bool:
    """Whether it is a file that was uploaded to Google."""
    return "/files/" in uri and uri.partition("://")[2].partition("/")[0].endswith("googleapis.com")
