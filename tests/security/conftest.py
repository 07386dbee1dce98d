"""A server over the fakes, and a way to wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.security.kit import PATIENCE_S, Fakes, Threaded, serving, settings_for


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
