"""What every test may use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

# Loaded once; else each server of the tests would ask a process of its own for the prices, or
# where Ollama's calls go.
import genai_prices.data  # noqa: F401
import ollama  # noqa: F401
import pytest

if TYPE_CHECKING:
    from tests.security.kit import Fakes


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the server does."""
    return "asyncio"


@pytest.fixture(scope="session")
def session_fakes() -> Iterator[Fakes]:
    """A fake of every provider, as long as the tests run."""
    from tests.security.kit import fakes_running  # the whole server, which few tests need

    with fakes_running() as fakes:
        yield fakes


@pytest.fixture
def fakes(session_fakes: Fakes) -> Fakes:
    """They have heard nothing yet, and have no orders."""
    session_fakes.forget()
    return session_fakes
