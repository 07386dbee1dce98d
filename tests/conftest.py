"""What every test may use."""

from __future__ import annotations

import gc
import os
import sys
from collections import defaultdict
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if sys.dont_write_bytecode:
    # Each process that a test starts would compile all there is, which takes it a second.
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "pycache")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Loaded once; else each server of the tests would ask a process of its own for the prices, or
# where Ollama's calls go.
import genai_prices.data  # noqa: F401
import ollama  # noqa: F401
import pytest
from hypothesis import settings

from tests.sampling import ALL, spread

if TYPE_CHECKING:
    from tests.security.kit import Fakes

# How long an example takes tells of the machine; in CI that is so anyhow.
_USUAL = settings.get_profile(settings.get_current_profile_name())
settings.register_profile("untimed", _USUAL, deadline=None, max_examples=100 if ALL else 25)
settings.load_profile("untimed")

ROWS = 2
"""So many cases of one test are tried by hand; `.ci/run` tries all."""
HEAVY_ROWS = 1
"""So many of one that is marked as heavy."""


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Half as many again as there are processors: tests wait for children, browsers and answers."""
    processors = yield
    return processors + processors // 2


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out most of each long row of cases, unless one of them is asked for by name."""
    if ALL or any("[" in str(name) for name in config.args):
        return
    rows: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        rows[item.nodeid.partition("[")[0]].append(item)
    kept = {item for row in rows.values() for item in spread(row, _most(row[0]))}
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = [item for item in items if item in kept]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What thousands of tests are made of stays: the collector need not walk it time and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def _most(item: pytest.Item) -> int:
    return HEAVY_ROWS if item.get_closest_marker("heavy") else ROWS


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
