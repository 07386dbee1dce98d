"""JSON that was asked for in words: fences and chatter around it go; what is none is no answer.

Only where a provider was told in its prompt alone: the adapters say so, by `IN_WORDS`. Such an
answer is held back to its end, streams too, so that one of no use can be asked for once more.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any

import orjson

from adapters.base import (
    AdapterError,
    ErrorKind,
    Event,
    Finish,
    Refusal,
    ResponseFormat,
    Text,
    ToolCall,
    Warn,
)
from adapters.wire.aside import aside
from adapters.wire.pieces import loads
from adapters.wire.portions import size_of

IN_WORDS = Warn("emulated=response_format")
_KINDS: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
MAX_STARTS = 64
"""At how many places JSON may begin; text with more of them is no chatter around it."""
MAX_SEARCHED = 256 * 1024
"""Characters in which JSON is looked for from each such place; in more, from the first alone."""

_DECODER = json.JSONDecoder(strict=False)
_START = re.compile(r"[\[{]")
_FENCE = re.compile(r"(```|~~~)[a-zA-Z0-9_-]{0,20}[ \t]*\r?\n?")
_THOUGHT = re.compile(r"<(think|thinking|thought|reasoning)>")


async def only_json(
    events: AsyncGenerator[list[Event], None], wanted: ResponseFormat, provider: str
) -> AsyncGenerator[list[Event], None]:
    """The same events where JSON is the provider's own promise; else the JSON out of the text.

    Raises AdapterError where there is none.
    """
    held: list[Event] = []
    async with contextlib.aclosing(events):
        async for batch in events:
            if held or IN_WORDS in batch:
                held += batch
            else:
                yield batch
    if held:
        yield await aside(sum(map(size_of, held)), _told, held, wanted, provider)


def _told(events: Sequence[Event], wanted: ResponseFormat, provider: str) -> list[Event]:
    pieces: dict[int, list[str]] = {}
    for event in events:
        if type(event) is Text:
            pieces.setdefault(event.index, []).append(event.text)
    texts = {index: "".join(each) for index, each in pieces.items()}
    left = {e.index for e in events if type(e) is ToolCall or type(e) is Refusal}
    cut = {e.index for e in events if type(e) is Finish and e.reason != "stop"}
    for index, text in texts.items():
        if index in left or not text.strip():
            continue
        found = json_text(text, wanted)
        if found is None and index not in cut:
            raise AdapterError(
                ErrorKind.MISMATCH,
                "the model did not answer with the JSON that was asked for",
                provider=provider,
                param="response_format",
            )
        texts[index] = _opened(text) if found is None else found
    return list(_with_texts(events, texts))


def _with_texts(events: Sequence[Event], texts: dict[int, str]) -> Iterator[Event]:
    """The events, the whole text of each choice in place of its first piece."""
    for event in events:
        if type(event) is not Text:
            yield event
        elif text := texts.pop(event.index, ""):
            yield Text(text, event.index)


def json_text(text: str, wanted: ResponseFormat) -> str | None:
    """The JSON in `text`, as the model spelled it; None if there is none that could be meant."""
    text = _without_thought(text).strip().removeprefix("\ufeff")
    with contextlib.suppress(orjson.JSONDecodeError):
        value = loads(text)
        if _may_be(value, wanted):
            return text
        if isinstance(value, str):  # JSON that was written as a text of JSON
            return json_text(value, wanted)
    return max((*_fenced(text, wanted), *_values(text, wanted)), key=len, default=None)


def _without_thought(text: str) -> str:
    """The text without the thought that stands before its JSON, if one does and that has an end."""
    first = _START.search(text)
    begun = _THOUGHT.search(text, 0, first.start() if first else len(text))
    if begun is None:
        return text
    _, end, rest = text[begun.end() :].partition(f"</{begun[1]}>")
    return text[: begun.start()] + rest if end else text


def _opened(text: str) -> str:
    """The text of an answer that was cut, without the fence that it begins with."""
    begun = _FENCE.match(inner := text.lstrip())
    return inner[begun.end() :] if begun else text


def _fenced(text: str, wanted: ResponseFormat) -> Iterator[str]:
    """What stands alone between fences, which may be a text or a number."""
    end = 0
    for _ in range(MAX_STARTS):
        begun = _FENCE.search(text, end)
        if begun is None:
            return
        closed = text.find(begun[1], begun.end())
        end = len(text) if closed < 0 else closed
        whole = text[begun.end() : end].strip()
        end += len(begun[1])
        with contextlib.suppress(orjson.JSONDecodeError):
            if _may_be(loads(whole), wanted):
                yield whole


def _values(text: str, wanted: ResponseFormat) -> Iterator[str]:
    """The objects and lists that stand in the text, not those inside of others."""
    if len(text) > MAX_SEARCHED:
        yield from _large_value(text, wanted)
        return
    end = 0
    for _ in range(MAX_STARTS):
        start = _START.search(text, end)
        if start is None:
            return
        try:
            value, end = _DECODER.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            end = start.end()
            continue
        if _may_be(value, wanted) and (spelled := _spelled(text[start.start() : end], value)):
            yield spelled


def _large_value(text: str, wanted: ResponseFormat) -> Iterator[str]:
    """What stands from the first place where JSON may begin to the last where that may end."""
    if start := _START.search(text):
        whole = text[start.start() : text.rfind("}" if start[0] == "{" else "]") + 1]
        with contextlib.suppress(orjson.JSONDecodeError):
            if _may_be(loads(whole), wanted):
                yield whole


def _spelled(text: str, value: Any) -> str | None:
    """As it stands there, unless only a lenient reader takes it (a line end in a string)."""
    with contextlib.suppress(orjson.JSONDecodeError):
        orjson.loads(text)
        return text
    with contextlib.suppress(TypeError):
        return orjson.dumps(value).decode()
    return None


def _may_be(value: Any, wanted: ResponseFormat) -> bool:
    """Whether the outermost value is what the schema begins with; plain JSON is an object."""
    if wanted.schema is None:
        return isinstance(value, dict)
    if isinstance(values := wanted.schema.get("enum"), list):
        return value in values
    kind = wanted.schema.get("type")
    kinds = _KINDS.get(kind) if isinstance(kind, str) else None
    return kinds is None or type(value) in kinds
