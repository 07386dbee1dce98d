"""What is measured of answers: percentiles, speed, the last failure, the apps that asked."""

from __future__ import annotations

import pytest

from adapters.base import ErrorKind
from proxy.telemetry.recorder import MAX_APP_NAME, MAX_APPS, RING, Recorder, Speed
from tests.proxy.kit import failure
from tests.proxy.store.usage.test_rows import failed


def recorder() -> Recorder:
    return Recorder(wall=lambda: 1000.0)


def test_nothing_measured_is_nothing_told() -> None:
    assert recorder().speed("far") == Speed()
    assert recorder().failure("far") is None


@pytest.mark.parametrize(
    ("times", "p50_s", "p95_s"),
    [
        ([3.0], 3.0, 3.0),
        ([1.0, 2.0], 1.0, 2.0),
        ([5.0, 1.0, 3.0], 3.0, 5.0),
        ([float(i) for i in range(1, 101)], 50.0, 95.0),
    ],
)
def test_percentiles_are_of_answers_that_came(
    times: list[float], p50_s: float, p95_s: float
) -> None:
    told = recorder()
    for total_s in times:
        told.answered("far", total_s / 2, total_s, 10, True)
    speed = told.speed("far")
    assert (speed.answers, speed.p50_s, speed.p95_s) == (len(times), p50_s, p95_s)
    assert speed.first_s == p50_s / 2


@pytest.mark.parametrize(
    ("first_s", "total_s", "tokens", "rate"),
    [
        (1.0, 3.0, 100, 50.0),  # a stream: of the time after the first token
        (2.0, 2.0, 100, 50.0),  # in one piece: of the whole time
        (1.9, 2.0, 100, 50.0),  # nearly in one piece
        (1.0, 2.0, 0, None),
        (1.0, 2.0, None, None),
        (0.0, 0.0, 100, None),
    ],
)
def test_tokens_a_second_are_those_of_the_writing(
    first_s: float, total_s: float, tokens: int | None, rate: float | None
) -> None:
    told = recorder()
    told.answered("far", first_s, total_s, tokens, True)
    assert told.speed("far").tokens_per_s == rate


def test_what_failed_counts_but_does_not_measure() -> None:
    told = recorder()
    told.answered("far", 0.1, 0.2, 5, False)
    told.answered("far", None, 9.0, None, True)
    assert told.speed("far") == Speed(answers=1, failures=1)


def test_only_the_last_answers_are_kept() -> None:
    told = recorder()
    told.answered("far", 9.0, 9.0, 1, False)
    for _ in range(RING):
        told.answered("far", 0.5, 1.0, 1, True)
    assert told.speed("far").failures == 0
    assert told.speed("far").answers == RING


def test_the_last_failure_is_kept_in_our_words() -> None:
    told = recorder()
    told.ended(failed(failure(ErrorKind.STALL, "far")))
    told.ended(failed(failure(ErrorKind.SERVER, "far")))
    found = told.failure("far")
    assert found is not None
    assert (found.at, found.kind) == (1000.0, "server")
    assert found.message == "failed with a fault of its own"


def test_apps_are_counted_and_the_one_silent_longest_makes_room() -> None:
    told = recorder()
    for i in range(MAX_APPS + 1):
        told.seen(f"app{i}")
    told.seen("app1")
    assert len(told.apps()) == MAX_APPS
    assert "app0" not in told.apps()
    assert told.apps()["app1"].requests == 2
    assert list(told.apps())[-1] == "app1"


@pytest.mark.parametrize("name", [None, "", "x" * (MAX_APP_NAME + 1)])
def test_what_is_no_name_is_no_app(name: str | None) -> None:
    told = recorder()
    told.seen(name)
    assert told.apps() == {}
