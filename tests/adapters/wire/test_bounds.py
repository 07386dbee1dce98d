"""What an answer may hold, and what becomes of one that holds more."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.base import (
    AdapterError,
    Annotation,
    ErrorKind,
    Event,
    Logprobs,
    Media,
    Start,
    ToolCall,
    Usage,
)
from adapters.wire.bounds import (
    MAX_ANNOTATIONS,
    MAX_CALLS,
    MAX_CHOICES,
    MAX_COUNT,
    MAX_WORD,
    OutOfBoundsError,
    Tally,
    choice_index,
    count,
    items,
    unix_time,
    word,
)


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def test_a_choice_has_a_small_number() -> None:
    assert choice_index(MAX_CHOICES - 1) == MAX_CHOICES - 1
    assert choice_index("0") == 0
    for index in (-5, MAX_CHOICES, 10**8, 2**64 - 1, True, 1.0, "x", "-1", "128", None):
        with pytest.raises(OutOfBoundsError):
            choice_index(index)


def test_counts_and_times_beyond_every_database_are_none() -> None:
    assert count(MAX_COUNT) == MAX_COUNT
    assert count("7") == count(7.0) == 7
    assert unix_time(1_800_000_000) == 1_800_000_000
    for told in (-1, 2**64 - 1, 1.5, "-7", "9" * 5000, True, None):
        assert count(told) is None
        assert unix_time(told) is None


def test_a_word_is_short_and_on_one_line() -> None:
    assert word("chatcmpl-1") == "chatcmpl-1"
    assert word("a\nb\0c") == "a b c"
    assert word("x" * 900_000) == "x" * MAX_WORD
    for told in ("", None, 7, ["x"]):
        assert word(told) is None


def test_a_list_has_so_many_entries() -> None:
    assert items(None) == ()
    assert items([1, 2], 2) == [1, 2]
    for value in ([1, 2, 3], "abc", {"a": 1}, 5):
        with pytest.raises(OutOfBoundsError):
            items(value, 2)


ONE_TOO_MANY: dict[str, list[Event]] = {
    "calls": [ToolCall(key=at) for at in range(MAX_CALLS + 1)],
    "annotations": [Annotation({})] * (MAX_ANNOTATIONS + 1),
    "a deep annotation": [Annotation(deep(300))],
    "deep log probabilities": [Logprobs([deep(300)])],
    "log probabilities that are none": [Logprobs(5)],  # type: ignore[arg-type]
    "deep words beside a call": [ToolCall(key=0, extra=deep(300))],
    "usage": [Usage(prompt=2**64 - 1)],
    "negative usage": [Usage(completion=-1)],
    "deep usage": [Usage(extra=deep(300))],
    "audio that is no base64": [Media("audio/wav", "x!")],
    "audio with an end within": [Media("audio/wav", "A" * 65_535 + "=AAAA")],
    "an id without end": [Start(id="x" * 100_000)],
}


@pytest.mark.parametrize("events", ONE_TOO_MANY.values(), ids=ONE_TOO_MANY.keys())
def test_what_is_too_much_is_told_with_the_event_that_makes_it_so(events: list[Event]) -> None:
    tally = Tally()
    for event in events[:-1]:
        tally.take(event)

    with pytest.raises(OutOfBoundsError):
        tally.take(events[-1])


def test_a_call_in_a_million_pieces_is_one() -> None:
    tally = Tally()

    for _ in range(MAX_CALLS * 3):
        tally.take(ToolCall(key=0, arguments="x"))


def test_what_an_error_repeats_of_a_provider_is_short() -> None:
    error = AdapterError(
        ErrorKind.BAD_REQUEST, "m" * 900_000, provider="p", upstream_code="C\n" * 450_000
    )

    assert len(error.message) == 1000
    assert len(str(error)) < 1100
    assert error.upstream_code == "C " * 50
