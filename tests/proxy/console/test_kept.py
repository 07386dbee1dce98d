"""What was said is kept only while the owner wants it, and then not at all."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from proxy.console.kept import MAX_BYTES, MAX_SIDE_BYTES, Keeper, Kept, Talk
from proxy.errors import ApiError
from proxy.redact import Redactor
from tests.admin.kit import Desk, desk

pytestmark = pytest.mark.anyio
KEPT = "/admin/api/kept"
NOTHING = {"request": None, "answer": None, "cut": False}


class Wall:
    """Unix seconds that pass when a test says so."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(monkeypatch, tmp_path) as made:
        yield made


def put(kept: Kept, name: str, request: bytes = b"a", answer: bytes = b"b") -> None:
    talk = Talk()
    talk.hear({"type": "http.request", "body": request})
    talk.say({"type": "http.response.body", "body": answer})
    kept.put(name, talk)


def bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_nothing_is_kept_until_it_is_asked_for(one: Desk) -> None:
    await one.ask(headers={"x-request-id": "early"})

    assert await one.get(KEPT) == {"until": None, "requests": 0}
    assert await one.get(f"{KEPT}/early") == NOTHING


async def test_what_is_said_is_kept_and_forgotten_on_demand(one: Desk) -> None:
    begun = await one.client.put(KEPT, json={"minutes": 60})
    assert begun.json()["until"] == pytest.approx(time.time() + 3600, abs=60)
    await one.ask(headers={"x-request-id": "mine/1"})

    said = await one.get(f"{KEPT}/mine/1")
    assert '"content":"Hello."' in said["request"].replace(" ", "")
    assert "Hello" in said["answer"] and said["cut"] is False
    assert (await one.get(KEPT))["requests"] == 1

    gone = await one.client.delete(KEPT)
    assert gone.json() == {"until": None, "requests": 0}
    assert await one.get(f"{KEPT}/mine/1") == NOTHING


async def test_it_never_gets_into_the_database(one: Desk, tmp_path: Path) -> None:
    await one.client.put(KEPT, json={"minutes": 1})
    for number in range(3):
        await one.ask(headers={"x-request-id": f"canary-{number}"})
    await one.parts.storage.flush()

    files = bytes_in(tmp_path)
    assert b"canary-2" in files
    assert b"Hello." not in files


async def test_it_ends_by_itself() -> None:
    wall = Wall()
    kept = Kept(Redactor(()), wall=wall)
    until = kept.keep(b'{"minutes": 15}')["until"]
    put(kept, "first")
    wall.now = until - 1
    assert kept.said("first")["request"] == "a"
    wall.now = until

    assert kept.said("first") == NOTHING
    put(kept, "second")
    assert kept.state() == {"until": None, "requests": 0}


async def test_the_end_comes_without_anyone_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop's own timer forgets, as nobody may ever look again."""
    import asyncio

    timers: list[Any] = []
    monkeypatch.setattr(
        asyncio.get_running_loop(), "call_later", lambda *given: timers.append(given), raising=False
    )
    kept = Kept(Redactor(()))
    kept.keep(b'{"minutes": 2}')
    put(kept, "first")
    [(delay_s, forget)] = timers
    forget()

    assert delay_s == 120
    assert (kept.until, kept.said("first")) == (None, NOTHING)


@pytest.mark.parametrize("body", ["{}", '{"minutes": 0}', '{"minutes": 1441}', '{"minutes": true}'])
async def test_without_an_end_it_does_not_begin(body: str) -> None:
    kept = Kept(Redactor(()))
    with pytest.raises(ApiError, match="minutes"):
        kept.keep(body.encode())
    assert kept.until is None


async def test_the_oldest_make_room_and_long_ones_are_cut() -> None:
    kept = Kept(Redactor(()))
    kept.keep(b'{"minutes": 5}')
    long = b"x" * (MAX_SIDE_BYTES + 1)
    fits = MAX_BYTES // (2 * MAX_SIDE_BYTES)
    for number in range(fits + 3):
        put(kept, str(number), long, long)

    assert kept.state()["requests"] == fits
    assert kept.said("2") == NOTHING
    said = kept.said(str(fits + 2))
    assert (len(said["request"]), len(said["answer"]), said["cut"]) == (
        MAX_SIDE_BYTES,
        MAX_SIDE_BYTES,
        True,
    )


async def test_one_id_is_one_talk() -> None:
    kept = Kept(Redactor(()))
    kept.keep(b'{"minutes": 5}')
    for number in range(4):
        put(kept, "same", b"%d" % number)

    assert kept.state()["requests"] == 1
    assert kept.said("same")["request"] == "3"


async def test_keys_in_it_are_masked() -> None:
    kept = Kept(Redactor(["s3cret-key"]))
    kept.keep(b'{"minutes": 5}')
    put(kept, "mine", b"it is s3cret-key", b"\xff")

    assert kept.said("mine") == {"request": "it is ***", "answer": "\ufffd", "cut": False}


async def test_what_breaks_is_kept_as_far_as_it_came() -> None:
    kept = Kept(Redactor(()))
    kept.keep(b'{"minutes": 5}')

    async def breaking(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ConnectionError

    async def receive() -> Message:
        return {"type": "http.request", "body": b"asked"}

    async def send(_message: Message) -> None:
        pass

    with pytest.raises(ConnectionError):
        await Keeper(breaking, kept)({"state": {"request_id": b"mine"}}, receive, send)
    assert kept.said("mine") == {"request": "asked", "answer": "half", "cut": False}


async def test_only_the_owner_may_look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with desk(monkeypatch, tmp_path, admin_token="of-mine") as one:
        for method, path in (("GET", KEPT), ("PUT", KEPT), ("DELETE", KEPT), ("GET", f"{KEPT}/x")):
            answer = await one.client.request(method, path, json={"minutes": 5})
            assert answer.status_code == 401
