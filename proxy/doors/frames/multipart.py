"""Forms with a file in them (RFC 7578), read strictly. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from proxy.errors import ApiError, bad_request

SLICE_BYTES = 1024 * 1024
MAX_PARTS = 64
MAX_HEAD_BYTES = 4096
MAX_FIELD_BYTES = 256 * 1024
MAX_NAME = 255
_BOUNDARY = re.compile(rb'boundary=(?:"([^"\r\n]{1,70})"|([^\s";,]{1,70}))', re.IGNORECASE)
_PARAM = re.compile(r';\s*(name|filename)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_BARE = re.compile(r";\s*(name|filename)=([^\s\";]+)", re.IGNORECASE)


class File(Struct, frozen=True):
    """A file of a form. `data` is a part of the body, and no copy of it."""

    name: str
    mime_type: str
    data: memoryview


class Form(Struct, frozen=True):
    """Fields in their order, which may come more than once, and files by the names of theirs.

    Those of a list (`name[]`) are numbered.
    """

    fields: Sequence[tuple[str, str]]
    files: Mapping[str, File]

    def all(self, name: str) -> list[str]:
        """The values of a field, also of one that is written as a list (`name[]`)."""
        return [value for key, value in self.fields if key in (name, f"{name}[]")]


def parse_form(content_type: bytes, body: bytes | bytearray) -> Form:
    """The form in `body`. Raises ApiError 400."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise _bad("the content type names no boundary")
    fields: list[tuple[str, str]] = []
    files: dict[str, File] = {}
    for head, data in _parts(b"--" + (found[1] or found[2]), body):
        name, file_name, mime_type = _described(head)
        if file_name is None:
            fields.append((name, _text(name, data)))
        elif name in files:
            raise _bad(f"there are two files '{name}'", name)
        else:
            if name.endswith("[]"):
                name = f"{name[:-2]}[{len(files)}]"
            files[name] = File(_checked(name, file_name), mime_type, data)
    return Form(fields, files)


def _parts(mark: bytes, body: bytes | bytearray) -> Iterator[tuple[bytes, memoryview]]:
    at = 0 if body.startswith(mark) else _found(body, b"\r\n" + mark, 0) + 2
    if at == 1:
        raise _bad("its boundary is not in it")
    view = memoryview(body)
    count = 0
    while True:
        at += len(mark)
        if body.startswith(b"--", at):
            return
        if not body.startswith(b"\r\n", at):
            raise _bad("a boundary does not end its line")
        count += 1
        if count > MAX_PARTS:
            raise _bad(f"it has more than {MAX_PARTS} parts")
        begin = body.find(b"\r\n\r\n", at, at + MAX_HEAD_BYTES)
        if begin < 0:
            raise _bad("a part's head is too long, or has no end")
        end = _found(body, b"\r\n" + mark, begin + 2)
        if end < 0:
            raise _bad("its last part has no end")
        yield bytes(body[at:begin]), view[begin + 4 : max(end, begin + 4)]
        at = end + 2


def _found(body: bytes | bytearray, mark: bytes, at: int) -> int:
    """Where a mark is from `at` on, or -1; a large file is looked through in steps."""
    for begin in range(at, len(body), SLICE_BYTES):
        if (found := body.find(mark, begin, begin + SLICE_BYTES + len(mark) - 1)) >= 0:
            return found
    return -1


def _described(head: bytes) -> tuple[str, str | None, str]:
    """What a part's head says: the field's name, the file's (None for no file), its type."""
    try:
        lines = head.decode().strip().split("\r\n")
    except UnicodeDecodeError:
        raise _bad("a part's head is no UTF-8") from None
    told = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name.strip().lower() in told:
            raise _bad("a part's head is no list of headers")
        told[name.strip().lower()] = value.strip()
    disposition = told.get("content-disposition", "")
    found = dict(_BARE.findall(disposition)) | dict(_PARAM.findall(disposition))
    params = {name.lower(): re.sub(r"\\(.)", r"\1", value) for name, value in found.items()}
    if not disposition.lower().startswith("form-data") or not params.get("name"):
        raise _bad("a part is no field with a name")
    if len(params["name"]) > MAX_NAME:
        raise _bad("a field's name is too long")
    mime_type = told.get("content-type", "application/octet-stream")
    if mime_type.lower().startswith("multipart/"):
        raise _bad("there is a form within it", params["name"])
    return params["name"], params.get("filename"), mime_type.partition(";")[0].strip().lower()


def _checked(param: str, name: str) -> str:
    """A file's name: of a path, which some clients send, its last part (RFC 7578, 4.2)."""
    last = re.split(r"[/\\]", name)[-1]
    if len(name) > MAX_NAME or not name.isprintable() or not last.strip("."):
        raise _bad("the file's name is not one that a file can have", param)
    return last


def _text(name: str, data: memoryview) -> str:
    if len(data) > MAX_FIELD_BYTES:
        raise _bad(f"the field '{name}' is too long", name)
    try:
        return bytes(data).decode()
    except UnicodeDecodeError:
        raise _bad(f"the field '{name}' is no UTF-8", name) from None


def _bad(why: str, param: str | None = None) -> ApiError:
    return bad_request(f"The form cannot be read: {why}.", param=param, code="invalid_form")
