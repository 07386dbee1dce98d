"""Answers that are kept on disk: they outlive the server, and are forgotten for good."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from adapters.base import (
    Annotation,
    Finish,
    Logprobs,
    Media,
    ProviderSettings,
    Reasoning,
    Refusal,
    Signature,
    Start,
    Text,
    ToolCall,
    Usage,
    Warn,
)
from proxy.background import Background
from proxy.routing.cache import Kept, salt_of
from proxy.settings import Settings
from proxy.store.base import StoreError
from proxy.store.kept.answers import OnDisk, body_of, kept_of
from tests.proxy.doors.serving.kit import HELLO
from tests.proxy.kit import Script, adapter_class
from tests.proxy.serving import Host, app_over
from tests.proxy.store.kit import opened

SURE = HELLO | {"temperature": 0}
STREAM = SURE | {"stream": True}
CHAT = "/v1/chat/completions"
CACHE = "/admin/api/cache"
Serve = Callable[..., AbstractContextManager[tuple[httpx.Client, Script]]]


@pytest.fixture
def serve(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Serve:
    """A server over one database, each time a new one."""

    @contextlib.contextmanager
    def served(cache: str = "disk", **more: Any) -> Iterator[tuple[httpx.Client, Script]]:
        north = adapter_class("north")
        given: dict[str, Any] = {"LLM_PROVIDER": "north", "cache": cache, **more}
        app = app_over(monkeypatch, north, database_url=f"sqlite:///{tmp_path}/s.db", **given)
        with (
            host.serving(app),
            httpx.Client(base_url=host.base_url, trust_env=False, timeout=20) as client,
        ):
            yield client, north.script

    return served


def _is_told_again(response: httpx.Response) -> bool:
    return "cached" in response.headers.get("x-pointsman-warnings", "")


def _files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("s.db*"))


def test_it_outlives_the_server_and_is_the_same(serve: Serve) -> None:
    with serve() as (client, north):
        north.play(([Start(model="m-1")], [Text("Grüß "), Text("Gott")], [Finish("stop")]))
        cold, warm = (client.post(CHAT, json=STREAM) for _ in range(2))
        assert not _is_told_again(cold)
        assert _is_told_again(warm)

    with serve() as (client, north):
        late = client.post(CHAT, json=STREAM)
        assert _is_told_again(late)
        assert not north.requests
        assert client.get(CACHE).json()["count"] == 1
        assert client.get("/admin/api/kept").json()["requests"] == 0
    assert _pieces(cold) == _pieces(warm) == _pieces(late)


def _pieces(response: httpx.Response) -> list[str]:
    """The chunks without what is each answer's own."""
    own = ('"id":', '"created":')
    lines = response.text.split("\n\n")
    return [",".join(p for p in line.split(",") if not any(o in p for o in own)) for line in lines]


def test_other_settings_make_another_answer(serve: Serve) -> None:
    with serve() as (client, _):
        client.post(CHAT, json=SURE)
    with serve(compact=True) as (client, north):
        assert not _is_told_again(client.post(CHAT, json=SURE))
        assert len(north.requests) == 1

    def salt(**given: Any) -> bytes:
        provider = ProviderSettings(**{"model": "m", "api_key": SecretStr("k"), **given})
        return salt_of(Settings(providers={"north": provider}))

    assert salt() == salt(api_key=SecretStr("other"))
    others = salt(model="n"), salt(temperature=0.5), salt(base_url="http://a"), salt(max_tokens=1)
    assert len({salt(), *others}) == 5


