"""OpenAI's edits of pictures: some in a form, and words that say what becomes of them."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator

from msgspec.structs import replace

from adapters.base import Json
from proxy.doors.door import Asked, Call
from proxy.doors.frames.multipart import Form
from proxy.doors.images import ImagesDoor
from proxy.doors.images.read import parse_request
from proxy.doors.openai import form_of
from proxy.errors import bad_request
from proxy.routing.pictures.kinds import sniffed

MAX_SOURCES = 16
MAX_SOURCE_BYTES = 20 * 1024 * 1024
HEAD_BYTES = 64
_NAME = re.compile(r"image(\[\d+\])?", re.ASCII)


class EditsDoor(ImagesDoor):
    """POST /v1/images/edits."""

    name = "edits"

    def read(self, call: Call) -> Asked:
        form = form_of(call)
        asked = parse_request(fields_of(form))
        sources = tuple(sources_of(form))
        request = replace(asked.request, sources=sources)
        return Asked(request, beyond=sum(map(len, sources)))


def fields_of(form: Form) -> Json:
    """What is no picture, as JSON has it. Raises ApiError."""
    fields: Json = {}
    for name, text in form.fields:
        if name in fields:
            raise bad_request(f"'{name[:64]}' must come once.", param=name, code="invalid_value")
        fields[name] = text
    if str(n := fields.get("n")).isdecimal() and len(str(n)) < 5:
        fields["n"] = int(str(n))
    if (stream := fields.get("stream")) in ("true", "false"):
        fields["stream"] = stream == "true"
    return fields


def sources_of(form: Form) -> Iterator[str]:
    """The pictures as data URIs. Raises ApiError."""
    if len(form.files) > MAX_SOURCES:
        raise bad_request(f"'image' may hold at most {MAX_SOURCES} pictures.", param="image")
    if not any(map(_NAME.fullmatch, form.files)):
        raise bad_request("You must provide an image.", param="image")
    for name, file in form.files.items():
        if not _NAME.fullmatch(name):
            raise bad_request(
                f"'{name[:64]}' cannot be used here: say in the prompt what is to change.",
                param=name[:64],
                code="unsupported_parameter",
            )
        kind = sniffed(bytes(file.data[:HEAD_BYTES]))
        if kind is None or not kind.startswith("image/"):
            raise bad_request(f"'{name}' is no picture of a kind that is known.", param=name)
        if len(file.data) > MAX_SOURCE_BYTES:
            raise bad_request(f"'{name}' is larger than {MAX_SOURCE_BYTES} bytes.", param=name)
        yield f"data:{kind};base64,{b64encode(file.data).decode('ascii')}"
