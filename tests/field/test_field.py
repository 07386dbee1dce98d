"""What people met with proxies and apps before the three providers, replayed: one file a report."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from adapters.gemini.line import line
from proxy.clocks import Clocks
from proxy.settings import Settings, load_settings
from tests.fakes import GEMINI_KEY, GROQ_KEY
from tests.field.checks import failing
from tests.field.client import seen, sent
from tests.field.fake import CHAT_PATHS, FieldFake
from tests.security.kit import SOAK, serving

CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))
PACE = 0.2
"""What a second of a case's own waiting takes here, and a second of a provider's timeout."""
OURS = ("POINTSMAN_", "LLM_", "GROQ_", "GEMINI_", "OLLAMA_", "EMBEDDED_")
NOBODY = "http://127.0.0.1:9"

Fakes = Mapping[str, FieldFake]


class Time:
    """The real time, and on top of it what a case or the proxy has waited without waiting."""

    def __init__(self) -> None:
        self.skipped_s = 0.0
        self.clocks = Clocks(self.clock, lambda: time.time() + self.skipped_s, self.sleep)

    def clock(self) -> float:
        return time.monotonic() + self.skipped_s

    async def sleep(self, seconds: float) -> None:
        self.skipped_s += seconds
        await asyncio.sleep(0)


@pytest.fixture(scope="module")
def fakes() -> Iterator[Fakes]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(FieldFake(name)) for name in CHAT_PATHS}


@pytest.fixture(autouse=True)
def one_line(line_once: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK is asked for a line once and not for every case, which takes it a process each."""
    monkeypatch.setattr("adapters.gemini.adapter.line", line_once)


@pytest.fixture(scope="module")
def line_once() -> Any:
    return functools.cache(line)


def environment(case: Mapping[str, Any], fakes: Fakes) -> dict[str, str]:
    """The settings of a case; who is not in its order has neither key nor server."""
    order = case.get("order") or [case["provider"]]
    keys = {"groq": GROQ_KEY, "gemini": GEMINI_KEY}
    given = {
        "LLM_PROVIDER": order[0],
        "POINTSMAN_FALLBACK": ",".join(order),
        "POINTSMAN_RATE_PRESET": "off",
        "OLLAMA_BASE_URL": NOBODY,
        **{f"{name.upper()}_API_KEY": keys[name] for name in order if name in keys},
        **{f"{name.upper()}_BASE_URL": fakes[name].url for name in order},
        **case.get("env", {}),
    }
    for name in [name for name in given if name.endswith("_TIMEOUT")]:
        given[name] = str(float(given[name]) * PACE)
    return given


def begin(case: Mapping[str, Any], fakes: Fakes) -> None:
    """Tell each fake its part, and what it lists: what the case says, else what is configured."""
    env = case.get("env", {})
    for name, fake in fakes.items():
        entries = [e for e in case["upstream"] if e.get("provider", case["provider"]) == name]
        configured = env.get(f"{name.upper()}_MODEL")
        about = {
            "models": [configured] if configured else [],
            **case.get("about", {}).get(name, {}),
        }
        fake.begin(entries, about, pace=PACE)


def play(case: Mapping[str, Any], settings: Settings, fakes: Fakes) -> dict[str, Any]:
    """Everything that the checks of a case may look at, once all of its steps are done."""
    moment = Time()
    request = case["request"]
    answers = []
    with serving(settings, clocks=moment.clocks) as server:
        for step in request if isinstance(request, list) else [{"body": request}]:
            moment.skipped_s += step.get("after_s", 0)
            began = moment.clock()
            reply = sent(server.port, step)
            answers.append(seen(reply, moment.clock() - began))
    calls = {name: fake.calls for name, fake in fakes.items()}
    return {
        "answers": answers,
        "answer": answers[-1],
        "calls": {name: len(made) for name, made in calls.items()},
        "sent": calls,
    }


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_report_of_the_field_has_its_answer(
    path: Path, fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    if case.get("slow") and not SOAK:
        pytest.skip("takes over a minute; POINTSMAN_SOAK=1 runs it")
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    for name, value in environment(case, fakes).items():
        monkeypatch.setenv(name, value)
    begin(case, fakes)
    settings = load_settings(database_url=f"sqlite:///{tmp_path / 'pointsman.db'}")

    played = play(case, settings, fakes)

    assert not (failures := failing(case["expect"]["that"], played)), "\n".join(failures)
