"""OpenAI's messages -> the messages that llama.cpp's server takes. Pure.

A chat template is a program of the model's maker: one that has never heard of calls breaks on them,
and one that adds up strings breaks on null. So `content` is always text, and calls become text
where the template has no place for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from adapters.errors import AdapterError, ErrorKind, unsent
from adapters.events import Json
from adapters.translation.results import paired
from adapters.wire.writing import dumps_text

NAME = "embedded"


def unsupported(param: str, wish: str) -> AdapterError:
    """The error for what this model cannot do but another one may."""
    return unsent(
        NAME, ErrorKind.UNSUPPORTED, f"the embedded model cannot take {wish}", param=param
    )


def to_messages(messages: Sequence[Json], warnings: list[str], *, with_calls: bool) -> list[Json]:
    """Messages with llama.cpp's keys only, a result behind each call.

    Raises AdapterError as `paired` does, and for all content but text.
    """
    native: list[Json] = []
    for i, message in paired(messages, NAME, warnings):
        text = _text(message.get("content"), f"messages[{i}].content")
        match message["role"]:
            case "assistant":
                calls = message.get("tool_calls") or ()
                native.append(_with_calls(text, calls) if with_calls else _said(text, calls))
            case "tool":
                native.append((_result if with_calls else _told_result)(message, text))
            case role:
                native.append({"role": role, "content": text})
    return native


def _result(message: Json, text: str) -> Json:
    call_id, name = message["tool_call_id"], message["name"]
    return {"role": "tool", "tool_call_id": call_id, "name": name, "content": text}


def _told_result(message: Json, text: str) -> Json:
    return {"role": "user", "content": f"Result of {message['name']}: {text}"}


def _with_calls(text: str, calls: Sequence[Json]) -> Json:
    message: Json = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {"id": call.get("id", ""), "type": "function", "function": _function(call["function"])}
            for call in calls
        ]
    return message


def _function(function: Json) -> Json:
    arguments = function.get("arguments") or "{}"
    try:
        readable = isinstance(orjson.loads(arguments), dict)
    except orjson.JSONDecodeError:
        readable = False
    if not readable:
        arguments = dumps_text({"input": arguments})
    return {"name": function["name"], "arguments": arguments}


def _said(text: str, calls: Sequence[Json]) -> Json:
    functions = (call["function"] for call in calls)
    called = [f"{each['name']}({each.get('arguments') or ''})" for each in functions]
    return {"role": "assistant", "content": "\n".join([*([text] if text else []), *called])}


def _text(content: Any, place: str) -> str:
    if not isinstance(content, list):
        return content or ""
    return "\n".join(_part(part, f"{place}[{i}]") for i, part in enumerate(content))


def _part(part: Json, place: str) -> str:
    match part:
        case {"type": "text", "text": str(text)} | {"type": "refusal", "refusal": str(text)}:
            return text
    raise unsupported(place, "images, audio or files")
