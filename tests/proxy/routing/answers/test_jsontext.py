"""JSON that was asked for in words: what is taken off, and what is asked for once more."""

from __future__ import annotations

import orjson
import pytest

from adapters.base import (
    Event,
    Finish,
    Json,
    Reasoning,
    ResponseFormat,
    Text,
    ToolCall,
    Usage,
    Warn,
)
from proxy.routing.answers.jsontext import IN_WORDS, json_text
from tests.proxy.kit import adapter
from tests.proxy.routing.kit import Station

pytestmark = pytest.mark.anyio

OBJECT = ResponseFormat(schema={"type": "object"})
LIST = ResponseFormat(schema={"type": "array"})
ANY = ResponseFormat(schema={})
A: Json = {"a": "Why?"}
TEXTS = {
    "bare": ('{"a": "Why?"}', OBJECT, A),
    "white space": (' \n{"a": "Why?"}\n', OBJECT, A),
    "a fence": ('```json\n{"a": "Why?"}\n```', OBJECT, A),
    "a fence of another name": ('```JSON5\r\n{"a": "Why?"}\r\n```\r\n', OBJECT, A),
    "a fence without a name": ('```\n{"a": "Why?"}```', OBJECT, A),
    "a fence that does not end": ('```json\n{"a": "Why?"}', OBJECT, A),
    "chatter": ('Sure {here} it is:\n\n{"a": "Why?"}\n\nAnything [else]?', OBJECT, A),
    "chatter and a fence": ('Here:\n```json\n{"a": "Why?"}\n```\nDone.', OBJECT, A),
    "a fence within": ('```json\n{"a": "```x```"}\n```', OBJECT, {"a": "```x```"}),
    "a mark of the byte order": ('\ufeff{"a": "Why?"}', OBJECT, A),
    "thoughts": ('<think>{"b": "longer than the other"}</think>{"a": "Why?"}', OBJECT, A),
    "a small one before": ('For {"x": 1} I say {"a": "Why?"}.', OBJECT, A),
    "a list before": ('[1, 2, 3, 4, 5, 6, 7, 8, 9] {"a": "Why?"}', OBJECT, A),
    "plain JSON": ('So: {"a": "Why?"}', ResponseFormat(), A),
    "a list": ("So: [1, 2]", LIST, [1, 2]),
    "a number": (" 7 ", ANY, 7),
    "thoughts of another name": ('<thinking>{"b": 1234567}</thinking>{"a": "Why?"}', OBJECT, A),
    "thoughts behind a word": ('So <think>{"b": 1234567}</think> {"a": "Why?"}', OBJECT, A),
    "thoughts behind a mark": ('\ufeff<think>{"b": 1234567}</think>{"a": "Why?"}', OBJECT, A),
    "thoughts within": ('{"a": "<think>b</think>"}', OBJECT, {"a": "<think>b</think>"}),
    "tildes": ('~~~json\n{"a": "Why?"}\n~~~', OBJECT, A),
    "two fences": ('```\n{}\n```\nor\n```\n{"a": "Why?"}\n```', OBJECT, A),
    "a text of JSON": ('"{\\"a\\": \\"Why?\\"}"', OBJECT, A),
    "a text": ('```json\n"Why?"\n```', ResponseFormat(schema={"type": "string"}), "Why?"),
    "a number in a fence": ("It is:\n```\n7\n```", ResponseFormat(schema={"type": "number"}), 7),
    "one of a few": ('```json\n"b"\n```', ResponseFormat(schema={"enum": ["a", "b"]}), "b"),
    "a fence of a large one": (f"```json\n[{'1,' * 200_000}1]\n```", LIST, [1] * 200_001),
    "very much around it": (f"{'So. ' * 100_000}{{}}", OBJECT, {}),
    "a large one in chatter": (f"So: [{'[1],' * 200_000}1] Well?", LIST, [*[[1]] * 200_000, 1]),
    "a line end in a string": ('{"a": "W\nhy"}', OBJECT, {"a": "W\nhy"}),
}


@pytest.mark.parametrize(("text", "wanted", "value"), TEXTS.values(), ids=TEXTS.keys())
def test_what_stands_around_json_is_taken_off(
    text: str, wanted: ResponseFormat, value: object
) -> None:
    found = json_text(text, wanted)
    assert found is not None
    assert orjson.loads(found) == value


