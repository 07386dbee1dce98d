"""Which call a result answers where clients drop ids."""

from __future__ import annotations

from proxy.doors.reading.pairing import OpenCalls


def test_an_id_decides_whatever_else_is_said() -> None:
    calls = OpenCalls()
    first, second = calls.called("f", "a"), calls.called("f", "b")

    assert (calls.answered("f", "b"), calls.answered("f", "a")) == (second, first)


def test_without_ids_names_decide_in_the_order_of_the_calls() -> None:
    calls = OpenCalls()
    rome, time, oslo = calls.called("weather"), calls.called("time"), calls.called("weather")

    assert len({rome, time, oslo}) == 3
    assert [calls.answered(name) for name in ("weather", "weather", "time")] == [rome, oslo, time]


def test_without_names_the_place_decides() -> None:
    calls = OpenCalls()
    made = [calls.called("f"), calls.called("g")]

    assert [calls.answered(), calls.answered("unheard", "of")] == made


def test_a_result_too_many_answers_nothing() -> None:
    calls = OpenCalls()
    calls.called("f", "a")

    assert (calls.answered(call_id="a"), calls.answered(call_id="a")) == ("a", None)


def test_a_call_from_before_the_user_spoke_comes_after_newer_ones() -> None:
    calls = OpenCalls()
    old = calls.called("f")
    calls.asked()
    new = calls.called("f")

    assert [calls.answered("f"), calls.answered("f")] == [new, old]


def test_made_ids_stay_the_same_as_a_conversation_grows() -> None:
    short, long = OpenCalls(), OpenCalls()
    before = [short.called("f"), short.called("g")]
    grown = [long.called("f"), long.called("g"), long.called("h")]

    assert grown[:2] == before
    assert grown[2] not in before


def test_an_id_that_is_used_again_is_the_newest_call() -> None:
    calls = OpenCalls()
    calls.called("f", "same")
    calls.called("g", "same")

    assert calls.answered("f", "same") == "same"
    assert calls.answered("f") == "same"
