"""Responses and conversations on disk: they outlive the server, and are gone when deleted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from adapters.events import Finish, Text
from adapters.wire.aside import LARGE_BYTES
from proxy.background import Background
from proxy.doors.responses.disk import LONGEST_S, MAX_WAITING, PAUSES_S, Disk
from proxy.doors.responses.in_memory import OwnTurns, Turns, as_items
from proxy.errors import ApiError
from proxy.store.base import StoreError, Tables
from proxy.store.database import Database
from proxy.store.kept import responses as table
from proxy.store.kept.responses import KeptRow
from tests.proxy.doors.responses.kit import Clock
from tests.proxy.kit import Script, adapter_class
from tests.proxy.serving import Host, app_over
from tests.proxy.store.kit import opened

Serve = Callable[..., contextlib.AbstractContextManager[tuple[openai.OpenAI, Script]]]


@pytest.fixture
def serve(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Serve:
    """A server over one database, each time a new one."""

    @contextlib.contextmanager
    def served(kept: str = "disk") -> Iterator[tuple[openai.OpenAI, Script]]:
        north = adapter_class("north")
        chosen: dict[str, Any] = {"LLM_PROVIDER": "north", "responses_store": kept}
        app = app_over(monkeypatch, north, database_url=f"sqlite:///{tmp_path}/s.db", **chosen)
        url = f"{host.base_url}/v1"
        with (
            host.serving(app),
            openai.OpenAI(base_url=url, api_key="x", max_retries=0, timeout=5) as sdk,
        ):
            yield sdk, north.script

    return served


def contents(script: Script) -> list[Any]:
    return [message["content"] for message in script.requests[-1].messages]


def test_clients_go_on_after_the_server_has_ended(serve: Serve) -> None:
    with serve() as (sdk, _):
        first = sdk.responses.create(model="m", input="One")
        second = sdk.responses.create(model="m", input="Two", previous_response_id=first.id)
        talk = sdk.conversations.create(items=[{"role": "user", "content": "I am Ann"}])

    with serve() as (sdk, north):
        sdk.responses.create(model="m", input="Three", previous_response_id=second.id)
        assert contents(north) == ["One", "Hello", "Two", "Hello", "Three"]
        refer: Any = {"type": "item_reference", "id": first.output[0].id}
        sdk.responses.create(model="m", input=[refer, {"role": "user", "content": "Four"}])
        assert contents(north) == ["Hello", "Four"]
        sdk.responses.create(model="m", input="Five", conversation=talk.id)
        assert contents(north) == ["I am Ann", "Five"]
        sdk.responses.compact(model="m", previous_response_id=second.id)
        assert contents(north)[:-1] == ["One", "Hello", "Two", "Hello"]
        assert sdk.responses.retrieve(first.id).output_text == "Hello"
        assert len(list(sdk.responses.input_items.list(second.id))) == 3

    with serve() as (sdk, _):
        kinds = [item.type for item in sdk.conversations.items.list(talk.id)]
        assert kinds == ["message"] * 3


def test_a_large_answer_is_kept_as_well(serve: Serve) -> None:
    text = "x" * (2 * LARGE_BYTES)  # its end is made in another thread
    kept = []
    with serve() as (sdk, north):
        north.play([[Text(text)], [Finish("stop")]], [[Text(text)], [Finish("stop")]])
        kept.append(sdk.responses.create(model="m", input="One").id)
        with sdk.responses.stream(model="m", input="Two") as stream:
            kept.append(stream.get_final_response().id)
    with serve() as (sdk, _):
        for name in kept:
            assert sdk.responses.retrieve(name).output_text == text


def test_what_is_deleted_is_nowhere_any_more(serve: Serve, tmp_path: Path) -> None:
    with serve() as (sdk, _):
        first = sdk.responses.create(model="m", input="A canary. " * 5000)
        talk = sdk.conversations.create(items=[{"role": "user", "content": "A linnet. " * 900}])
    assert {b"canary", b"linnet"} == _found(tmp_path, b"canary", b"linnet")

    with serve() as (sdk, _):
        sdk.responses.delete(first.id)
        sdk.conversations.delete(talk.id)
        for ask in (
            lambda: sdk.responses.retrieve(first.id),
            lambda: sdk.conversations.retrieve(talk.id),
        ):
            with pytest.raises(openai.NotFoundError):
                ask()
    assert not _found(tmp_path, b"canary", b"linnet")


def test_the_owner_sees_how_much_there_is_and_has_all_forgotten(
    serve: Serve, host: Host, tmp_path: Path
) -> None:
    url = f"{host.base_url}/admin/api/responses"
    with serve() as (sdk, _):
        first = sdk.responses.create(model="m", input="A canary. " * 5000)
    with serve() as (sdk, _):
        state = httpx.get(url, trust_env=False).json()
        assert (state["store"], state["count"]) == ("disk", 1) and state["bytes"] > 50_000
        gone = httpx.delete(url, trust_env=False, headers={"content-type": "application/json"})
        assert gone.json() == {"store": "disk", "count": 0, "bytes": 0}
        with pytest.raises(openai.NotFoundError):
            sdk.responses.retrieve(first.id)
    assert not _found(tmp_path, b"canary")


@pytest.mark.parametrize("kept", ["memory", "off"])
def test_what_was_kept_on_disk_can_be_forgotten_when_it_no_longer_is(
    serve: Serve, host: Host, tmp_path: Path, kept: str
) -> None:
    url = f"{host.base_url}/admin/api/responses"
    with serve() as (sdk, _):
        sdk.responses.create(model="m", input="A canary. " * 5000)
    with serve(kept) as (sdk, _):
        sdk.responses.create(model="m", input="Another.")
        in_memory = int(kept == "memory")
        assert httpx.get(url, trust_env=False).json()["count"] == 1 + in_memory
        gone = httpx.delete(url, trust_env=False, headers={"content-type": "application/json"})
        assert gone.json() == {"store": kept, "count": 0, "bytes": 0}
    assert not _found(tmp_path, b"canary")


def _found(folder: Path, *words: bytes) -> set[bytes]:
    data = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    return {word for word in words if word in data}


def row(name: str, at_ms: int, owner: str = "ann", size: int = 10) -> KeptRow:
    return KeptRow(name, owner, at_ms, "x" * size, ["msg_1", f"msg_of_{name}"])


def test_the_oldest_makes_room_and_nobody_reads_anothers(tmp_path: Path) -> None:
    def save(*rows: KeptRow, since_ms: int = 0, most: int = 100) -> Callable[[Tables], None]:
        bounds = {"since_ms": since_ms, "settled_ms": since_ms + 5, "most": most}
        return lambda tables: table.save(tables, rows, **bounds)

    with opened(f"sqlite:///{tmp_path}/s.db") as database:
        database.write(save(row("a", 1), row("b", 2), row("c", 3, "bob")))
        assert database.read(table.amount) == (3, 30)
        holders = [("ann", "b"), ("bob", "c"), ("eve", None)]  # each has chosen the same id
        for owner, name in holders:
            assert database.read(partial(table.holder, owner=owner, item="msg_1")) == name
        assert database.read(lambda tables: table.find(tables, "ann", "c", since_ms=0)) is None
        assert database.read(lambda tables: table.find(tables, "bob", "c", since_ms=4)) is None
        database.write(save(row("d", 4, size=80)))
        assert database.read(table.amount) == (3, 100)
        assert database.read(partial(table.holder, owner="ann", item="msg_of_a")) is None
        assert database.read(partial(table.holder, owner="ann", item="msg_of_d")) == "d"
        database.write(save(row("e", 9), since_ms=4))
        assert database.read(table.amount) == (2, 90)
        for at_ms in (100, 106):  # the clock has leapt ahead: is it right?
            database.write(save(row("f", at_ms, size=1), since_ms=at_ms - 6))
            assert database.read(table.amount) == (3, 91)
        database.write(save(row("g", 107, size=1), since_ms=101))
        assert database.read(table.amount) == (2, 2)


class Broken:
    """A database that cannot be used, as long as it is."""

    is_broken = True
    written = 0

    async def read(self, work: Callable[[Tables], Any]) -> Any:
        raise StoreError("the database is full")

    async def write(self, work: Callable[[Tables], Any], *, durable: bool = True) -> Any:
        if self.is_broken:
            raise StoreError("the database is full")
        self.written += 1


def put(own: OwnTurns, name: str) -> None:
    own.put(None, as_items("a"), {"id": name, "output": []}, 10)


@pytest.mark.anyio
async def test_a_database_that_is_full_stops_nobody_but_who_deletes() -> None:
    store, background = Broken(), Background()
    turns = Turns(Clock(), longest_s=LONGEST_S)
    turns.keeper = Disk(turns, store, background, most=100)
    own = turns.of("ann")
    for at in range(MAX_WAITING + 5):
        put(own, f"r{at}")
    await asyncio.sleep(0)
    await turns.bring("ann", ["r1", "none"])
    assert own.turn("r1")
    own.forget("r1")
    with pytest.raises(ApiError, match="the database is full") as caught:
        await turns.settled()
    assert caught.value.status == 503

    store.is_broken = False
    await turns.settled()
    assert store.written == 1
    await background.close()


class Shared:
    """One database that several servers use."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, work: Callable[[Tables], Any]) -> Any:
        return self._database.read(work)

    async def write(self, work: Callable[[Tables], Any], *, durable: bool = True) -> Any:
        return self._database.write(work)


