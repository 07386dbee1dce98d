"""The fakes for the whole session, and as new for every test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.security.kit import PATIENCE_S, Fakes, fakes_running


@pytest.fixture(scope="session")
def session_fakes() -> Iterator[Fakes]:
    with fakes_running() as fakes:
        yield fakes


@pytest.fixture
def fakes(session_fakes: Fakes) -> Fakes:
    session_fakes.forget()
    return session_fakes


@pytest.fixture
def wait() -> Callable[[Callable[[], object]], None]:
    """Waits until something holds; what does not come fails the test."""

    def until(holds: Callable[[], object]) -> None:
        ends_at = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < ends_at
            time.sleep(0.01)

    return until
