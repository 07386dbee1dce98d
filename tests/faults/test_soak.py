"""A short soak: what a thousand mixed requests leave behind. The long one: benchmarks/soak.py."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from tests.faults.conftest import Build

pytestmark = pytest.mark.anyio

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "soak.py"


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, as a module that its dataclass can be found in."""
    spec = importlib.util.spec_from_file_location("soak", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "soak", module)
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec.loader.exec_module(module)
    return module


async def test_a_thousand_mixed_requests_leave_nothing_behind(
    build: Build, soak: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    world = await build("groq", "gemini", "ollama", max_wait_s=5)
    caplog.set_level(logging.ERROR)  # kept log lines would be all that grows
    statuses: Counter[int] = Counter()

    samples = await soak.soak(world, 1000, statuses)

    first, *_, last = samples
    assert statuses[200] > 700
    assert statuses[500] == 0
    assert {one.tasks for one in samples} == {first.tasks}
    assert last.connections <= 100
    assert last.rss - first.rss < 20
