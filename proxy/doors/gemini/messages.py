"""Gemini's `contents` -> neutral messages: turns, calls, and their results by id, name or place.

Clients drop the ids of calls, and some send each chunk of a stream back as a content of its own.
Pure.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct, field as new

from adapters.base import Json
from adapters.wire.writing import dumps_text
from proxy.doors.gemini.fields import STANDARD, camel, field, member
from proxy.doors.gemini.parts import content_part, fenced
from proxy.doors.reading.checks import json_object, out_of_range, string, wrong_type
from proxy.doors.reading.pairing import OpenCalls
from proxy.errors import bad_request

MAX_CONTENTS = 10_000
SKIP_SIGNATURE = "skip_thought_signature_validator"
MODEL = "model"
USERS = (None, "", "user", "function", "tool")
"""Who else speaks. Results of functions once had roles of their own."""


class _Said(Struct):
    """What a model has said in one turn, so far. `natives` are its parts as they came.

    `is_plain` is False where other providers could not be told all of it.
    """

    calls: list[Json] = new(default_factory=list)
    ids: set[str] = new(default_factory=set)
    texts: list[str] = new(default_factory=list)
    thoughts: list[str] = new(default_factory=list)
    natives: list[Json] = new(default_factory=list)
    is_plain: bool = True


class Conversation:
    """Takes contents, one after the other. `lost` are the kinds of parts that only Google reads."""

    def __init__(self) -> None:
        self.lost: dict[str, bool] = {}
        self._messages: list[Json] = []
        self._said: _Said | None = None
        self._open = OpenCalls()
        self._names: dict[str, str] = {}

    def messages(self) -> list[Json]:
        self._close()
        return self._messages

    def system(self, instruction: Any, path: str) -> None:
        """What the model is told before anything else: a text, a part, or a content."""
        if isinstance(instruction, str):
            instruction = {"parts": [{"text": instruction}]}
        if isinstance(instruction, list):
            instruction = {"parts": instruction}
        given = json_object(path, instruction)
        parts = as_parts(given if "parts" in given else {"parts": [given]}, path)
        texts = [text for i, part in enumerate(parts)
                 if (text := member(part, f"{path}.parts[{i}]", "text", string))]  # fmt: skip
        if texts:
            self._messages.append({"role": "system", "content": _content(texts)})

    def add(self, contents: Any, path: str = "contents") -> None:
        """The turns. Raises ApiError."""
        if isinstance(contents, dict | str):
            contents = [contents]
        if not isinstance(contents, list):
            raise wrong_type(path, "a list of contents")
        if len(contents) > MAX_CONTENTS:
            raise out_of_range(path, f"a list of at most {MAX_CONTENTS} contents")
        for at, content in enumerate(contents):
            if (text := _plain(content)) is not None:
                self._add_plain(content.get("role"), text)
                continue
            if isinstance(content, str):
                content = {"parts": [{"text": content}]}
            self._add(json_object(f"{path}[{at}]", content), at, f"{path}[{at}]")

    def _add_plain(self, role: str, text: str) -> None:
        """One text of either side, as nearly all are."""
        if role != MODEL:
            self._close()
            self._messages.append({"role": "user", "content": text})
            return
        said = self._saying()
        said.texts.append(text)
        said.natives.append({"text": text})
        said.is_plain = said.is_plain and not said.calls

    def _saying(self) -> _Said:
        if self._said is None:
            self._said = _Said()
            self._open.asked()
        return self._said

    def _add(self, content: Json, at: int, path: str) -> None:
        role, parts = content.get("role"), as_parts(content, path)
        if role == MODEL:
            said = self._saying()
            for i, part in enumerate(parts):
                self._say(said, part, at, f"{path}.parts[{i}]")
            return
        if role not in USERS:
            raise bad_request(f"Please use a valid role: user, {MODEL}.", param=f"{path}.role")
        self._close()
        told: list[Json] = []
        for i, part in enumerate(parts):
            where = f"{path}.parts[{i}]"
            if (response := member(part, where, "functionResponse", json_object)) is not None:
                self._result(response, f"{where}.functionResponse")
            elif (one := content_part(part, where)) is not None:
                told.append(one)
        if told:
            is_text = len(told) == 1 and told[0]["type"] == "text"
            self._messages.append({"role": "user", "content": told[0]["text"] if is_text else told})

    # -- what the model said --------------------------------------------------------------------

    def _say(self, said: _Said, part: Json, at: int, path: str) -> None:
        if (called := member(part, path, "functionCall", json_object)) is not None:
            self._call(said, called, part, at, f"{path}.functionCall")
            return
        signature = _signature(part, path)
        text = member(part, path, "text", string) or ""
        is_medium = field(part, "inlineData") is not None or field(part, "fileData") is not None
        if text and part.get("thought") is True:
            said.thoughts.append(text)
            text = ""
        elif text:
            said.texts.append(text)
            if said.calls:
                said.is_plain = False  # where it stood is lost to others
        elif text := fenced(part):
            said.texts.append(text)
            said.is_plain = False
        elif is_medium:
            self._note(said, part, path)
        if text or signature or is_medium:
            said.natives.append(_native(part, signature))
            said.is_plain = said.is_plain and signature is None

    def _note(self, said: _Said, part: Json, path: str) -> None:
        """A picture that a model has made: others are told that there was one."""
        kind = "inlineData" if field(part, "inlineData") is not None else "fileData"
        content_part(part, path)  # which checks it
        self.lost[f"contents.{kind}"] = True
        said.texts.append(f"[{field(field(part, kind), 'mimeType') or kind}]")
        said.is_plain = False

    def _call(self, said: _Said, called: Json, part: Json, at: int, path: str) -> None:
        name = member(called, path, "name", string)
        if not name:
            raise bad_request(f"'{path}' must have a name.", param=f"{path}.name")
        args = member(called, path, "args", json_object) or {}
        given = member(called, path, "id", string)
        call_id = given if given and given not in said.ids else f"call_{at}_{len(said.ids)}"
        entry: Json = {
            "id": call_id,
            "type": "function",
            "function": {"name": name, "arguments": dumps_text(args)},
        }
        if signature := _signature(part, path):
            entry["extra_content"] = {"google": {"thought_signature": signature}}
        said.calls.append(entry)
        said.ids.add(call_id)
        said.natives.append({"functionCall": {}})
        self._names[self._open.called(name, call_id)] = name

    def _close(self) -> None:
        """The model's turn is over, and becomes a message if anything was said in it."""
        said, self._said = self._said, None
        if said is None:
            return
        text = "".join(said.texts)
        if not (text or said.calls or said.thoughts or not said.is_plain):
            return
        message: Json = {"role": "assistant", "content": text or None}
        if said.calls:
            message["tool_calls"] = said.calls
        if thoughts := "".join(said.thoughts):
            message["reasoning"] = thoughts
        if not said.is_plain:
            message["extra_content"] = {"google": {"parts": said.natives}}
        self._messages.append(message)

    # -- what functions gave --------------------------------------------------------------------

    def _result(self, response: Json, path: str) -> None:
        name = member(response, path, "name", string) or ""
        call_id = self._open.answered(name, member(response, path, "id", string))
        if call_id is None:
            raise bad_request(
                "Please ensure that function response turn comes immediately after a function call "
                "turn, and that the number of its parts is equal to that of the calls.",
                param=path,
            )
        given = field(response, "response")
        content: Any = result_text(given, self._names[call_id])
        media = [
            one
            for i, part in enumerate(as_parts(response, path))
            if (one := content_part(part, f"{path}.parts[{i}]")) is not None
        ]
        if media:
            content = [{"type": "text", "text": content}, *media]
        message: Json = {"role": "tool", "tool_call_id": call_id, "content": content}
        if isinstance(given, dict):
            message["extra_content"] = {"google": {"response": given}}
        self._messages.append(message)


