"""One row for each request that ends: what it says, where it waits, what it leaves out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.base import AdapterError, ErrorKind, Finish, Reasoning, Start, Text, Usage
from proxy.candidate import Candidate
from proxy.routing.answers.receipt import Receipt
from proxy.store.usage.rows import UsageQueue, UsageRow, usage_row
from tests.admin.kit import Desk, desk
from tests.proxy.kit import adapter_class, failure

pytestmark = pytest.mark.anyio

NEAR = Candidate("near", "near-1")
FAR = Candidate("far", "far-1")


def row(receipt: Receipt | None = None, **given: Any) -> UsageRow:
    """The row of a request that has ended; `given` is what differs from a plain one."""
    told: dict[str, Any] = {
        "request_id": "req-1",
        "at": 1_700_000_000.5,
        "app": None,
        "asked": "gpt-4o",
        "is_stream": False,
        "status": 200,
        "error": None,
        "bytes_in": 10,
        "bytes_out": 20,
    }
    return usage_row(receipt or Receipt(considered=(NEAR, FAR)), **told | given)


def answered(*candidates: Candidate, **given: Any) -> Receipt:
    """A receipt of tries that failed, but for the last."""
    receipt = Receipt(considered=(NEAR, FAR), **given)
    for candidate in candidates[:-1]:
        receipt.tried(candidate, 429, failure(ErrorKind.RATE_LIMIT, candidate.provider))
    receipt.tried(candidates[-1], 200, None)
    return receipt


def failed(error: AdapterError) -> UsageRow:
    """The row of a request that met nothing but this."""
    receipt = Receipt()
    receipt.tried(Candidate(error.provider, "model"), error.kind, error)
    return row(receipt, status=503)


# A row


def test_tokens_are_the_providers_count_where_it_gave_one() -> None:
    tokens = row(answered(NEAR, usage=Usage(7, 3, reasoning=2, cached=1))).tokens

    assert (tokens.prompt, tokens.completion, tokens.reasoning, tokens.cached) == (7, 3, 2, 1)
    assert not tokens.estimated


def test_tokens_are_estimated_where_an_answer_was_cut_short() -> None:
    tokens = row(answered(NEAR, written=9, prompt_guess=4)).tokens

    assert (tokens.prompt, tokens.completion, tokens.estimated) == (4, 3, True)


def test_a_request_without_an_answer_took_no_tokens() -> None:
    tokens = row(Receipt(considered=(NEAR,), prompt_guess=4), status=503).tokens

    assert (tokens.prompt, tokens.completion, tokens.estimated) == (0, 0, False)


@pytest.mark.parametrize(
    ("receipt", "rotated"),
    [(answered(NEAR), False), (answered(NEAR, FAR), True), (answered(FAR), True), (None, False)],
    ids=["first", "second", "passed over", "nobody"],
)
def test_a_row_tells_whether_another_had_to_answer(receipt: Receipt | None, rotated: bool) -> None:
    assert row(receipt).rotated is rotated


@pytest.mark.parametrize(
    ("receipt", "status", "error", "cancelled", "partial"),
    [
        (answered(NEAR), 200, None, False, False),
        (answered(NEAR), 200, "stream_interrupted", False, True),
        (answered(NEAR), 499, None, True, True),
        (None, 499, None, True, False),
        (None, 503, "no_provider", False, False),
    ],
    ids=["whole", "broken off", "left in the middle", "left before", "refused"],
)
def test_a_row_tells_how_it_ended(
    receipt: Receipt | None, status: int, error: str | None, cancelled: bool, partial: bool
) -> None:
    ended = row(receipt, status=status, error=error)

    assert (ended.cancelled, ended.partial) == (cancelled, partial)


def test_names_that_clients_give_are_cut_to_what_the_table_holds() -> None:
    columns = row(app="a" * 500, asked="m" * 500).columns()

    assert len(str(columns["app"])) == len(str(columns["asked"])) == 128


def test_the_story_tells_every_try() -> None:
    receipt = answered(NEAR, FAR)
    receipt.warn("dropped=logit_bias")

    story = json.loads(str(row(receipt).columns()["story"]))

    assert story["considered"] == ["near/near-1", "far/far-1"]
    assert [(one["outcome"], one["reason"]) for one in story["tries"]] == [
        ("429", "rate_limit"),
        ("200", None),
    ]
    assert story["warnings"] == ["dropped=logit_bias"]


# The queue


def test_a_full_queue_counts_what_it_drops() -> None:
    queue = UsageQueue(2)

    for _ in range(5):
        queue.put(row())

    assert (len(queue), queue.dropped) == (2, 3)


def test_rows_stay_until_they_are_written() -> None:
    queue = UsageQueue()
    for name in "abc":
        queue.put(row(request_id=name))

    assert [one.request_id for one in queue.oldest(2)] == ["a", "b"]
    queue.written(2)
    assert [one.request_id for one in queue.oldest(2)] == ["c"]


# Over the running application


@pytest.fixture
async def owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(monkeypatch, tmp_path) as opened:
        yield opened


def rows_of(owner: Desk, folder: Path) -> list[dict[str, Any]]:
    """What the database holds, the last second included."""
    with sqlite3.connect(folder / "pointsman.db") as connection:
        connection.row_factory = sqlite3.Row
        found = [dict(one) for one in connection.execute("SELECT * FROM requests ORDER BY id")]
    connection.close()
    return found


def bytes_in(folder: Path) -> bytes:
    """Everything that the database's files hold."""
    return b"".join(file.read_bytes() for file in folder.iterdir())


