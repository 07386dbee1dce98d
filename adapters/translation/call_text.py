"""Tool calls that a model wrote as text, in one of the forms that models are trained on. Pure.

A provider that cannot read its own model's call refuses the answer and shows the text instead
(Groq's `failed_generation`). What can be read here without guessing need not be lost.
"""

from __future__ import annotations

import ast
import contextlib
import json
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple, NoReturn

from adapters.translation.functions import plain_name
from adapters.wire.writing import dumps_text

MAX_TEXT = 64 * 1024

_TAG = re.compile(r'<function\b[=(\s]*(?:name=)?"?([\w.:-]{1,128})"?[\s>=(),:]*')
_HEADLESS = re.compile(r"([\w.:-]{1,128})[\s>=(]*(?=\{)")
_FENCE = re.compile(r"```(?:json)?(.*?)```", re.DOTALL)
_SPECIAL = re.compile(
    r"<\|(?:python_tag|eom_id|eot_id|im_end|/?tool_call(?:_start|_end)?|(?:START|END)_ACTION)\|>"
    r"|^functools(?=\[)"
)
_DSML = re.compile("[|\uff5c]DSML[|\uff5c]")
_GIVEN = re.compile(r'name="([^"]{1,128})"(?: string="(true|false)")?')
_GEMMA_CALL, _GEMMA_QUOTE = "<|tool_call>call:", '<|"|>'
_BARE_KEY = re.compile(r"([{,]\s*)([\w.-]{1,128})\s*:")
_DEEPSEEK = re.compile(
    "<\uff5ctool\u2581call\u2581begin\uff5c>\\s*(?:function<\uff5ctool\u2581sep\uff5c>)?"
    "([\\w.-]{1,128})\\s*(?:<\uff5ctool\u2581sep\uff5c>|```json)\\s*"
)
_TOOL_CALL = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_BETWEEN = re.compile(r"[\s;,]*")
_HARMONY = re.compile(
    r"to=([\w.-]{1,128})[^<]{0,64}(?:<\|(?:channel|constrain)\|>[^<]{0,32}){0,2}<\|message\|>"
)
_BARE_HARMONY = re.compile(r"[\w\s]{0,64}\bto=(functions\.[\w.-]{1,128})[^<{]{0,32}(?=\{)")
"""The same where a server has left out the marks."""
_KIMI = re.compile(
    r"<\|tool_call_begin\|>\s*([\w.-]{1,128})(?::\d+)?\s*<\|tool_call_argument_begin\|>"
)
_MISTRAL = re.compile(r"\[TOOL_CALLS\]\s*(?:([\w.-]{1,128})(?:\[ARGS\])?)?")


class WrittenCall(NamedTuple):
    """A call as the model meant it; `arguments` is the JSON text of an object."""

    name: str
    arguments: str


_Reading = Callable[[], Iterator[tuple[str, Any]]]


class _Unreadable(ValueError):
    """The text is none of the known forms."""