def result_text(response: Any, name: str) -> str:
    """A function's result as text, out of the wrappings that clients put around one."""
    match response:
        case None:
            return ""
        case {"name": str(named), "content": content} if named == name and len(response) == 2:
            return content if isinstance(content, str) else dumps_text(content)
        case {"output": str(text)} | {"result": str(text)} | {"content": str(text)} if (
            len(response) == 1
        ):
            return text
        case str():
            return response
    return dumps_text(response)


def _plain(content: Any) -> str | None:
    """The text of a content that is nothing but that; patterns would take longer."""
    if type(content) is not dict or content.get("role") not in ("user", MODEL):
        return None
    parts = content.get("parts")
    if type(parts) is not list or len(parts) != 1 or type(part := parts[0]) is not dict:
        return None
    text = part.get("text") if len(part) == 1 else None
    return text or None if type(text) is str else None


def as_parts(content: Json, path: str) -> list[Json]:
    """The parts; a lone one, or a text, for a list of it."""
    parts = content.get("parts")
    if parts is None:
        return []
    found = parts if isinstance(parts, list) else [parts]
    return [
        {"text": part} if isinstance(part, str) else json_object(f"{path}.parts[{i}]", part)
        for i, part in enumerate(found)
    ]


def _content(texts: list[str]) -> Any:
    if len(texts) == 1:
        return texts[0]
    return [{"type": "text", "text": text} for text in texts]


def _native(part: Json, signature: str | None) -> Json:
    native = {camel(key): value for key, value in part.items()}
    for key in ("inlineData", "fileData"):
        if isinstance(value := native.get(key), dict):
            native[key] = {camel(name): inner for name, inner in value.items()}
    return native | ({"thoughtSignature": signature} if signature else {})


def _signature(part: Json, path: str) -> str | None:
    """The signature in the alphabet that it was given out in, whichever it came back in."""
    found: str = member(part, path, "thoughtSignature", string) or ""
    if found and found != SKIP_SIGNATURE and len(found) % 4 == 0 and _URL_SAFE.fullmatch(found):
        return found.translate(STANDARD)
    return found or None


_URL_SAFE = re.compile("[A-Za-z0-9_-]+={0,2}")
