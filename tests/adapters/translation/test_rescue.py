"""Calls in an answer's text, as the answer comes in."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable

import pytest

from adapters.base import Event, Finish, Json, Text, ToolCall, Usage, Warn
from adapters.translation.call_text import MAX_TEXT
from adapters.translation.rescue import with_written_calls

pytestmark = pytest.mark.anyio
PARAMETERS: Json = {"type": "object", "properties": {"n": {"type": "integer"}}}
TOOL: Json = {"type": "function", "function": {"name": "buy", "parameters": PARAMETERS}}
TOOLS = (TOOL,)
BARE = '{"name": "buy", "arguments": {"n": 2}}'
TAGGED = "<tool_call>\n" + BARE + "\n</tool_call>"


async def read(
    pieces: Iterable[str], reason: str = "stop", *more: Event
) -> tuple[str, list[ToolCall], list[Event]]:
    async def answer() -> AsyncGenerator[list[Event], None]:
        for piece in pieces:
            yield [Text(piece)]
        yield [*more, Finish(reason), Usage(1, 1)]

    events = [e async for batch in with_written_calls(answer(), TOOLS, one=False) for e in batch]
    text = "".join(e.text for e in events if isinstance(e, Text))
    rest = [e for e in events if not isinstance(e, Text | ToolCall)]
    return text, [e for e in events if isinstance(e, ToolCall)], rest


@pytest.mark.parametrize("text", [BARE, f"\n```json\n{BARE}\n```", TAGGED, f"I will.\n{TAGGED}"])
async def test_a_call_is_found_however_its_text_is_cut(text: str) -> None:
    said = "I will.\n" if text.startswith("I") else ""
    for pieces in ([text], text, [text[:3], text[3:]], [text[:13], text[13:]]):
        found, [call], rest = await read(pieces)
        assert (found, call.name, call.arguments) == (said, "buy", '{"n":2}')
        assert rest == [Finish("tool_calls"), Warn("rescued=tool_calls"), Usage(1, 1)]


@pytest.mark.parametrize(
    "text",
    [
        "Hello.",
        "",
        "{",
        '{"way": "left"}',
        '{"name": "Ann", "age": 7}',
        '{"name": "sell", "arguments": {}}',
        "<tool_call>nothing",
        "[TOOL_CALL is a word of mine",
        "a < b, <tool_cal",
        '{"name": "' + "x" * MAX_TEXT + TAGGED + " and more",
    ],
    ids=lambda text: text[:20],
)
async def test_any_other_text_comes_as_it_is(text: str) -> None:
    for pieces in ([text], text[:64], [text[:9], text[9:]]):
        found, calls, rest = await read(pieces)
        assert (found, calls) == ("".join(pieces), [])
        assert rest == [Finish("stop"), Usage(1, 1)]


async def test_blanks_without_end_are_not_held_back() -> None:
    for begin in ("", "{", "```json\n["):
        pieces = [begin, *[" "] * 5000]
        assert await read(pieces) == ("".join(pieces), [], [Finish("stop"), Usage(1, 1)])


async def test_text_beside_a_call_or_cut_off_is_no_call() -> None:
    for reason, more in (("length", ()), ("tool_calls", (ToolCall(0, "buy", "{}"),))):
        found, calls, rest = await read([BARE], reason, *more)
        assert (found, calls) == (BARE, list(more))
        assert rest[0] == Finish(reason)


async def test_plain_words_are_not_held_back() -> None:
    async def answer() -> AsyncGenerator[list[Event], None]:
        yield [Text("Let me see")]
        raise AssertionError("asked for more before it gave what it had")

    events = with_written_calls(answer(), TOOLS, one=False)
    assert await anext(events) == [Text("Let me see")]
    await events.aclose()
