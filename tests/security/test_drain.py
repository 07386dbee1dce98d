"""The end: what was asked before it is answered, loudly if need be, and the exit code is 0."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from proxy.store.storage import Storage
from tests.fakes.gate import Gate
from tests.fakes.server import Fault
from tests.proxy.doors.talks import TALKS
from tests.security.kit import (
    Fakes,
    Process,
    Reply,
    Wait,
    ask,
    body_of,
    connect,
    post,
    process,
    read_reply,
    request,
    serving,
    settings_for,
    sized,
)

CALL = post(body_of())
STREAM = post(body_of(stream=True))


@pytest.fixture
def one(fakes: Fakes, tmp_path: Path) -> Iterator[Process]:
    with process(fakes, tmp_path) as running:
        yield running


@contextlib.contextmanager
def asked(port: int, *requests: bytes) -> Iterator[list[socket.socket]]:
    """Connections that have asked and not yet read."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(port)) for _ in requests]
        for sock, data in zip(socks, requests, strict=True):
            sock.settimeout(90)
            sock.sendall(data)
        yield socks


def events(reply: Reply) -> list[str]:
    assert reply.headers["content-type"].startswith("text/event-stream")
    lines = reply.body.decode().split("\n\n")
    return [line.removeprefix("data: ") for line in lines if line]


def text_of(reply: Reply) -> str:
    """The text of an answer, whole or streamed, that has ended as it should."""
    assert reply.status == 200
    if reply.headers["content-type"].startswith("application/json"):
        return str(reply.json["choices"][0]["message"]["content"])
    *chunks, end = events(reply)
    assert end == "[DONE]"
    deltas = [choice["delta"] for chunk in chunks for choice in json.loads(chunk)["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def test_what_was_asked_before_the_signal_is_answered(
    fakes: Fakes, one: Process, wait: Wait
) -> None:
    many = sized(50, 200)
    gate = Gate()
    fakes.groq.then(*[Fault(hold_at=(200, gate))] * 2 * many)
    with asked(one.port, *[CALL, STREAM] * many) as socks:
        wait(lambda: fakes.chats == 2 * many)
        one.terminate()
        wait(lambda: ask(one.port, request("GET", "/health/ready")).status == 503)
        assert ask(one.port, request("GET", "/health/live")).status == 200
        late = ask(one.port, CALL)
        assert (late.status, late.code) == (503, "shutting_down")
        assert late.headers["connection"] == "close"
        assert late.headers["x-should-retry"] == "true"
        assert late.headers["retry-after"] == "1"
        assert one.popen.poll() is None
        gate.open()
        answers = [text_of(read_reply(sock)) for sock in socks]
    assert answers == ["You said: Hello."] * 2 * many
    assert one.exit_code() == 0
    assert fakes.chats == 2 * many
    assert "Traceback" not in one.said


def test_with_nothing_to_do_it_ends_at_once(one: Process) -> None:
    with connect(one.port) as idle, connect(one.port) as open_page:
        open_page.sendall(request("GET", "/admin/api/events"))
        assert open_page.recv(10) == b"HTTP/1.1 2"
        one.terminate()
        assert one.exit_code() == 0
        assert idle.recv(1) == b""


@pytest.mark.heavy
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_with_an_error_for_everyone(
    fakes: Fakes, one: Process, wait: Wait, number: int
) -> None:
    fakes.groq.then(*[Fault(hold_at=(1500, Gate()))] * 5, *[Fault(hold=Gate())] * 10)
    with asked(one.port, *[STREAM] * 5) as begun:
        wait(lambda: fakes.chats == 5)
        for sock in begun:
            assert sock.recv(12, socket.MSG_PEEK | socket.MSG_WAITALL) == b"HTTP/1.1 200"
        with asked(one.port, *[CALL, STREAM] * 5) as socks:
            wait(lambda: fakes.chats == 15)
            one.terminate()
            wait(lambda: ask(one.port, request("GET", "/health/ready")).status == 503)
            one.popen.send_signal(number)
            replies = [read_reply(sock) for sock in socks]
        streams = [events(read_reply(sock)) for sock in begun]
    assert {(reply.status, reply.code) for reply in replies} == {(503, "shutting_down")}
    assert {json.loads(stream[-1])["error"]["code"] for stream in streams} == {"shutting_down"}
    assert one.exit_code() == 0
    assert "Traceback" not in one.said


def test_what_does_not_end_in_time_is_told_so(fakes: Fakes, tmp_path: Path, wait: Wait) -> None:
    fakes.groq.then(Fault(hold_at=(1500, Gate())), Fault(hold=Gate()))
    with (
        serving(settings_for(fakes, tmp_path, drain_s=0.2)) as server,
        asked(server.port, STREAM) as (stream,),
    ):
        wait(lambda: fakes.chats == 1)
        assert stream.recv(12, socket.MSG_PEEK | socket.MSG_WAITALL) == b"HTTP/1.1 200"
        with asked(server.port, CALL) as (call,):
            wait(lambda: fakes.chats == 2)
            server.tell()
            assert read_reply(call).code == "shutting_down"
        last = json.loads(events(read_reply(stream))[-1])
        assert last["error"]["code"] == "shutting_down"
    wait(lambda: fakes.groq.counts.open == 0)


def test_socket_database_and_upstream_close_in_this_order(
    fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    ports: list[int] = []
    close_storage, close_client = Storage.close, httpx.AsyncClient.aclose

    async def close_database(storage: Storage) -> None:
        with pytest.raises(ConnectionError):
            connect(ports[0])
        closed.append("database")
        await close_storage(storage)

    async def close_upstream(client: httpx.AsyncClient) -> None:
        closed.append("upstream")
        await close_client(client)

    monkeypatch.setattr(Storage, "close", close_database)
    monkeypatch.setattr(httpx.AsyncClient, "aclose", close_upstream)
    with serving(settings_for(fakes, tmp_path)) as server:
        ports.append(server.port)
    assert closed == ["database", "upstream"]


def test_every_door_answers_what_was_asked_before_the_signal(
    fakes: Fakes, one: Process, wait: Wait
) -> None:
    gate = Gate()
    asked_at = [
        talk.asked(stream=stream, model="groq/llama-3.3-70b-versatile")
        for talk in TALKS.values()
        for stream in (False, True)
    ]
    fakes.groq.then(*[Fault(hold_at=(200, gate))] * len(asked_at))
    with asked(one.port, *[post(body, path) for path, body in asked_at]) as socks:
        wait(lambda: fakes.chats == len(asked_at))
        one.terminate()
        wait(lambda: ask(one.port, request("GET", "/health/ready")).status == 503)
        for talk in TALKS.values():
            path, body = talk.asked(stream=True)
            late = ask(one.port, post(body, path))
            assert late.status in (503, 529)
            assert "shutting down" in late.body.decode()
        gate.open()
        for (path, _), sock in zip(asked_at, socks, strict=True):
            reply = read_reply(sock)
            assert (path, reply.status) == (path, 200)
            assert b"said" in reply.body and b"Hello" in reply.body
    assert one.exit_code() == 0


def test_balancers_see_that_it_leaves_before_it_refuses_anybody(
    fakes: Fakes, tmp_path: Path, wait: Wait
) -> None:
    with serving(settings_for(fakes, tmp_path, drain_pause_s=600)) as server:
        server.tell()
        wait(lambda: ask(server.port, request("GET", "/health/ready")).status == 503)
        assert {ask(server.port, data).status for data in (CALL, STREAM)} == {200}
        server.tell()  # once more: at once
