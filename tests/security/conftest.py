"""The fakes for the whole session, as new for every test, and a server over them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.security.kit import PATIENCE_S, Fakes, Threaded, fakes_running, serving, settings_for


@pytest.fixture(scope="session")
def session_fakes() -> Iterator[Fakes]:
    with fakes_running() as fakes:
        yield fakes


@pytest.fixture
def fakes(session_fakes: Fakes) -> Fakes:
    session_fakes.forget()
    return session_fakes


@pytest.fixture(scope="module")
def server(session_fakes: Fakes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Threaded]:
    with serving(settings_for(session_fakes, tmp_path_factory.mktemp("server"))) as one:
        yield one


@pytest.fixture
def wait() -> Callable[[Callable[[], object]], None]:
    """Waits until something holds; what does not come fails the test."""

    def until(holds: Callable[[], object]) -> None:
        ends_at = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < ends_at
            time.sleep(0.01)

    return until
