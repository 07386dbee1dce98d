"""The lines' grammar, and that they say what the one object says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, strategies as st

from adapters.base import (
    Annotation,
    Event,
    Finish,
    Json,
    Logprobs,
    Media,
    RateLimits,
    Reasoning,
    Refusal,
    Start,
    Text,
    Thinking,
    ToolCall,
    Usage,
    Warn,
)
from adapters.translation.arguments import arguments_or_text
from proxy.doors.ollama import context
from proxy.doors.ollama.context import dialogue_of, numbers_of
from proxy.doors.ollama.write import LineStream, ObjectFold
from proxy.errors import ApiError
from tests.proxy.doors.ollama.kit import Grammar, answer, folded, form, streamed

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
EVENT = st.one_of(
    st.builds(Text, TEXTS),
    st.builds(Refusal, TEXTS),
    st.builds(ToolCall, st.sampled_from([0, 1, "a"]), st.just("f"), TEXTS),
    st.builds(Logprobs, st.just([{"token": "a", "logprob": -1.0, "bytes": [97]}])),
    st.builds(Media, st.just("image/png"), st.just("AAAA")),
    st.builds(Annotation, st.just({"type": "url_citation"})),
    st.builds(Start, model=TEXTS),
    st.builds(Warn, TEXTS),
    st.builds(RateLimits),
    st.builds(Usage, st.integers(0, 9), st.integers(0, 9)),
)
EVENTS = st.builds(
    lambda thoughts, events, end: [*map(Reasoning, thoughts), *events, *end],
    st.lists(TEXTS, max_size=3),
    st.lists(EVENT, max_size=12),
    st.sampled_from([[Finish("stop"), Usage(4, 5)], [Finish("length")], [Finish("tool_calls")]]),
)
CALLS: Sequence[Event] = (
    ToolCall(0, "f", '{"a"', id="call_x"),
    ToolCall(1, "g", "{"),
    ToolCall(0, "", ":1}"),
    ToolCall(1, "", "}"),
    Finish("tool_calls"),
)


@given(EVENTS, st.booleans())
def test_stream_and_object_say_the_same(events: list[Event], generates: bool) -> None:
    read = streamed(events, form(generates=generates))
    whole = folded(events, form(generates=generates))
    said = whole if generates else whole["message"]

    assert read.text == said["response" if generates else "content"]
    assert read.thinking == said.get("thinking", "")
    assert [one["function"] for one in read.calls] == [
        one["function"] for one in said.get("tool_calls", ())
    ]
    assert read.logprobs == whole.get("logprobs", [])
    for name in ("model", "done", "done_reason", "prompt_eval_count", "eval_count"):
        assert read.last[name] == whole[name]


def test_calls_come_whole_however_their_pieces_came() -> None:
    for found in (streamed(CALLS).calls, folded(CALLS)["message"]["tool_calls"]):
        assert [one["function"] for one in found] == [
            {"index": 0, "name": "f", "arguments": {"a": 1}},
            {"index": 1, "name": "g", "arguments": {}},
        ]
        assert found[0]["id"] == "call_x"
        assert re.fullmatch(r"call_[a-z0-9]{8}", found[1]["id"])


def test_calls_come_before_the_last_line_even_without_a_reason() -> None:
    read = streamed([Text("So:"), ToolCall(0, "f", "{}")])

    assert [bool(line["message"].get("tool_calls")) for line in read.lines] == [False, True, False]


def test_arguments_are_an_object_whatever_a_model_writes() -> None:
    written: Mapping[str, Json] = {
        "": {},
        "null": {},
        " ": {},
        "{}": {},
        '{"a": [1]}': {"a": [1]},
        "7": {"value": 7},
        "{oops": {"_raw": "{oops"},
    }
    assert {text: arguments_or_text(text) for text in written} == dict(written)


@pytest.mark.parametrize(
    ("reason", "told"),
    [("stop", "stop"), ("length", "length"), ("tool_calls", "stop"), ("content_filter", "stop")],
)
def test_the_reason_is_in_the_servers_words(reason: str, told: str) -> None:
    assert streamed([Text("a"), Finish(reason)]).last["done_reason"] == told


def test_thoughts_that_were_declined_are_not_shown() -> None:
    events = [Reasoning("Hm."), Text("Yes")]

    assert streamed(events, form(thinking=Thinking(include=False))).thinking == ""
    assert "thinking" not in folded(events, form(thinking=Thinking(include=False)))["message"]


def test_tokens_are_the_providers_or_a_guess() -> None:
    counted, guessed = streamed([Text("a"), Usage(3, 9)]), streamed([Text("a"), Text("b")])

    assert (counted.last["prompt_eval_count"], counted.last["eval_count"]) == (3, 9)
    assert (guessed.last["prompt_eval_count"], guessed.last["eval_count"]) == (7, 2)


def test_durations_are_those_of_asking_and_writing() -> None:
    last = streamed([Text("a")]).last  # opened at 0, first content at 1, told at 2, over at 3

    assert last["prompt_eval_duration"] == 1_000_000_000
    assert last["total_duration"] == 3_000_000_000 == 1_000_000_000 + last["eval_duration"]


def test_durations_are_never_nothing() -> None:
    stream, fold = LineStream(answer(clock=lambda: 0.0)), ObjectFold(answer(clock=lambda: 0.0))
    fold.feed([Text("a")])
    for data in (stream.feed([Text("a")]) + stream.end(), fold.end()):
        last = json.loads(data.splitlines()[-1])
        assert last["eval_duration"] >= 1 and last["total_duration"] >= 1


def test_a_picture_has_a_place_in_what_is_generated_alone() -> None:
    events: list[Event] = [Media("image/png", "AAAA"), Finish("stop")]

    assert [line.get("image") for line in streamed(events, form(generates=True)).lines] == [
        "AAAA",
        None,
    ]
    assert "images" not in folded(events)["message"]


def test_what_was_said_is_the_context_of_the_last_line() -> None:
    made = form(generates=True, said=[("user", "Hi")])
    for last in (streamed([Text("Hel"), Text("lo")], made).last, folded([Text("Hello")], made)):
        assert dialogue_of(last["context"]) == [("user", "Hi"), ("assistant", "Hello")]


def test_what_is_too_long_to_be_packed_at_once_is_no_context(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(context.zlib, "compress", None)
    assert numbers_of([("user", "x" * 28_000_000)]) is None


def test_a_line_is_one_line_to_every_reader() -> None:
    text = "a\u2028b\u2029c\x85d\x0be\x1cf\r\n é"
    for generates in (False, True):
        data = LineStream(answer(form(generates=generates))).feed([Text(text), Reasoning(text)])
        assert len(data.decode().splitlines()) == 2
    assert streamed([Text(text)]).text == folded([Text(text)])["message"]["content"] == text


def test_who_waits_gets_lines_that_add_nothing() -> None:
    for generates in (False, True):
        stream = LineStream(answer(form(generates=generates)))
        data = stream.wait() + stream.feed([Text("a")]) + stream.wait() + stream.end()
        read = Grammar(data, generates=generates)
        assert (read.text, len(read.lines)) == ("a", 4)


def test_a_failure_is_the_last_line_and_no_end() -> None:
    stream = LineStream(answer())
    data = stream.feed([Text("Hel")]) + stream.fail(ApiError(502, "it broke"))
    read = Grammar(data)

    assert (read.text, read.error, read.last) == ("Hel", "it broke", {})


def test_an_answer_may_be_cut_where_it_has_text_and_no_call() -> None:
    cases: list[tuple[list[Event], bool]] = [
        ([Text("Hel")], True),
        ([Reasoning("Hm")], False),
        ([Text("a"), ToolCall(0, "f", "{")], False),
    ]
    for events, may in cases:
        fold = ObjectFold(answer())
        fold.feed(events)
        assert fold.cut() is may
    fold = ObjectFold(answer())
    fold.feed([Text("Hel")])
    fold.cut()
    assert json.loads(fold.end())["done_reason"] == "length"


def test_a_context_too_long_loses_its_beginning() -> None:
    import random

    noise = random.Random(1)
    long = [("user", "".join(chr(noise.randint(33, 999)) for _ in range(90_000)))] * 4
    varied = [("user", text[n:] + text[:n]) for n, (_, text) in enumerate(long)]
    numbers = numbers_of([*varied, ("assistant", "Last.")])

    assert numbers is not None
    kept = dialogue_of(numbers)
    assert kept and kept[-1] == ("assistant", "Last.") and len(kept) < 5
