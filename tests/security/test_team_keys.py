"""A key that the owner has made opens every door, until it is revoked."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from proxy.store.base import StoreError
from proxy.store.keys.team_keys import TeamKey, fresh
from proxy.store.storage import Storage
from tests.proxy.store.kit import made
from tests.security.kit import (
    Fakes,
    Reply,
    Threaded,
    Wait,
    ask,
    body_of,
    post,
    request,
    serving,
    settings_for,
)

GEMINI = {"contents": [{"parts": [{"text": "Hello."}]}]}
WAYS = (
    ("/v1/chat/completions", body_of(), "Authorization", "Bearer {}"),
    ("/v1/responses", {"model": "default", "input": "Hello."}, "Authorization", "Bearer {}"),
    ("/v1/messages", body_of(max_tokens=9), "x-api-key", "{}"),
    ("/v1beta/models/default:generateContent", GEMINI, "x-goog-api-key", "{}"),
    ("/v1beta/models/default:generateContent?key={}", GEMINI, "", ""),
    ("/api/chat", body_of(), "Authorization", "Bearer {}"),
)
"""Each protocol's path, body, and the header in which its SDKs show a key."""
ENVELOPES = {
    "/v1/chat/completions": lambda told: told["error"]["code"] == "invalid_api_key",
    "/v1/responses": lambda told: told["error"]["code"] == "invalid_api_key",
    "/v1/messages": lambda told: told["error"]["type"] == "authentication_error",
    "/v1beta/models/default:generateContent": lambda told: (
        told["error"]["status"] == "UNAUTHENTICATED"
    ),
    "/api/chat": lambda told: isinstance(told["error"], str),
}


def shown_at(port: int, way: tuple[str, object, str, str], key: str) -> Reply:
    path, body, header, form = way
    headers = {header: form.format(key)} if header else {}
    return ask(port, post(body, path.format(key), **headers))


def call(server: Threaded, method: str, path: str, body: object = None) -> Reply:
    data = b"" if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    return ask(server.port, request(method, path, data, headers=headers))


def test_it_is_as_good_as_a_configured_one_at_every_door_until_it_is_revoked(
    fakes: Fakes, tmp_path: Path
) -> None:
    with serving(settings_for(fakes, tmp_path)) as server:
        assert shown_at(server.port, WAYS[0], "unused").status == 200
        made = call(server, "POST", "/admin/api/keys", {"name": "anna"}).json
        for way in WAYS:
            assert shown_at(server.port, way, made["key"]).status == 200, way
            for wrong in ("unused", "app-anna", made["key"][:-1], ""):
                refused = shown_at(server.port, way, wrong)
                assert refused.status == 401, way
                assert ENVELOPES[way[0].partition("?")[0]](refused.json), refused.body
        assert call(server, "DELETE", "/admin/api/keys?name=anna").status == 200
        for way in WAYS:
            assert shown_at(server.port, way, made["key"]).status == 401, way
        for open_path in ("/health/live", "/admin/api/status"):
            assert ask(server.port, request("GET", open_path)).status == 200
        told = call(server, "GET", "/admin/api/requests").json["requests"]
        assert {row["app"] for row in told} <= {"anna", None}


def test_what_is_configured_goes_on_beside_it(fakes: Fakes, tmp_path: Path) -> None:
    with serving(settings_for(fakes, tmp_path, api_keys="notes:own-key")) as server:
        key, shown = fresh("anna")
        server.run_in_loop(made(server.parts, key))
        for good in ("own-key", shown):
            assert shown_at(server.port, WAYS[0], good).status == 200
        server.run_in_loop(
            made(server.parts, replace(server.parts.team.named["anna"], revoked_ms=1))
        )
        assert shown_at(server.port, WAYS[0], "own-key").status == 200
        assert shown_at(server.port, WAYS[0], shown).status == 401


