"""OpenAI's content parts -> blocks of Converse. Pure."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Mapping
from typing import Any

from adapters.base import ErrorKind, Json
from adapters.bedrock.names import refused, title
from adapters.translation.data_uris import Data, read_data_uri

IMAGES: Mapping[str, str] = {f"image/{kind}": kind for kind in ("png", "jpeg", "gif", "webp")}
DOCUMENTS: Mapping[str, str] = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/markdown": "md",
}
_TEXTS = ("text/", "application/json", "application/xml", "application/yaml")
AUDIO = frozenset({"mp3", "opus", "wav", "aac", "flac", "ogg", "m4a", "webm"})


class Blocks:
    """Reads the contents of one conversation, in which no two documents may have one name."""

    def __init__(self) -> None:
        self._titles: set[str] = set()

    def of(self, content: Any, message_at: int) -> list[Json]:
        """The blocks of a `content`, which may be a string, a list or None; none is blank."""
        if isinstance(content, str):
            return [{"text": content}] if content.strip() else []
        return [
            block
            for at, part in enumerate(content or ())
            if (block := self._block(part, f"messages[{message_at}].content[{at}]"))
        ]

    def _block(self, part: Json, param: str) -> Json | None:
        match part:
            case {"type": "text", "text": str(text)} | {"type": "refusal", "refusal": str(text)}:
                return {"text": text} if text.strip() else None
            case {"type": "image_url", "image_url": {"url": str(url)}}:
                return _image(url, f"{param}.image_url")
            case {"type": "input_audio", "input_audio": {"data": str(data)} as audio}:
                return _audio(data, audio.get("format"), f"{param}.input_audio")
            case {"type": "file", "file": dict(file)}:
                return self._file(file, f"{param}.file")
        raise refused("Bedrock takes no content of this type", f"{param}.type")

    def _file(self, file: Json, param: str) -> Json:
        name = str(file.get("filename") or "")
        data = _file_data(str(file.get("file_data") or ""), name, param)
        if kind := IMAGES.get(data.mime_type):
            return {"image": {"format": kind, "source": {"bytes": data.base64}}}
        kind = DOCUMENTS.get(data.mime_type)
        if kind is None and data.mime_type.startswith(_TEXTS):
            kind = "txt"
        if kind is None:
            raise refused("Bedrock takes PDF, Office files and text only", f"{param}.file_data")
        source = {"bytes": data.base64}
        return {"document": {"format": kind, "name": self._title(name), "source": source}}

    def _title(self, file_name: str) -> str:
        first = found = title(file_name)
        number = 1
        while found in self._titles:
            number += 1
            found = f"{first} ({number})"
        self._titles.add(found)
        return found


def _image(url: str, param: str) -> Json:
    data = read_data_uri(url)
    if data is None:
        raise refused("Bedrock wants an image as a data URI", param)
    if data.mime_type not in IMAGES:
        raise refused("Bedrock takes PNG, JPEG, GIF and WebP only", param)
    return {"image": {"format": IMAGES[data.mime_type], "source": {"bytes": data.base64}}}


def _audio(data: str, kind: Any, param: str) -> Json:
    if kind not in AUDIO:
        raise refused("Bedrock takes no audio of this format", f"{param}.format")
    return {"audio": {"format": kind, "source": {"bytes": data}}}


def _file_data(text: str, name: str, param: str) -> Data:
    """A data URI, or bare base64 whose type the file's name shows (PDF if it shows none)."""
    if not text:
        raise refused("a file must come as file_data", f"{param}.file_id")
    if found := read_data_uri(text):
        guess = mimetypes.guess_type(name, strict=False)[0]
        is_vague = found.mime_type in ("application/octet-stream", "text/plain")
        return Data(guess, found.base64) if is_vague and guess else found
    if text.startswith("data:"):
        raise refused("this is no data URI", f"{param}.file_data", ErrorKind.BAD_REQUEST)
    return Data(mimetypes.guess_type(name, strict=False)[0] or "application/pdf", text)


def texts(content: Any) -> Iterator[str]:
    """The texts of a `content` that are not blank; parts of other types are skipped."""
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    for part in content or ():
        text = part.get(part.get("type")) if part.get("type") in ("text", "refusal") else None
        if isinstance(text, str) and text.strip():
            yield text
