"""OpenAI's content parts -> Gemini's parts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from adapters.errors import ErrorKind
from adapters.events import Json
from adapters.gemini.errors import refused
from adapters.gemini.names import version
from adapters.translation.content import file_data
from adapters.translation.data_uris import read_data_uri

AUDIO_TYPES: Mapping[str, str] = {
    "wav": "audio/wav",
    "mp3": "audio/mp3",
    "aac": "audio/aac",
    "aiff": "audio/aiff",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
}
RESOLUTIONS: Mapping[str, str] = {
    "low": "MEDIA_RESOLUTION_LOW",
    "medium": "MEDIA_RESOLUTION_MEDIUM",
    "high": "MEDIA_RESOLUTION_HIGH",
    "original": "MEDIA_RESOLUTION_HIGH",
}
FILE_TYPES = re.compile(r"application/(pdf|json|xml)|(text|image|audio|video)/[\w.+-]+")
UPLOADED_FILE = re.compile(r"(?:https://generativelanguage\.googleapis\.com/[\w]+/)?(files/[\w-]+)")


class PartsTranslator:
    """Reads the `content` of messages; `warnings` collects the words for what got lost."""

    def __init__(self, model: str, api_version: str, warnings: list[str]) -> None:
        self._takes_resolution = (version(model) or (0, 0)) >= (3, 0)
        self._api_version = api_version
        self._warnings = warnings

    def parts(self, content: Any, message_at: int) -> list[Json]:
        """Gemini's parts of a `content`, which may be a string, a list or None; none is empty."""
        if isinstance(content, str):
            return [{"text": content}] if content else []
        return [
            part
            for at, piece in enumerate(content or ())
            if (part := self._part(piece, f"messages[{message_at}].content[{at}]"))
        ]

    def _part(self, piece: Json, param: str) -> Json | None:
        kind = piece.get("type")
        match kind:
            case "text" | "refusal":
                return {"text": text} if (text := piece.get(kind)) else None
            case "image_url":
                return self._image(piece["image_url"], f"{param}.image_url")
            case "input_audio":
                return _audio(piece["input_audio"], f"{param}.input_audio")
            case "file":
                return self._file(piece["file"], f"{param}.file")
            case _:
                raise refused(
                    "Gemini takes no content of this type",
                    f"{param}.type",
                    ErrorKind.UNSUPPORTED,
                )

    def _image(self, image: Any, param: str) -> Json:
        image = {"url": image} if isinstance(image, str) else image
        part: Json = {"inlineData": inline_data(image["url"], param)}
        detail = image.get("detail")
        if detail in RESOLUTIONS and self._takes_resolution:
            part["mediaResolution"] = {"level": RESOLUTIONS[detail]}
        elif detail in RESOLUTIONS:
            self._warnings.append("dropped=image_url.detail")
        return part

    def _file(self, file: Json, param: str) -> Json:
        if file.get("file_data"):
            return {"inlineData": _file_data(file, param)}
        given = str(file.get("file_id") or "")
        found = UPLOADED_FILE.fullmatch(given)
        kind = {"mimeType": file["format"]} if file.get("format") else {}
        if found is None and given.startswith(("https://", "http://")):  # YouTube's, or anybody's
            return {"fileData": {"fileUri": given, **kind}}
        if not found:
            raise refused(
                "a file must come as file_data, or be uploaded to Gemini (files/…)",
                f"{param}.file_id",
                ErrorKind.UNSUPPORTED,
            )
        host = "https://generativelanguage.googleapis.com"
        return {"fileData": {"fileUri": f"{host}/{self._api_version}/{found[1]}", **kind}}


def inline_data(uri: str, param: str) -> Json:
    """`inlineData` of a data URI, whatever its encoding."""
    found = read_data_uri(uri)
    if not found:
        raise refused("Gemini wants an image as a data URI", param, ErrorKind.UNSUPPORTED)
    return {"mimeType": found.mime_type, "data": found.base64}


def _audio(audio: Json, param: str) -> Json:
    name = str(audio.get("format") or "").lower()
    if name not in AUDIO_TYPES:
        raise refused("Gemini takes no audio of this format", f"{param}.format")
    return {"inlineData": {"mimeType": AUDIO_TYPES[name], "data": audio["data"]}}


def _file_data(file: Json, param: str) -> Json:
    data = file_data(file)
    if data is None or not FILE_TYPES.fullmatch(data.mime_type):
        raise refused(
            "Gemini takes PDF, text, images, audio and video only",
            f"{param}.file_data",
            ErrorKind.UNSUPPORTED,
        )
    return {"mimeType": data.mime_type, "data": data.base64}
