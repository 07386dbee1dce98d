"""What a whole answer brings is told in portions, and comes to the same."""

from __future__ import annotations

from adapters.base import Event, Finish, Reasoning, Text, ToolCall
from adapters.wire.portions import LONG, MANY, portions

LETTERS = "abcdefg" * LONG


def test_what_is_short_and_little_stays_as_it_is() -> None:
    events: list[Event] = [Text("a"), Text("b" * LONG, 2), ToolCall("k", "f", "{}"), Finish("stop")]

    for given in (events, []):
        assert list(portions(given)) == [given]
        assert all(map(_is_same, next(portions(given)), given))


def test_long_texts_come_in_pieces_one_a_portion() -> None:
    call = ToolCall("k", "f", LETTERS, "id", {"a": 1}, index=3)
    told = list(portions([Text("a"), Text(LETTERS, 2), Reasoning(LETTERS), call, Finish("stop")]))

    events = [event for portion in told for event in portion]
    assert max(len(_text(event)) for event in events) == LONG
    assert all(sum(len(_text(event)) > 1 for event in portion) <= 1 for portion in told)
    for kind, index in ((Text, 2), (Reasoning, 0), (ToolCall, 3)):
        pieces = [event for event in events if type(event) is kind and event.index == index]
        assert "".join(map(_text, pieces)).removeprefix("a") in (LETTERS, LETTERS[1:])
    first, *rest = [event for event in events if type(event) is ToolCall]
    assert (first.name, first.id, first.extra) == ("f", "id", {"a": 1})
    assert {(one.key, one.name, one.id, one.extra) for one in rest} == {("k", "", None, None)}
    assert events[0] == Text("a")
    assert events[-1] == Finish("stop")


def test_very_many_come_in_several_portions() -> None:
    told = list(portions([Text("a")] * (2 * MANY + 1)))

    assert list(map(len, told)) == [MANY, MANY, 1]


def _text(event: object) -> str:
    match event:
        case Text(text) | Reasoning(text):
            return text
        case ToolCall(arguments=text):
            return text
    return ""


def _is_same(one: object, other: object) -> bool:
    return one is other