NONE = {
    "words": ("I cannot.", OBJECT),
    "cut": ('{"a": "Why', OBJECT),
    "another kind": ("[1]", OBJECT),
    "an object for a list": ('{"a": 1}', LIST),
    "a number for an object": ("7", ResponseFormat()),
    "none of a few": ('"c"', ResponseFormat(schema={"enum": ["a", "b"]})),
    "yes for a number": ("true", ResponseFormat(schema={"type": "number"})),
    "endless fences": ("```" * 100_000, OBJECT),
    "endless": ("[" * 100_000, OBJECT),
    "endless blanks": (f"So:{' ' * 1_000_000}no.", OBJECT),
    "endless objects": ('{"a":' * 100_000, OBJECT),
}


@pytest.mark.parametrize(("text", "wanted"), NONE.values(), ids=NONE.keys())
def test_what_is_none_is_none(text: str, wanted: ResponseFormat) -> None:
    assert json_text(text, wanted) is None


def fenced(text: str = '```json\n{"a": 1}\n```') -> list[list[Event]]:
    pieces: list[list[Event]] = [[Text(piece)] for piece in (text[:5], text[5:])]
    return [[IN_WORDS], [Reasoning("Hm.")], *pieces, [Finish("stop"), Usage(3, 9)]]


WORDS = fenced("I would rather not.")


@pytest.fixture
def station() -> Station:
    return Station({name: adapter(name) for name in ("north", "south")})


async def said(station: Station) -> str:
    events = await station.ask(response_format=OBJECT)
    return "".join(event.text for event in events if isinstance(event, Text))


async def test_a_fenced_answer_arrives_bare(station: Station) -> None:
    station.play("north", fenced())
    events = await station.ask(response_format=OBJECT)
    assert events == [
        *(IN_WORDS, Reasoning("Hm."), Text('{"a": 1}'), Finish("stop"), Usage(3, 9)),
    ]
    assert station.calls() == [1, 0]


async def test_what_the_provider_itself_promises_is_left_as_it_is(station: Station) -> None:
    for warning in ([], [Warn("dropped=seed")]):
        station.play("north", [warning, [Text("I ")], [Text("won't."), Finish("stop")]])
        assert await said(station) == "I won't."


async def test_no_json_is_asked_for_once_more_at_once(station: Station) -> None:
    station.play("north", WORDS)
    station.play("south", fenced())
    assert await said(station) == '{"a": 1}'
    assert (station.calls(), station.clock.slept) == ([1, 1], [0.0])

    station.play("north", WORDS, fenced())
    assert '{"a": 1}' in [
        event.text
        for event in await station.ask("north/m", response_format=OBJECT)
        if isinstance(event, Text)
    ]
    assert (station.calls(), station.clock.slept) == ([3, 1], [0.0, 0.0])


async def test_no_json_twice_is_an_error_of_its_own(station: Station) -> None:
    station.play("north", WORDS, fenced())
    station.play("south", WORDS, fenced())
    error = await station.refused(response_format=OBJECT)
    assert (error.status, error.code, error.param) == (502, "schema_mismatch", "response_format")
    assert error.headers() == [(b"x-should-retry", b"false")]
    assert station.calls() == [1, 1]


async def test_a_call_in_place_of_json_is_an_answer(station: Station) -> None:
    call = ToolCall(0, "f", "{}")
    station.play("north", [[IN_WORDS], [Text("I look it up.")], [call, Finish("tool_calls")]])
    assert await said(station) == "I look it up."
    assert station.calls() == [1, 0]


async def test_json_that_is_cut_short_is_told_by_its_end(station: Station) -> None:
    station.play("north", [[IN_WORDS], [Text('```json\n{"a": "W')], [Finish("length")]])
    assert await said(station) == '{"a": "W'


async def test_each_choice_has_its_own_json(station: Station) -> None:
    one, other = Text('```\n{"a": 1}\n```', 0), Text('So {"b": 2}', 1)
    ends = [Finish("stop", 0), Finish("stop", 1)]
    station.play("north", [[IN_WORDS], [other], [one], [*ends]])
    events = await station.ask(response_format=OBJECT, n=2)
    texts = {event.index: event.text for event in events if isinstance(event, Text)}
    assert texts == {0: '{"a": 1}', 1: '{"b": 2}'}