def test_what_the_owner_forgets_is_nowhere_any_more(serve: Serve, tmp_path: Path) -> None:
    """Nor was the question ever there; and it is forgotten where the cache is off by now, too."""
    with serve() as (client, north):
        north.play(([Text("A canary. " * 2000)], [Finish("stop")]))
        client.post(CHAT, json=SURE)
    assert b"canary" in _files(tmp_path)
    assert b"4711" not in _files(tmp_path)

    with serve("off") as (client, _):
        state = client.get(CACHE).json()
        assert (state["store"], state["count"]) == ("off", 1) and state["bytes"] > 20_000
        gone = client.request("DELETE", CACHE, headers={"content-type": "application/json"})
        assert gone.json() == {"store": "off", "count": 0, "bytes": 0}
    assert b"canary" not in _files(tmp_path)


def test_every_kind_of_event_is_read_as_it_was_written() -> None:
    batches = [
        [Start(id="i", model="m", created=1, request_id="r"), Reasoning("hm", 1)],
        [Text("a\x00b ☃"), Signature("s"), Refusal("no", word="SAFETY", of_prompt=True)],
        [ToolCall(0, "f", '{"a":1}', "c", {"google": {"x": [1, None]}}), ToolCall("k")],
        [Media("image/png", "AAAA", signature="s"), Annotation({"type": "url_citation"})],
        [Logprobs([{"token": "a", "logprob": -0.1234567890123}]), Warn("dropped=seed")],
        [Finish("stop"), Usage(1, 2, 3, 4, {"queue_time": 0.1}, 0.5)],
    ]
    kept = Kept(batches, 7, "north", "m", ["dropped=seed"])

    assert kept_of(body_of(kept)) == kept


class _Store:
    """A database that can be broken."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}/s.db"
        self.is_broken = False

    async def read(self, work: Callable[[Any], Any]) -> Any:
        return self._do("read", work)

    async def write(self, work: Callable[[Any], Any], *, durable: bool = True) -> Any:
        return self._do("write", work)

    def _do(self, how: str, work: Callable[[Any], Any]) -> Any:
        if self.is_broken:
            raise StoreError("it is gone")
        with opened(self.url) as database:
            return getattr(database, how)(work)


@pytest.mark.anyio
async def test_it_has_a_time_and_a_room(tmp_path: Path) -> None:
    now, background = [1000.0], Background()
    shelf = OnDisk(_Store(tmp_path), background, 4000, 60, lambda: now[0])

    async def keep(key: str, length: int) -> None:
        shelf.put(key.encode(), Kept([[Text("x" * length)]], 1, "north", "m", []))
        await shelf.close()
        now[0] += 1

    await keep("large", 500)
    assert await shelf.amount() == (0, 0)
    for at in range(20):
        await keep(f"k{at}", 400)
    count, size = await shelf.amount()
    assert 5 < count < 10 and size <= 4000
    assert await shelf.get(b"k19") and not await shelf.get(b"k0")
    now[0] += 58
    assert await shelf.get(b"k19")
    now[0] += 1
    assert not await shelf.get(b"k19")
    await keep("new", 10)
    assert (await shelf.amount())[0] == 1


@pytest.mark.anyio
async def test_a_row_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    store = _Store(tmp_path)
    shelf = OnDisk(store, Background(), 4000, 60, lambda: 1.0)
    shelf.put(b"a", Kept([[Text("x")]], 1, "north", "m", []))
    await shelf.close()
    assert await shelf.get(b"a")
    for body in ("", "[]", '[[[["Nothing",{}]]],1,null,null,[]]', '[[[["Text",{}]]],1,"a","b",[]]'):
        with closing(sqlite3.connect(tmp_path / "s.db")) as connection, connection:
            connection.execute("UPDATE answers SET body = ?", [body])
        assert await shelf.get(b"a") is None, body


@pytest.mark.anyio
async def test_a_broken_database_costs_the_cache_alone(tmp_path: Path) -> None:
    store, background = _Store(tmp_path), Background()
    store.is_broken = True
    shelf = OnDisk(store, background, 4000, 60, lambda: 0.0)
    shelf.put(b"a", Kept([[Text("x")]], 1, "north", "m", []))
    assert await shelf.get(b"a")
    await shelf.close()

    assert await shelf.get(b"a") is None
    assert background.problems == []