@pytest.mark.anyio
async def test_what_waits_to_be_written_has_a_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.doors.responses.disk.MAX_WAITING_BYTES", 25)
    with opened(f"sqlite:///{tmp_path}/s.db") as database:
        turns, background = Turns(Clock(), longest_s=LONGEST_S), Background()
        turns.keeper = Disk(turns, Shared(database), background, most=10**6)
        for name in ("r1", "r2", "r3"):
            put(turns.of("ann"), name)
        await turns.settled()
        await background.close()
        names = ("r1", "r2", "r3")
        there = database.read(lambda it: table.there(it, "ann", names, since_ms=0))
        assert there == {"r2", "r3"}


@pytest.mark.anyio
async def test_what_one_server_keeps_changes_and_deletes_another_knows(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path}/s.db") as database:
        one, other = (Turns(Clock(), longest_s=LONGEST_S) for _ in range(2))
        pauses: list[float] = []

        async def written(pause_s: float) -> None:
            pauses.append(pause_s)
            await one.settled()

        for turns in (one, other):
            given = Shared(database), Background()
            turns.keeper = Disk(turns, *given, most=10**6, shares=True, sleep=written)
        mine, its = one.of("ann"), other.of("ann")
        put(mine, "r1")
        await other.bring("ann", ["r1"])
        assert its.turn("r1") and pauses == [PAUSES_S[0]]

        talk = mine.begin({}, as_items("first"))
        await one.settled()
        await other.bring("ann", [talk.id])
        mine.go_on(talk.id, as_items("second"))
        await one.settled()
        await other.bring("ann", [talk.id])
        assert len(its.talk(talk.id).items) == 2

        mine.forget("r1")
        mine.forget(talk.id)
        await one.settled()
        await other.bring("ann", ["r1", talk.id])
        assert its.turn("r1") is None
        with pytest.raises(ApiError):
            its.talk(talk.id)
