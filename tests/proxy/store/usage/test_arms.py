"""How the arms of a split choice compare: by their own answers, and by the owner's verdicts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.base import Usage
from proxy.candidate import Candidate
from proxy.console.ledger import Ledger
from proxy.routing.answers.receipt import Receipt
from proxy.store.usage import arms
from proxy.store.usage.arms import save_verdict
from tests.proxy.store.usage.test_queries import FAR, NEAR, NOW, Log
from tests.proxy.store.usage.test_rows import answered

pytestmark = pytest.mark.anyio


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    opened = Log(tmp_path / "store.db")
    yield opened
    opened.database.close()


def _arm(receipt: Receipt, arm: str) -> Receipt:
    receipt.arm = arm
    return receipt


async def _arms(log: Log, now: float = NOW) -> dict[str, Any]:
    told = await Ledger(log.query, log.usage, wall=lambda: now).arms({"range": "24h"})
    found = told["arms"]
    return {arm["name"]: arm for arm in found}


async def test_without_a_split_there_is_nothing_to_compare(log: Log) -> None:
    log.add()
    assert await _arms(log) == {}


async def test_an_arm_is_told_by_its_own_answers(log: Log) -> None:
    for at in range(4):
        log.add(
            _arm(answered(NEAR, usage=Usage(10, 6), finish="stop"), "near"), total_s=2.0 + 2 * at
        )
    log.add(_arm(answered(NEAR, usage=Usage(10, 9), finish="length"), "near"), total_s=2.0)
    log.add(_arm(answered(NEAR, FAR, usage=Usage(10, 500), finish="stop"), "near"), total_s=90.0)
    log.add(_arm(answered(FAR, usage=Usage(10, 1), finish="stop"), "far"), status=200)
    log.add(_arm(answered(FAR, written=8, prompt_guess=3), "far"), status=200, error="broken")
    log.add(_arm(answered(FAR, written=8, prompt_guess=3), "far"), status=499)

    arms = await _arms(log)

    near, far = arms["near"], arms["far"]
    assert [near[what] for what in ("requests", "errors", "passed_on", "answered", "cut")] == [
        6,
        0,
        1,
        5,
        1,
    ]
    assert near["completion"] == 4 * 6 + 9
    assert (near["first_s_p50"], near["first_s_p95"]) == (2.0, 4.0)
    assert near["tokens_per_s_p50"] == 3.0
    assert [far[what] for what in ("requests", "errors", "passed_on", "cut")] == [3, 1, 0, 1]


async def test_verdicts_are_counted_for_all_who_were_judged(log: Log) -> None:
    near, far = Candidate("near", "m"), Candidate("far", "n")
    log.database.write(partial(save_verdict, verdict=[(near, True), (far, False)]))
    log.database.write(partial(save_verdict, verdict=[(near, False), (far, False)]))

    arms = await _arms(log, time.time())

    assert {name: (arm["won"], arm["judged"]) for name, arm in arms.items()} == {
        "near": (1, 2),
        "far": (0, 2),
    }
    assert arms["near"]["first_s_p50"] is None


def test_only_so_many_verdicts_are_kept(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arms, "MAX_VERDICTS", 4)
    for _ in range(5):
        log.database.write(partial(save_verdict, verdict=[(NEAR, True), (FAR, False)]))
    assert log.database.rows("SELECT COUNT(*) FROM verdicts", {})[0][0] == 4
