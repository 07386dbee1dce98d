"""OpenAI's messages -> the messages that llama.cpp's server takes. Pure.

A chat template is a program of the model's maker: one that has never heard of calls breaks on them,
and one that adds up strings breaks on null. So `content` is always text, and calls become text
where the template has no place for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from adapters.base import MISSING_RESULT, AdapterError, ErrorKind, Json
from adapters.errors import unsent

NAME = "embedded"


def unsupported(param: str, wish: str) -> AdapterError:
    """The error for what this model cannot do but another one may."""
    return unsent(
        NAME, ErrorKind.UNSUPPORTED, f"the embedded model cannot take {wish}", param=param
    )


def to_messages(messages: Sequence[Json], warnings: list[str], *, with_calls: bool) -> list[Json]:
    """Messages with llama.cpp's keys only, a result behind each call.

    Raises AdapterError for all content but text.
    """
    names: dict[str, str] = {}
    waiting: list[str] = []
    result_of = _result if with_calls else _told_result
    native: list[Json] = []
    end: Json = {"role": "user"}  # so that the last calls, too, have something behind them
    for i, message in enumerate([*messages, end]):
        if waiting and message["role"] != "tool":
            native += [result_of(each, names, MISSING_RESULT) for each in waiting]
            warnings.append("emulated=tool_result")
            waiting = []
        text = _text(message.get("content"), f"messages[{i}].content")
        match message["role"]:
            case "assistant":
                calls = message.get("tool_calls") or ()
                waiting = [call["id"] for call in calls]
                names |= {call["id"]: call["function"]["name"] for call in calls}
                native.append(_with_calls(text, calls) if with_calls else _said(text, calls))
            case "tool":
                call_id = message["tool_call_id"]
                waiting = [each for each in waiting if each != call_id]
                native.append(result_of(call_id, names, text))
            case role:
                native.append({"role": role, "content": text})
    return native[:-1]


def _result(call_id: str, names: Mapping[str, str], text: str) -> Json:
    named = {"name": names[call_id]} if call_id in names else {}
    return {"role": "tool", "tool_call_id": call_id, **named, "content": text}


def _told_result(call_id: str, names: Mapping[str, str], text: str) -> Json:
    return {"role": "user", "content": f"Result of {names.get(call_id, 'the tool')}: {text}"}


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
        arguments = orjson.dumps({"input": arguments}).decode()
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
