"""Tool calls that a model wrote as text, in one of the forms that models are trained on. Pure.

A provider that cannot read its own model's call refuses the answer and shows the text instead
(Groq's `failed_generation`). What can be read here without guessing need not be lost.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple, NoReturn

import orjson

MAX_TEXT = 64 * 1024

_TAG = re.compile(r'<function\b[=(\s]*(?:name=)?"?([\w.:-]{1,128})"?[\s>=(),:]*')
_HEADLESS = re.compile(r"([\w.:-]{1,128})[\s>=(]*(?=\{)")
_FENCE = re.compile(r"```(?:json)?(.*?)```", re.DOTALL)
_SPECIAL = re.compile(r"<\|(?:python_tag|eom_id|eot_id|im_end)\|>")
_TOOL_CALL = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_BETWEEN = re.compile(r"[\s;,]*")


class WrittenCall(NamedTuple):
    """A call as the model meant it; `arguments` is the JSON text of an object."""

    name: str
    arguments: str


class _Unreadable(ValueError):
    """The text is none of the known forms."""


def read_calls(text: str, offered: Collection[str]) -> list[WrittenCall]:
    """The calls in `text`; empty unless every one can be read and names an offered tool."""
    if len(text) > MAX_TEXT:
        return []
    try:
        calls = [_call(name, arguments) for name, arguments in _written(text.strip())]
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return []
    return calls if all(call.name in offered for call in calls) else []


def _call(name: str, arguments: Any) -> WrittenCall:
    if isinstance(arguments, str):
        arguments = _json(arguments)
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise _Unreadable
    return WrittenCall(name, orjson.dumps(arguments).decode())


def _written(text: str) -> Iterator[tuple[str, Any]]:
    """(name, arguments) of each call, whichever form the text is in."""
    if "<function" in text:
        return _tagged(text)
    if "<tool_call>" in text:
        return _objects("\n".join(map(str.strip, _TOOL_CALL.findall(text))))
    text = _SPECIAL.sub("", text).strip()
    if fenced := _FENCE.fullmatch(text):
        text = fenced[1].strip()
    if headless := _HEADLESS.match(text):
        return iter([(headless[1], _value_at(text, headless.end())[0])])
    if text.startswith(("{", '[{"', "[\n", "[ ")):
        return _objects(text)
    return _pythonic(text)


def _tagged(text: str) -> Iterator[tuple[str, Any]]:
    """`<function=name>{…}</function>`, and what models make of it."""
    found = list(_TAG.finditer(text))
    if not found:
        raise _Unreadable
    for tag in found:
        rest = text[tag.end() : tag.end() + 2]
        if rest.startswith("{"):
            yield tag[1], _value_at(text, tag.end())[0]
        elif rest in ("", "/>", "</"):
            yield tag[1], {}
        else:
            raise _Unreadable


def _objects(text: str) -> Iterator[tuple[str, Any]]:
    """Objects that name a function, one after the other or in a list."""
    at = 0
    while at < len(text):
        value, at = _value_at(text, at)
        at = _between(text, at)
        yield from _named(value)


def _between(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    return found.end() if found else at


def _named(value: Any) -> Iterator[tuple[str, Any]]:
    match value:
        case [*values]:
            for each in values:
                yield from _named(each)
        case {"tool_calls": [*values]}:
            yield from _named(values)
        case {"function": {"name": str()} as function, **beside}:
            yield from _named({**beside, **function})
        case {"name": str(name), **rest}:
            yield name, rest.get("arguments", rest.get("parameters", rest.get("args")))
        case _:
            raise _Unreadable


def _pythonic(text: str) -> Iterator[tuple[str, Any]]:
    """`[name(key="value"), …]`, as Llama writes calls after its python tag."""
    with warnings.catch_warnings(action="ignore"):  # of odd escapes in the model's strings
        tree = ast.parse(text, mode="eval").body
    for node in tree.elts if isinstance(tree, ast.List) else [tree]:
        match node:
            case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords):
                yield name, {_keyword(each): ast.literal_eval(each.value) for each in keywords}
            case _:
                raise _Unreadable


def _keyword(keyword: ast.keyword) -> str:
    if keyword.arg is None:
        raise _Unreadable
    return keyword.arg


def _no_constant(name: str) -> NoReturn:
    raise _Unreadable(name)


_DECODER = json.JSONDecoder(parse_constant=_no_constant, strict=False)


def _json(text: str) -> Any:
    return _DECODER.decode(text) if text.strip() else {}


def _value_at(text: str, at: int) -> tuple[Any, int]:
    return _DECODER.raw_decode(text, at)
