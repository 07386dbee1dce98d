"""How long the first content of a stream is waited for."""

from __future__ import annotations

import pytest

from adapters.base import Thinking
from proxy.candidate import Candidate
from proxy.limits.patience import (
    ENOUGH,
    FAIR_SHARE_S,
    FIRST_S,
    LEAST_S,
    LOADED_S,
    LOADING_S,
    MAX_MODELS,
    Patience,
    streamed_of,
)
from tests.proxy.kit import request

CLOUD, HOME = Candidate("cloud", "m"), Candidate("home", "m")
STREAM = request(stream=True)
HARD = request(stream=True, thinking=Thinking("high"))


@pytest.fixture
def patience() -> Patience:
    return Patience({}, frozenset({"home"}))


def _hear(patience: Patience, who: Candidate, *took_s: float, at: float = 0.0) -> None:
    for one in took_s:
        patience.heard(who, STREAM, at, at + one)


def test_a_model_s_own_times_decide_once_there_are_enough(patience: Patience) -> None:
    _hear(patience, CLOUD, *[0.5] * (ENOUGH - 1))
    assert patience.first(CLOUD, STREAM, 0, 0).seconds == FIRST_S
    _hear(patience, CLOUD, 0.5)
    assert patience.first(CLOUD, STREAM, 0, 0).seconds == LEAST_S
    _hear(patience, CLOUD, 25.0)
    assert patience.first(CLOUD, STREAM, 0, 0).seconds == 100.0


def test_it_is_never_less_than_what_was_needed_before(patience: Patience) -> None:
    _hear(patience, CLOUD, 45.0)
    assert patience.first(CLOUD, STREAM, 0, 0).seconds > 45.0


def test_thinking_hard_has_times_of_its_own(patience: Patience) -> None:
    _hear(patience, CLOUD, *[0.5] * ENOUGH)
    assert patience.first(CLOUD, HARD, 0, 0).seconds == FIRST_S


def test_a_long_prompt_takes_longer_to_read(patience: Patience) -> None:
    assert patience.first(CLOUD, STREAM, 30_000, 0).seconds == FIRST_S + 30
    _hear(patience, HOME, 1.0)
    assert patience.first(HOME, STREAM, 3_000, 2).seconds == FIRST_S + 60


def test_a_local_model_that_may_be_loading_is_not_ill(patience: Patience) -> None:
    cold = patience.first(HOME, STREAM, 0, 1000)
    assert (cold.seconds, cold.is_fair) == (LOADING_S, False)
    _hear(patience, HOME, 90.0, at=1000)
    warm = patience.first(HOME, STREAM, 0, 1100)
    assert (warm.seconds, warm.is_fair) == (FIRST_S, True)  # the 90 s are not held against it
    assert patience.first(HOME, STREAM, 0, 1090 + LOADED_S).seconds == LOADING_S


def test_what_is_set_stands(patience: Patience) -> None:
    patience = Patience({"cloud": 3.0, "home": None}, frozenset({"home"}))
    told = patience.first(CLOUD, STREAM, 10_000, 0)
    assert (told.seconds, told.is_fair) == (3.0, True)


def test_an_answer_in_one_piece_has_the_whole_deadline(patience: Patience) -> None:
    assert streamed_of(request()) is None
    assert streamed_of(object()) is None
    assert streamed_of(STREAM) is STREAM
    assert patience.share(CLOUD, None, 0, 0, 100).seconds == 60


def test_it_is_never_more_than_a_share_of_what_is_left(patience: Patience) -> None:
    assert patience.share(CLOUD, STREAM, 0, 0, 100).seconds == FIRST_S
    short = patience.share(CLOUD, STREAM, 0, 0, FAIR_SHARE_S)
    assert (short.seconds, short.is_fair) == (FAIR_SHARE_S * 0.6, False)


def test_only_so_many_models_are_remembered(patience: Patience) -> None:
    for i in range(3 * MAX_MODELS):
        patience.heard(Candidate("home", f"m{i}"), STREAM, 0, 1)
        patience.heard(Candidate("home", f"m{i}"), STREAM, 1, 2)
    assert len(patience._lately) == len(patience._spoke_at) == MAX_MODELS