def test_nobody_gets_in_while_the_keys_are_being_read(
    fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    settings = settings_for(fakes, tmp_path)
    key, shown = fresh("anna")
    with serving(settings) as server:
        server.run_in_loop(made(server.parts, key))
    may_read, original = threading.Event(), Storage._load

    async def slow(self: Storage) -> None:
        import asyncio

        await asyncio.to_thread(may_read.wait, 20)
        await original(self)

    monkeypatch.setattr(Storage, "_load", slow)
    found: dict[str, int] = {}

    def asking(key: str) -> None:
        found[key] = shown_at(server.port, WAYS[0], key).status

    with serving(settings) as server:
        threads = [threading.Thread(target=asking, args=(one,)) for one in ("unused", shown)]
        for thread in threads:
            thread.start()
        wait(lambda: len(server.server_state.tasks) == 2)
        assert not found
        may_read.set()
        for thread in threads:
            thread.join(20)
    assert found == {"unused": 401, shown: 200}


def test_no_key_is_shown_after_it_was_made_nor_written_anywhere(
    fakes: Fakes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(settings_for(fakes, tmp_path, log_level="debug")) as server:
        key = call(server, "POST", "/admin/api/keys", {"name": "anna"}).json["key"]
        shown_at(server.port, WAYS[0], key)
        shown_at(server.port, WAYS[4], key)
        shown_at(server.port, WAYS[4], key + "x")
        for path in ("keys", "status", "requests", "usage"):
            told = call(server, "GET", f"/admin/api/{path}").body
            assert key.encode() not in told
            digest = server.parts.team.named["anna"].digest
            assert digest.encode() not in told
    assert key not in caplog.text
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert key.encode() not in file.read_bytes()


def test_a_key_tells_nothing_of_itself_when_it_is_printed() -> None:
    key, shown = fresh("anna")

    assert isinstance(key, TeamKey)
    assert shown not in repr(key)


def test_a_database_that_is_away_at_the_start_lets_nobody_in(
    fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    settings = settings_for(fakes, tmp_path)
    key, shown = fresh("anna")
    with serving(settings) as server:
        assert shown_at(server.port, WAYS[0], "unused").status == 200
        server.run_in_loop(made(server.parts, key))
    original = Storage._load

    async def away(_self: Storage) -> None:
        raise StoreError("the database is away")

    monkeypatch.setattr("proxy.store.storage.TICK_S", 0.02)
    monkeypatch.setattr(Storage, "_load", away)
    with serving(settings) as server:
        for way in WAYS:
            for one in (shown, "unused", ""):
                refused = shown_at(server.port, way, one)
                assert refused.status == (529 if way[0] == "/v1/messages" else 503), way
                assert b"The database cannot be read" in refused.body
        ready = ask(server.port, request("GET", "/health/ready"))
        assert ready.status == 503
        assert "the keys" in ready.json["status"]
        assert call(server, "GET", "/admin/api/status").status == 401
        monkeypatch.setattr(Storage, "_load", original)
        wait(lambda: not server.parts.team.door.unread)
        assert shown_at(server.port, WAYS[0], shown).status == 200
        assert shown_at(server.port, WAYS[0], "unused").status == 401
        assert ask(server.port, request("GET", "/health/ready")).status == 200


def test_keys_that_were_lost_with_the_database_open_no_door(fakes: Fakes, tmp_path: Path) -> None:
    settings = settings_for(fakes, tmp_path)
    path = Path(settings.store_url.removeprefix("sqlite:///"))
    with serving(settings) as server:
        call(server, "POST", "/admin/api/keys", {"name": "anna"})
    for one in path.parent.glob(f"{path.name}*"):
        if one.suffix != ".keys":
            one.unlink()
    with serving(settings) as server:
        assert shown_at(server.port, WAYS[0], "unused").status == 401
        made = call(server, "POST", "/admin/api/keys", {"name": "anna"}).json
        assert shown_at(server.port, WAYS[0], made["key"]).status == 200
