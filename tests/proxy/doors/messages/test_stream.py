"""The stream keeps to the grammar, whatever the events, and says what the object says."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from adapters.base import Event, Finish, Json, Reasoning, Refusal, Start, Text, ToolCall, Usage
from proxy.doors.messages.objects import SIGNATURE, own_id, shown_id
from proxy.doors.writing import blocks
from proxy.errors import ApiError
from tests.proxy.doors.golden.features import FEATURES
from tests.proxy.doors.messages.kit import Grammar, folded, stream_of, streamed

DONE: list[Event] = [Finish("stop"), Usage(5, 2)]
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _without_ids(message: Json) -> Json:
    assert message.pop("id").startswith("msg_")
    for block in message["content"]:
        for name in ("id", "tool_use_id"):
            if name in block:
                assert ID.fullmatch(block.pop(name))
    return message


def test_a_large_call_that_is_not_whole_is_read_once_however_much_waits_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[int] = []
    monkeypatch.setattr(blocks, "are_whole", lambda pieces: read.append(len(pieces)))
    begun: list[Event] = [ToolCall(0, "f", '{"a":"'), *[ToolCall(1, "g", " ")] * 100]

    message = folded([[*begun, ToolCall(0, "", '"}'), Finish("tool_calls")]])

    assert read == [1]
    assert [block["input"] for block in message["content"]] == [{"a": ""}, {}]


def test_every_feature_is_streamed_as_it_stands_in_the_object() -> None:
    for name, feature in FEATURES.items():
        events = [event for batch in feature.batches for event in batch]
        expected = _without_ids(folded(feature.batches))
        for batches in (feature.batches, [events], [[event] for event in events]):
            for pings in (False, True):
                read = streamed(batches, pings=pings)
                assert _without_ids(read.message) == expected, name
                assert bool(read.pings) is pings and read.error is None


def test_any_mixture_of_events_keeps_to_the_grammar() -> None:
    chance = random.Random(20)
    for _ in range(300):
        batches = _some_batches(chance)
        form = {"thoughts": chance.random() < 0.7, "hides_thoughts": chance.random() < 0.3}

        read = streamed(batches, pings=chance.random() < 0.5, **form)

        assert _without_ids(read.message) == _without_ids(folded(batches, **form))


def _some_batches(chance: random.Random) -> list[list[Event]]:
    """Texts, thoughts, calls whole and in pieces, in any order; then the end."""
    events: list[Event] = [Start(model="toy")]
    for call in range(chance.randrange(12)):
        match chance.randrange(6):
            case 0:
                events += [Text(chance.choice(["Hi", " ", "", "€\n"])) for _ in range(3)]
            case 1:
                events += [Reasoning("Hm"), Reasoning(chance.choice(["", " so"]))]
            case 2:
                events.append(Refusal("No."))
            case 3:
                events.append(ToolCall(call, "f", '{"a":1}', id=f"functions.f:{call}"))
            case 4:
                events += [ToolCall(call, "f", '{"a"'), ToolCall(call, "", ":[1,2]}")]
            case 5:
                events += [ToolCall(call, "f"), ToolCall(f"{call}b", "g", "{}"), ToolCall(call)]
    events += [Finish(chance.choice(["stop", "length", "tool_calls", "content_filter"])), Usage(1)]
    cut = chance.randrange(len(events) + 1)
    return [events[:cut], events[cut:]]


def test_a_failure_ends_the_stream_wherever_it_comes() -> None:
    error = ApiError(503, "north: it broke", type_="service_unavailable_error")
    for feature in FEATURES.values():
        for at in range(len(feature.batches) + 1):
            stream = stream_of()
            said = [stream.feed(batch) for batch in feature.batches[:at]]

            read = Grammar(b"".join([*said, stream.fail(error)]))

            assert read.error == {"type": "overloaded_error", "message": "north: it broke"}


def test_a_ping_before_anything_begins_the_message() -> None:
    stream = stream_of()
    read = Grammar(stream.wait() + stream.wait() + stream.feed([Text("Hi"), *DONE]) + stream.end())

    assert read.pings == 2
    assert read.message["content"] == [{"type": "text", "text": "Hi"}]


def test_the_count_of_the_prompt_is_guessed_first_and_true_at_the_end() -> None:
    stream = stream_of()
    begun = stream.feed([Text("Hi"), Finish("stop"), Usage(100, 9, reasoning=4, cached=40)])

    assert b'"usage":{"input_tokens":5,' in begun
    assert Grammar(begun + stream.end()).message["usage"] == {
        "input_tokens": 60,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 40,
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
    }


def test_what_nobody_counts_is_guessed() -> None:
    read = streamed([[Text("Hello world"), Finish("stop")]])

    assert read.message["usage"]["input_tokens"] == 5
    assert read.message["usage"]["output_tokens"] == 3


def test_thoughts_are_told_where_they_are_wanted_and_nowhere_else() -> None:
    batches = [[Reasoning("Hm."), Text("Hi"), *DONE]]
    thought = {"type": "thinking", "thinking": "Hm.", "signature": SIGNATURE}
    text = {"type": "text", "text": "Hi"}

    assert streamed(batches).message["content"] == [thought, text]
    assert streamed(batches, thoughts=False).message["content"] == [text]
    hidden = streamed(batches, hides_thoughts=True).message["content"]
    assert hidden == [thought | {"thinking": ""}, text]


@pytest.mark.parametrize(
    ("reason", "events", "stop"),
    [
        ("stop", [Text("Hi")], "end_turn"),
        ("length", [Text("Hi")], "max_tokens"),
        ("tool_calls", [ToolCall(0, "f", "{}")], "tool_use"),
        ("stop", [ToolCall(0, "f", "{}")], "tool_use"),
        ("length", [ToolCall(0, "f", "{}")], "max_tokens"),
        ("content_filter", [], "refusal"),
        ("some other", [Text("Hi")], "end_turn"),
    ],
)
def test_each_end_has_its_stop_reason(reason: str, events: list[Any], stop: str) -> None:
    read = streamed([[*events, Finish(reason), Usage()]])

    assert read.message["stop_reason"] == stop
    assert (read.message.get("stop_details") is not None) is (stop == "refusal")


def test_an_id_that_a_client_must_not_see_is_hidden_and_found_again() -> None:
    for own in ("functions.f:0", "call_1__sig__AbC+/=", "ü", "call.1", "toolu_x", "toolu_xZnU"):
        shown = shown_id(own)
        assert ID.fullmatch(shown)
        assert own_id(shown) == own or own.startswith("toolu_x")
        assert shown == shown_id(own) or own.startswith("toolu_x")
    for own in ("call_abc", "toolu_01", "a-b"):
        assert shown_id(own) == own_id(own) == own
    for long in (None, "", "x." * 60):
        assert re.fullmatch(r"toolu_[A-Za-z0-9]{24}", shown_id(long))
    for foreign in ("toolu_x", "toolu_x!", "toolu_x____", "toolu_xabc"):
        assert own_id(foreign) == foreign


def test_a_piece_that_comes_when_its_call_is_over_is_an_error() -> None:
    stream = stream_of()
    stream.feed([ToolCall(0, "f", '{"a"'), Text("Hm")])

    with pytest.raises(ValueError, match="piece"):
        stream.feed([ToolCall(0, "", ":1}")])


def test_a_piece_that_adds_nothing_may_come_when_its_call_is_over() -> None:
    calls = [ToolCall(0, "f", '{"a":1}'), ToolCall(1, "g", '{"b":')]
    for late in ("", " ", "{}"):
        read = streamed([[*calls, ToolCall(0, "", late), ToolCall(1, "", "2}"), *DONE]])

        assert [block["input"] for block in read.message["content"]] == [{"a": 1}, {"b": 2}]
