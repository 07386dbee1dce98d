"""OpenAI's content parts -> blocks of Converse. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.bedrock.names import refused, title
from adapters.errors import ErrorKind
from adapters.events import Json
from adapters.translation.content import TEXT_TYPES, file_data
from adapters.translation.data_uris import read_data_uri

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
TYPES = IMAGES.keys() | DOCUMENTS.keys()
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
        if not file.get("file_data"):
            raise refused("a file must come as file_data", f"{param}.file_id")
        if (data := file_data(file, TYPES)) is None:
            raise refused("this is no data URI", f"{param}.file_data", ErrorKind.BAD_REQUEST)
        if kind := IMAGES.get(data.mime_type):
            return {"image": {"format": kind, "source": {"bytes": data.base64}}}
        kind = DOCUMENTS.get(data.mime_type)
        if kind is None and data.mime_type.startswith(TEXT_TYPES):
            kind = "txt"
        if kind is None:
            raise refused("Bedrock takes PDF, Office files and text only", f"{param}.file_data")
        name, source = self._title(str(file.get("filename") or "")), {"bytes": data.base64}
        return {"document": {"format": kind, "name": name, "source": source}}

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
