"""What the usage log tells: sums over time, times and rates, the request log, receipts, exports."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.base import Usage
from proxy.candidate import Candidate
from proxy.console.ledger import Ledger, _cell, filter_of
from proxy.errors import ApiError
from proxy.routing.answers.receipt import Receipt
from proxy.store.base import StoreError, Tables
from proxy.store.database import Database
from proxy.store.usage.queries import MAX_GROUPS, REST, Span, usage
from proxy.store.usage.rows import UsageQueue
from tests.admin.kit import Desk, desk
from tests.proxy.store.usage.test_rows import answered, row

pytestmark = pytest.mark.anyio

NEAR, FAR = Candidate("near", "near-1"), Candidate("far", "far-1")
NOW = 1_700_000_000.0
HOUR_S = 3600


class Log:
    """A database with a usage log, read as the ledger reads it."""

    def __init__(self, path: Path) -> None:
        self.database = Database(f"sqlite:///{path}")
        self.database.open()
        self.usage = UsageQueue()
        self.problem: StoreError | None = None
        self.ledger = Ledger(self.query, self.usage, wall=lambda: NOW)

    async def query(self, work: Callable[[Tables], Any]) -> Any:
        if self.problem:
            raise self.problem
        return self.database.read(work)

    def add(self, receipt: Receipt | None = None, *, total_s: float = 1.0, **given: Any) -> None:
        if receipt is None:
            receipt = answered(NEAR, usage=Usage(10, 5), finish="stop")
        columns = row(receipt, **{"at": NOW - 60, **given}).columns()
        self.database.append([columns | {"total_s": total_s, "first_s": total_s / 2}])


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    opened = Log(tmp_path / "store.db")
    yield opened
    opened.database.close()


# Sums


async def test_an_empty_log_sums_to_nothing(log: Log) -> None:
    told = await log.ledger.usage({})

    assert told["total"]["requests"] == 0
    assert told["groups"] == told["series"] == []


async def test_use_is_summed_by_provider(log: Log) -> None:
    log.add()
    log.add(answered(NEAR, FAR, usage=Usage(20, 7), finish="stop"))
    log.add(answered(NEAR, written=8, prompt_guess=3), status=499)
    log.add(Receipt(), status=400, error="invalid_value")

    told = await log.ledger.usage({"range": "24h"})

    near, *rest = told["groups"]
    assert (near["name"], near["requests"], near["prompt"], near["completion"]) == (
        "near",
        2,
        10,
        5,
    )
    assert (near["estimated"], near["cancelled"], near["errors"]) == (5, 1, 0)
    far, nobody = sorted(rest, key=lambda group: group["name"] or "z")
    assert (far["name"], far["rotated"], far["prompt"], far["completion"]) == ("far", 1, 20, 7)
    assert (nobody["name"], nobody["errors"]) == (None, 1)
    total = told["total"]
    assert (total["requests"], total["prompt"], total["completion"]) == (4, 30, 12)
    assert told["first_choices"] == {"near": {"requests": 3, "rotated": 1}}


async def test_use_is_summed_by_app(log: Log) -> None:
    log.add(app="notes")
    log.add(app="notes")
    log.add()

    told = await log.ledger.usage({"range": "24h", "by": "app"})

    assert [(one["name"], one["requests"]) for one in told["groups"]] == [("notes", 2), (None, 1)]


@pytest.mark.parametrize("by", ["app", "model"])
async def test_of_names_without_end_the_largest_are_told_and_the_rest_is_summed(
    log: Log, by: str
) -> None:
    for number in range(MAX_GROUPS + 20):
        for _ in range(2 if number < MAX_GROUPS - 1 else 1):
            receipt = answered(Candidate("near", f"n{number}"), usage=Usage(10, 5), finish="stop")
            receipt.model = f"n{number}"
            log.add(receipt, app=f"n{number}")
    for _ in range(3):
        log.add(app=None)

    told = await log.ledger.usage({"range": "24h", "by": by})

    names = {one["name"]: one["requests"] for one in told["groups"]}
    assert len(names) == MAX_GROUPS + 1
    assert names[REST] in (20, 21)
    assert sum(names.values()) == told["total"]["requests"]
    assert {one["name"] for one in told["series"]} == set(names)
    assert all(one["total_s_p50"] for one in told["groups"])


def test_use_is_summed_over_time(log: Log) -> None:
    for at in (0, 10, HOUR_S, 25 * HOUR_S):
        log.add(at=float(at))
    span = Span(0, 100 * HOUR_S * 1000)

    def series(*starts: int) -> Any:
        told = log.database.read(lambda tables: usage(tables, span, starts, by="provider"))
        return told["series"]

    hours = series(*range(0, 100 * HOUR_S, HOUR_S))
    days = series(*range(0, 100 * HOUR_S, 24 * HOUR_S))

    assert [(one["at"], one["requests"]) for one in hours] == [
        (0, 2),
        (HOUR_S, 1),
        (25 * HOUR_S, 1),
    ]
    assert [(one["at"], one["requests"]) for one in days] == [(0, 3), (24 * HOUR_S, 1)]


def test_a_stretch_begins_no_earlier_than_the_range(log: Log) -> None:
    for at in (10, 20, 30):
        log.add(at=float(at))

    told = log.database.read(lambda tables: usage(tables, Span(15_000, 30_000), [0], by="provider"))

    assert (told["series"][0]["at"], told["total"]["requests"]) == (0, 1)


async def test_times_are_told_by_their_middle_and_their_slow_end(log: Log) -> None:
    for total_s in range(1, 21):
        log.add(total_s=float(total_s))

    [group] = (await log.ledger.usage({"range": "24h"}))["groups"]

    assert (group["total_s_p50"], group["total_s_p95"]) == (10, 19)
    assert group["first_s_p50"] == 5
    assert group["tokens_per_s_p50"] is not None


# The request log


async def test_the_log_is_read_in_pages(log: Log) -> None:
    for number in range(5):
        log.add(request_id=str(number))

    first = await log.ledger.requests({"limit": "3"})
    second = await log.ledger.requests({"limit": "3", "before": str(first["next"])})

    assert [one["request_id"] for one in first["requests"]] == ["4", "3", "2"]
    assert [one["request_id"] for one in second["requests"]] == ["1", "0"]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"app": "notes"}, ["notes"]),
        ({"provider": "far"}, ["rotated"]),
        ({"status": "499"}, ["left"]),
        ({"outcome": "ok"}, ["slow", "rotated", "notes"]),
        ({"outcome": "error"}, ["cut", "wrong"]),
        ({"outcome": "cancelled"}, ["left"]),
        ({"rotated": "true"}, ["rotated"]),
        ({"rotated": "false", "outcome": "ok"}, ["slow", "notes"]),
        ({"slow": "9"}, ["slow"]),
        ({"after": "4"}, ["cut", "slow"]),
        ({"app": "nobody"}, []),
    ],
    ids=str,
)
async def test_the_log_is_filtered(log: Log, params: dict[str, str], found: list[str]) -> None:
    log.add(request_id="notes", app="notes")
    log.add(answered(NEAR, FAR, finish="stop"), request_id="rotated")
    log.add(Receipt(), request_id="wrong", status=400)
    log.add(answered(NEAR), request_id="left", status=499)
    log.add(request_id="slow", total_s=9.5)
    log.add(answered(NEAR), request_id="cut", error="stream_interrupted")

    told = await log.ledger.requests(params)

    assert [one["request_id"] for one in told["requests"]] == found


async def test_a_receipt_is_found_by_either_id(log: Log) -> None:
    log.add(request_id="mine")
    log.add(answered(NEAR, FAR), request_id="2-and-more")

    assert (await log.ledger.request("mine"))["id"] == 1
    receipt = await log.ledger.request("2")
    assert receipt["request_id"] == "2-and-more"
    assert [one["outcome"] for one in receipt["story"]["tries"]] == ["429", "200"]


@pytest.mark.parametrize(
    "params",
    [{"range": "ever"}, {"by": "request_id; DROP TABLE requests"}, {"step": "year"}],
    ids=["range", "by", "step"],
)
async def test_what_cannot_be_asked_is_refused(log: Log, params: dict[str, str]) -> None:
    with pytest.raises(ApiError, match="must be one of") as refused:
        await log.ledger.usage(params)

    assert refused.value.status == 400


@pytest.mark.parametrize("name", ["limit", "before", "status", "slow"])
@pytest.mark.parametrize("value", ["-1", "x", "1e9", "9" * 40, "\u0665"])
async def test_a_number_must_be_one(log: Log, name: str, value: str) -> None:
    with pytest.raises(ApiError, match=f"'{name}' must be a whole number"):
        await log.ledger.requests({name: value})


def test_values_never_become_part_of_a_statement() -> None:
    where, values = filter_of({"app": "x' OR 1=1 --", "provider": "y"}).where()

    assert where == "app = :app AND provider = :provider"
    assert values == {"app": "x' OR 1=1 --", "provider": "y"}


async def test_a_log_that_cannot_be_read_says_so(log: Log) -> None:
    log.problem = StoreError("the database is locked by another program")

    with pytest.raises(ApiError, match="locked by another program") as refused:
        await log.ledger.usage({})

    assert refused.value.status == 503


# Over HTTP


@pytest.fixture
async def owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(monkeypatch, tmp_path) as opened:
        for name in ("one", "two", "=1+1"):
            key = {"authorization": f"Bearer app-{name}", "x-request-id": f"req-{name}"}
            await opened.ask(headers=key)
        await opened.parts.storage.flush()
        yield opened


async def test_use_is_told_over_http(owner: Desk) -> None:
    told = await owner.get("/admin/api/usage", params={"by": "app", "range": "24h"})

    assert (told["total"]["requests"], told["total"]["prompt"]) == (3, 9)
    assert {one["name"] for one in told["groups"]} == {"one", "two", "=1+1"}


async def test_a_request_and_its_receipt_are_told_over_http(owner: Desk) -> None:
    page = await owner.get("/admin/api/requests", params={"app": "two"})
    [found] = page["requests"]

    receipt = await owner.get(f"/admin/api/requests/{found['id']}")

    assert receipt["request_id"] == "req-two"
    assert receipt["story"]["considered"] == ["near/near-model", "far/far-model"]
    assert (await owner.client.get("/admin/api/requests/none")).status_code == 404


async def test_the_log_leaves_as_json(owner: Desk) -> None:
    rows = await owner.get("/admin/api/requests.json")

    assert [one["app"] for one in rows] == ["=1+1", "two", "one"]
    assert await owner.get("/admin/api/requests.json", params={"app": "none"}) == []


async def test_the_log_leaves_as_csv_without_formulas(owner: Desk) -> None:
    answer = await owner.client.get("/admin/api/requests.csv")

    assert answer.headers["content-disposition"] == 'attachment; filename="pointsman-requests.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [one["app"] for one in rows] == ["'=1+1", "two", "one"]
    assert rows[0]["prompt"] == "3"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("=1", "'=1"),
        ("x;=cmd|'/C calc'!A0;y", "x;'=cmd|'/C calc'!A0;y"),
        ("a\n-1\r+2", "a\n'-1\r'+2"),
        ("\t=1", "\t'=1"),
        ("\tx", "'\tx"),
        ('; "@x"', '; "\'@x"'),
        ("\uff1d1", "'\uff1d1"),
        ("gpt-4o, a-b; c", "gpt-4o, a-b; c"),
        (-5, -5),
    ],
)
def test_no_part_of_a_cell_is_a_formula(text: object, told: object) -> None:
    assert _cell(text) == told


async def test_an_export_is_longer_than_a_page(
    owner: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.console.ledger.EXPORT_PAGE", 2)

    assert len(json.loads((await owner.client.get("/admin/api/requests.json")).text)) == 3
    lines = (await owner.client.get("/admin/api/requests.csv")).text.splitlines()
    assert len(lines) == 4


async def test_an_export_is_written_beside_the_others(
    owner: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand rows a page would hold everybody up."""
    threads: set[str] = set()

    def noted(value: object) -> object:
        threads.add(threading.current_thread().name)
        return value

    monkeypatch.setattr("proxy.console.ledger._cell", noted)
    await owner.client.get("/admin/api/requests.csv")

    assert threads and threading.current_thread().name not in threads


async def test_the_token_guards_the_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with desk(monkeypatch, tmp_path, admin_token="let-me-in") as locked:
        for path in ("usage", "requests", "requests/1", "requests.csv", "requests.json"):
            assert (await locked.client.get(f"/admin/api/{path}")).status_code == 401