def script(owner: Desk, name: str) -> Any:
    return owner.parts.adapters[name].script  # type: ignore[attr-defined]


async def test_a_request_leaves_its_row(owner: Desk, tmp_path: Path) -> None:
    await owner.ask("gpt-4o", headers={"authorization": "Bearer app-notes", "x-request-id": "r-1"})
    await owner.parts.storage.flush()

    [kept] = rows_of(owner, tmp_path)
    assert (kept["request_id"], kept["app"], kept["asked"]) == ("r-1", "notes", "gpt-4o")
    assert (kept["provider"], kept["model"], kept["first_choice"]) == ("near", "toy-1", "near")
    assert (kept["status"], kept["finish"], kept["error"]) == (200, "stop", None)
    assert (kept["prompt"], kept["completion"], kept["estimated"]) == (3, 2, 0)
    assert 0 <= kept["first_s"] <= kept["total_s"]
    assert kept["bytes_in"] > 20 and kept["bytes_out"] > 20
    assert (kept["list_nano_usd"], kept["billed"]) == (0, 0)


async def test_a_rotated_request_tells_why(owner: Desk, tmp_path: Path) -> None:
    refusal = failure(ErrorKind.RATE_LIMIT, "near", status=429, retry_after_s=60)
    script(owner, "near").play([refusal])

    await owner.ask()
    await owner.ask()
    await owner.parts.storage.flush()

    first, second = rows_of(owner, tmp_path)
    assert (first["provider"], first["attempts"], first["rotated"]) == ("far", 2, 1)
    assert (second["provider"], second["attempts"], second["rotated"]) == ("far", 1, 1)
    assert json.loads(second["story"])["passed"] == {"near/near-model": "rate limit"}


async def test_a_stream_that_breaks_off_is_partial(owner: Desk, tmp_path: Path) -> None:
    said = [Start(), Reasoning("abcd"), Text("efgh")]
    script(owner, "near").play([said, failure(ErrorKind.NETWORK, "near")])

    body = {"model": "x", "stream": True, "messages": [{"role": "user", "content": "12345678"}]}
    await owner.client.post("/v1/chat/completions", json=body)
    await owner.parts.storage.flush()

    [kept] = rows_of(owner, tmp_path)
    assert (kept["status"], kept["partial"], kept["cancelled"]) == (200, 1, 0)
    assert (kept["stream"], kept["prompt"], kept["completion"], kept["estimated"]) == (1, 2, 2, 1)
    assert kept["error"]


async def test_a_refused_request_leaves_a_row_too(owner: Desk, tmp_path: Path) -> None:
    await owner.client.post("/v1/chat/completions", json={"model": "x"})
    await owner.parts.storage.flush()

    [kept] = rows_of(owner, tmp_path)
    assert (kept["status"], kept["provider"], kept["attempts"]) == (400, None, 0)


async def test_nothing_of_what_was_said_is_kept(owner: Desk, tmp_path: Path) -> None:
    script(owner, "near").play([[Text("The answer is SECRET-ANSWER.")], [Finish("stop")]])
    script(owner, "near").play([failure(ErrorKind.BAD_REQUEST, "near", status=400)])
    body = {"model": "x", "messages": [{"role": "user", "content": "SECRET-PROMPT"}]}

    for _ in range(2):
        await owner.client.post("/v1/chat/completions", json=body)
    await owner.parts.storage.flush()

    assert len(rows_of(owner, tmp_path)) == 2
    assert b"SECRET" not in bytes_in(tmp_path)


async def test_the_page_learns_of_speed_and_failures(owner: Desk) -> None:
    script(owner, "near").play([failure(ErrorKind.SERVER, "near", status=500)])

    await owner.ask()

    near, far = (await owner.provider("near")), (await owner.provider("far"))
    assert near["last_error"]["text"] == "failed with a fault of its own: 500"
    assert (near["speed"]["answers"], near["speed"]["failures"]) == (0, 1)
    assert (far["speed"]["answers"], far["speed"]["failures"]) == (1, 0)


async def test_what_is_not_yet_written_is_written_at_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with desk(monkeypatch, tmp_path, adapter_class("near")) as owner:
        await owner.ask()

    assert len(rows_of(owner, tmp_path)) == 1