def read_calls(text: str, offered: Collection[str]) -> list[WrittenCall]:
    """The calls in `text`; empty unless every one can be read and names an offered tool."""
    if len(text) > MAX_TEXT:
        return []
    for reading in _readings(text.strip()):
        with contextlib.suppress(ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            told = (_call(name, arguments) for name, arguments in reading())
            calls = [WrittenCall(plain_name(call.name, offered), call.arguments) for call in told]
            if calls and all(call.name in offered for call in calls):
                return calls
    return []


def _call(name: str, arguments: Any) -> WrittenCall:
    if isinstance(arguments, str):
        arguments = _json(arguments)
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise _Unreadable
    return WrittenCall(name, dumps_text(arguments))


def _readings(text: str) -> Iterator[_Reading]:
    """Ways to read (name, arguments) of each call, by where in the text their marks begin.

    Behind that they may as well stand in the arguments of a call of another form.
    """
    marked = [(at, each) for mark, each in _BY_MARK.items() if (at := text.find(mark)) >= 0]
    found: list[tuple[int, _Reading]] = [(at, partial(each, text)) for at, each in marked]
    if bare := _BARE_HARMONY.match(text):
        found.append((0, partial(_marked, text, [bare])))
    forms = (list(form.finditer(text)) for form in (_HARMONY, _KIMI, _MISTRAL, _DEEPSEEK))
    found += [(marks[0].start(), partial(_marked, text, marks)) for marks in forms if marks]
    found.append((0, partial(_unmarked, text)))
    return (reading for _, reading in sorted(found, key=itemgetter(0)))


def _unmarked(text: str) -> Iterator[tuple[str, Any]]:
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
        if text.startswith("<parameter=", tag.end()):
            yield tag[1], _parameters(text[tag.end() :].partition("</function>")[0])
        elif rest.startswith("{"):
            yield tag[1], _value_at(text, tag.end())[0]
        elif rest in ("", "/>", "</"):
            yield tag[1], {}
        else:
            raise _Unreadable


def _parameters(text: str) -> dict[str, str]:
    """`<parameter=name>value</parameter>`, as Qwen's coders write arguments."""
    found = (part.partition(">") for part in text.split("<parameter=")[1:])
    return {name: value.partition("</parameter>")[0].strip("\n") for name, _, value in found}


def _in_tags(text: str) -> Iterator[tuple[str, Any]]:
    """What stands in `<tool_call>`: an object, or GLM's name and tagged arguments."""
    for each in _TOOL_CALL.findall(text):
        name, *pairs = each.strip().split("<arg_key>")
        if not pairs and name.startswith(("{", "[")):
            yield from _objects(name)
        else:
            found = (pair.partition("</arg_key>") for pair in pairs)
            yield (
                name.removesuffix("<tool_sep>").strip(),
                {key: _arg_value(rest) for key, _, rest in found},
            )


def _invoked(text: str) -> Iterator[tuple[str, Any]]:
    """`<invoke name="…"><parameter name="…">`, as MiniMax, DeepSeek and Anthropic's models write.

    DeepSeek says of each value whether it is a text or JSON.
    """
    for call in _DSML.sub("", text).split('<invoke name="')[1:]:
        name, _, rest = call.partition("</invoke>")[0].partition('">')
        yield name, dict(_given(part) for part in rest.split("<parameter ")[1:])


def _given(text: str) -> tuple[str, Any]:
    head, _, rest = text.partition(">")
    value = rest.partition("</parameter>")[0]
    found = _GIVEN.fullmatch(head)
    if not found:
        raise _Unreadable
    return found[1], _json(value) if found[2] == "false" else value


def _gemmas(text: str) -> Iterator[tuple[str, Any]]:
    """Gemma's calls: keys without quotes, texts within marks of their own."""
    for call in text.split(_GEMMA_CALL)[1:]:
        name, brace, told = call.partition("<tool_call|>")[0].partition("{")
        parts = (brace + told).split(_GEMMA_QUOTE)
        for at, part in enumerate(parts):
            parts[at] = dumps_text(part) if at % 2 else _BARE_KEY.sub(r'\1"\2":', part)
        yield name, _json("".join(parts))


def _arg_value(text: str) -> str:
    return text.partition("<arg_value>")[2].partition("</arg_value>")[0]


def _marked(text: str, marks: list[re.Match[str]]) -> Iterator[tuple[str, Any]]:
    """Arguments behind marks that name the function; without a name it is in the object."""
    for mark in marks:
        value, _ = _value_at(text, _between(text, mark.end()))
        if mark[1]:
            yield mark[1], value
        else:
            yield from _named(value)


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
        case {"name": str(name), **rest} | {"function": str(name), **rest}:
            yield name, _arguments(rest)
        case {"tool": str(name), **rest} | {"tool_name": str(name), **rest}:
            yield name, _arguments(rest)
        case _:
            raise _Unreadable


def _arguments(said: Mapping[Any, Any]) -> Any:
    words = ("arguments", "parameters", "args", "input")
    return next((said[word] for word in words if word in said), None)


def _pythonic(text: str) -> Iterator[tuple[str, Any]]:
    """`[name(key="value"), …]`, as Llama writes calls after its python tag."""
    with warnings.catch_warnings(action="ignore"):  # of odd escapes in the model's strings
        tree = ast.parse(text, mode="eval").body
    for node in tree.elts if isinstance(tree, ast.List) else [tree]:
        match node:
            case ast.Call(func=func, args=[], keywords=keywords):
                name = ast.unparse(func).removesuffix(".call")
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


_BY_MARK: Mapping[str, Callable[[str], Iterator[tuple[str, Any]]]] = {
    "<invoke ": _invoked,
    "\uff5cDSML\uff5c": _invoked,
    "|DSML|": _invoked,
    _GEMMA_CALL: _gemmas,
    "<function": _tagged,
    "<tool_call>": _in_tags,
}
"""Who reads a text in which one of these stands."""
