"""`/metrics`: read with Prometheus' own parser."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from adapters.base import ErrorKind
from proxy.limits.windows import Limits
from proxy.telemetry.metrics import BOUNDS_S, Histogram, Tally
from tests.admin.kit import Desk, desk
from tests.proxy.kit import HANG, failure
from tests.proxy.store.usage.test_rows import answered, row, script

pytestmark = pytest.mark.anyio

Samples = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture
async def owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(monkeypatch, tmp_path) as opened:
        yield opened


def labels_of(labels: dict[str, str]) -> tuple[str, ...]:
    return tuple(labels[name] for name in sorted(labels))


async def scraped(owner: Desk) -> Samples:
    """Every sample by its name and the values of its labels, in the order of their names."""
    answer = await owner.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name.removeprefix("pointsman_"), labels_of(sample.labels)): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_a_new_server_has_counted_nothing(owner: Desk) -> None:
    found = await scraped(owner)

    assert found["requests_in_flight", ()] == found["requests_waiting", ()] == 0
    assert found["usage_rows_dropped_total", ()] == 0
    assert found["provider_state", ("near", "ready")] == 1
    assert not any(name == "requests_total" for name, _ in found)


async def test_whether_it_shares_is_told_by_who_is_to(
    owner: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert not any(name in ("shared", "servers") for name, _ in await scraped(owner))
    url = SecretStr(f"unix://{tmp_path}/nobody.sock")
    async with desk(monkeypatch, tmp_path / "other", shared_url=url) as lonely:
        found = await scraped(lonely)
    assert (found["shared", ()], found["servers", ()]) == (0, 1)


async def test_what_ended_is_counted(owner: Desk) -> None:
    script(owner, "near").play([failure(ErrorKind.RATE_LIMIT, "near", status=429)])
    await owner.ask()
    await owner.ask()

    found = await scraped(owner)

    assert found["requests_total", ("chat", "far", "200")] == 2
    assert found["rotated_total", ("far",)] == 2
    assert found["attempts_total", ("rate_limit", "near")] == 1
    assert found["attempts_total", ("answer", "far")] == 2
    assert found["tokens_total", ("far", "prompt")] == 6
    assert found["tokens_total", ("far", "completion")] == 4
    assert found["first_content_seconds_count", ("far",)] == 2
    assert found["request_seconds_bucket", ("+Inf", "far")] == 2
    assert found["provider_state", ("near", "cooling")] == 1
    assert found["cooldown_seconds", ("near",)] > 0


async def test_limits_are_told_of_the_model_in_use(owner: Desk) -> None:
    owner.parts.health.keep_to({"near": Limits(requests_per_minute=30)})
    await owner.ask()
    await owner.ask("near/another-one")

    found = await scraped(owner)

    assert found["window_used", ("near", "requests a minute")] == 1
    assert found["window_limit", ("near", "requests a minute")] == 30


async def test_what_is_under_way_is_told(owner: Desk) -> None:
    near = script(owner, "near").play([HANG])
    asking = asyncio.create_task(owner.ask())
    await asyncio.to_thread(near.began.wait, 5)

    assert (await scraped(owner))["requests_in_flight", ()] == 1
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert (await scraped(owner))["requests_in_flight", ()] == 0


async def test_clients_cannot_make_labels(owner: Desk) -> None:
    before = len(await scraped(owner))
    for number in range(20):
        key = {"authorization": f"Bearer app-{number}"}
        await owner.ask(f"near/model-{number}", headers=key)
    once = len(await scraped(owner))
    for number in range(20, 40):
        await owner.ask(f"near/model-{number}", headers={"authorization": f"Bearer app-{number}"})

    assert before < once == len(await scraped(owner))


async def test_the_token_guards_the_metrics(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with desk(monkeypatch, tmp_path, admin_token="let-me-in") as locked:
        assert (await locked.client.get("/metrics")).status_code == 401
        shown = {"authorization": "Bearer let-me-in"}
        assert (await locked.client.get("/metrics", headers=shown)).status_code == 200


def test_a_histogram_counts_all_below_a_bound() -> None:
    histogram = Histogram()
    for time_s in (0.05, 0.051, 3, 500):
        histogram.add(time_s)

    counts = dict(histogram.buckets())
    assert (counts["0.05"], counts["0.1"], counts["5.0"], counts["120.0"]) == (1, 2, 3, 3)
    assert counts["+Inf"] == 4 and len(counts) == len(BOUNDS_S) + 1
    assert histogram.sum_s == pytest.approx(503.101)


def test_estimated_tokens_are_counted_apart() -> None:
    from proxy.candidate import Candidate

    tally = Tally()
    tally.add(row(answered(Candidate("near", "m"), written=8, prompt_guess=3), status=499))

    assert dict(tally.tokens) == {
        ("near", "estimated_prompt"): 3,
        ("near", "estimated_completion"): 2,
    }


def test_prometheus_is_imported_only_for_the_one_who_asks() -> None:
    code = "import proxy.server, sys; print('prometheus_client' in sys.modules)"
    found: Any = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "False"
