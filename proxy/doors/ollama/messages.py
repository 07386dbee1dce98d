"""Ollama's `messages` -> the neutral ones. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from adapters.base import Json, is_plain
from adapters.wire.writing import dumps_text
from proxy.doors.reading.checks import json_list, json_object, wrong_type
from proxy.doors.reading.pairing import OpenCalls
from proxy.errors import bad_request
from proxy.routing.pictures.kinds import sniffed

MAX_MESSAGES = 4000
ROLES: Mapping[str, str] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
}
"""Others are the user's: the server has a model's template say what becomes of them."""
HEAD_CHARS = 64


def parse_messages(value: Any) -> list[Json]:
    """The messages, none for what only loads a model. Raises ApiError."""
    talk = _Talk()
    given = json_list("messages", [] if value is None else value, MAX_MESSAGES)
    for i, message in enumerate(given):
        if type(message) is dict and message.get("role") == "user" and is_plain(message):
            talk.say(message)
        else:
            talk.take(f"messages[{i}]", json_object(f"messages[{i}]", message))
    talk.show()
    return talk.messages


class _Talk:
    """One conversation on its way. `_shown` is what others than users have shown."""

    def __init__(self) -> None:
        self.messages: list[Json] = []
        self._calls = OpenCalls()
        self._shown: list[Json] = []

    def say(self, message: Json) -> None:
        """A message of the user's, as it is."""
        self.show()
        self._calls.asked()
        self.messages.append(message)

    def take(self, path: str, message: Json) -> None:
        role = ROLES.get(str(message.get("role") or "").lower(), "user")
        text = text_of(path, "content", message)
        seen = media_of(f"{path}.images", message.get("images"))
        if role == "tool":
            self._result(path, message, text)
        elif role == "user":
            words: list[Json] = [{"type": "text", "text": text}] if text else []
            self.say({"role": "user", "content": [*words, *seen] if seen else text})
            return
        else:
            self.show()
            if role == "system":
                self.messages.append({"role": "system", "content": text})
            else:
                self._turn(path, message, text)
        if seen:
            self._shown += [{"type": "text", "text": f"What the {role} has shown:"}, *seen]

    def show(self) -> None:
        """A user's message with the pictures that only one of his may hold, behind all results."""
        if self._shown:
            self.messages.append({"role": "user", "content": self._shown})
            self._shown = []

    def _turn(self, path: str, message: Json, text: str) -> None:
        """A turn of the model's. Several are one: some keep each line of a stream as a message."""
        turn: Json = {"role": "assistant", "content": ""}
        if self.messages and self.messages[-1]["role"] == "assistant":
            turn = self.messages.pop()
        turn["content"] += text
        if thinking := text_of(path, "thinking", message):
            turn["reasoning"] = turn.get("reasoning", "") + thinking
        calls = json_list(f"{path}.tool_calls", message.get("tool_calls") or [])
        made = [self._call(f"{path}.tool_calls[{j}]", call) for j, call in enumerate(calls)]
        if made:
            turn["tool_calls"] = [*turn.get("tool_calls", ()), *made]
        self.messages.append(turn)

    def _call(self, path: str, call: Any) -> Json:
        match call:
            case {"function": {"name": str(name)} as function} if name:
                pass
            case _:
                raise bad_request(f"'{path}' must hold a function with a name.", param=path)
        arguments = function.get("arguments")
        match arguments:
            case None:
                arguments = "{}"
            case dict():
                arguments = dumps_text(arguments)
            case str():
                arguments = arguments or "{}"
            case _:
                raise bad_request(f"'{path}.function.arguments' must be an object.", param=path)
        given = call.get("id")
        call_id = self._calls.called(name, given if isinstance(given, str) else None)
        called = {"name": name, "arguments": arguments}
        return {"id": call_id, "type": "function", "function": called}

    def _result(self, path: str, message: Json, text: str) -> None:
        name = text_of(path, "tool_name", message) or text_of(path, "name", message)
        call_id = self._calls.answered(name, text_of(path, "tool_call_id", message))
        if call_id is None:  # the call was cut off, with the beginning of the talk
            words = f"Result of {name}: {text}" if name else f"Result of a tool: {text}"
            self.messages.append({"role": "user", "content": words})
        else:
            result = {"role": "tool", "tool_call_id": call_id, "content": text}
            self.messages.append(result)


def text_of(path: str, name: str, message: Json) -> str:
    """A text, which may be absent or null. Raises ApiError."""
    value = message.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong_type(f"{path}.{name}" if path else name, "a string")
    return value


def media_of(path: str, value: Any) -> list[Json]:
    """Images, and sounds among them, as parts of a message. Raises ApiError."""
    given = json_list(path, [] if value is None else value)
    return [_medium(f"{path}[{i}]", one) for i, one in enumerate(given)]


def _medium(path: str, value: Any) -> Json:
    if not isinstance(value, str):
        raise wrong_type(path, "a string")
    data = value.partition(",")[2] if value[:5].lower() == "data:" else value
    kind = kind_of(_head(data))
    if kind is None:
        raise bad_request(f"'{path}' is no image in base64 of a type that is known.", param=path)
    if kind.startswith("audio/"):
        sound = {"data": data, "format": kind.removeprefix("audio/")}
        return {"type": "input_audio", "input_audio": sound}
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}


def kind_of(head: bytes) -> str | None:
    """The type of a medium by its first bytes, as nobody names it here."""
    if kind := sniffed(head):
        return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "audio/wav"
    is_mp3 = head.startswith(b"ID3") or head[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")
    return "audio/mp3" if is_mp3 else None


def _head(data: str) -> bytes:
    """The first bytes of what is in base64, of either alphabet; nothing where it is none."""
    text = "".join(data[:HEAD_CHARS].split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text[: len(text) // 4 * 4], validate=True)
    except (binascii.Error, ValueError):
        return b""
