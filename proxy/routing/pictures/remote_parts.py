"""Where messages name pictures and files by URL, and what they are once these are there. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from posixpath import basename
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from adapters.base import Json
from adapters.contents import contents_of

MAX_NAME = 128
PDF = b"%PDF-"
_TEXT = re.compile(r"text/[\w.+-]+|application/(json|xml|yaml)")


class Remote(Struct, frozen=True):
    """A part that names its content by URL; `what` is it to people."""

    at: int
    place: int
    url: str
    is_file: bool

    @property
    def what(self) -> str:
        return "file" if self.is_file else "image"

    @property
    def key(self) -> str:
        """Of what is fetched: a picture is none of the files of the same address."""
        return f"file {self.url}" if self.is_file else self.url

    @property
    def param(self) -> str:
        name = "file.file_url" if self.is_file else "image_url.url"
        return f"messages[{self.at}].content[{self.place}].{name}"


def remote_parts(messages: Sequence[Json], *, images: bool) -> Iterator[Remote]:
    """The files by URL, and the `images` if they are to come as bytes as well."""
    media = contents_of(messages).media
    for at, place in media.get("file", ()):
        match messages[at]["content"][place]:
            case {"file": {"file_url": str(url)}}:
                yield Remote(at, place, url.strip(), True)
    for at, place in media.get("image_url", ()) if images else ():
        match messages[at]["content"][place]:
            case {"image_url": {"url": str(url)}}:
                url = url.strip()
                if url[:6].lower().startswith(("http:", "https:")):
                    yield Remote(at, place, url, False)


def replaced(
    messages: Sequence[Json], places: Sequence[Remote], fetched: Mapping[str, str]
) -> Sequence[Json]:
    """The messages with data URIs in the places of what was fetched."""
    return with_parts(
        messages,
        {
            (one.at, one.place): _fetched(
                messages[one.at]["content"][one.place], one, fetched[one.key]
            )
            for one in places
        },
    )


def with_parts(messages: Sequence[Json], parts: Mapping[tuple[int, int], Json]) -> list[Json]:
    """The messages with other parts in some places; those that are given stay as they are."""
    copy = list(messages)
    for at in {at for at, _ in parts}:
        copy[at] = {**messages[at], "content": list(messages[at]["content"])}
    for (at, place), part in parts.items():
        copy[at]["content"][place] = part
    return copy


def _fetched(part: Json, one: Remote, data: str) -> Json:
    if one.is_file:
        return {"type": "file", "file": _file(part["file"], one.url, data)}
    return {**part, "image_url": {**part["image_url"], "url": data}}


def _file(told: Json, url: str, data: str) -> Json:
    name = told.get("filename") or unquote(basename(urlsplit(url).path)) or "file"
    return {"file_data": data, "filename": name[:MAX_NAME]}


def kind_of_file(declared: str, data: bytes | bytearray) -> str | None:
    """A PDF by its first bytes, a text by what it says and holds; None for any other."""
    if data.startswith(PDF):
        return "application/pdf"
    if not _TEXT.fullmatch(declared) or 0 in data:
        return None
    try:
        data.decode()
    except UnicodeDecodeError:
        return None
    return declared
