"""Servers behind a balancer are replaced one after the other: nobody who asks can tell."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from proxy.settings import Settings
from tests.fakes.gate import Gate
from tests.fakes.server import Fault
from tests.proxy.cluster.kit import wait
from tests.proxy.cluster.nginx_kit import nginx_before
from tests.security.kit import (
    GOOD,
    Fakes,
    Threaded,
    ask,
    body_of,
    connect,
    post,
    read_reply,
    request,
    serving,
    settings_for,
)

STREAM = post(body_of(stream=True))
STREAMS = 200
PATIENCE_S = 90
CALLS = 20


@pytest.fixture
def nginx() -> None:
    """Skipped where there is none, but never in CI."""
    if shutil.which("nginx") is None:
        reason = "no nginx on this machine: apt-get install nginx-light"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


def test_a_rolling_restart_cuts_nothing_and_loses_nothing(
    nginx: None, fakes: Fakes, tmp_path: Path
) -> None:
    settings = settings_for(fakes, tmp_path, drain_s=PATIENCE_S)
    ports = _free_ports(3)
    front, *backs = ports
    with ExitStack() as all_:
        running = {port: _started(all_, settings, port) for port in backs}
        all_.enter_context(nginx_before(tmp_path / "nginx", front, backs))
        for port, count in zip(backs, (STREAMS, 20), strict=True):
            gate = Gate()
            fakes.forget()
            fakes.groq.then(*[Fault(hold_at=(1500, gate))] * count)
            with _asked(front, count) as streams:
                wait(lambda count=count: fakes.chats == count)
                server, stack = running[port]
                assert server.parts.admission.requests.taken > 0
                server.tell()
                wait(lambda port=port: ask(port, request("GET", "/health/ready")).status == 503)
                assert {ask(front, GOOD).status for _ in range(CALLS)} == {200}
                gate.open()
                replies = [read_reply(stream) for stream in streams]
            assert {reply.status for reply in replies} == {200}
            assert all(reply.body.endswith(b"data: [DONE]\n\n") for reply in replies)
            stack.close()
            assert {ask(front, GOOD).status for _ in range(CALLS)} == {200}
            running[port] = _started(all_, settings, port)
            tally = running[port][0].parts.monitors.tally
            wait(lambda tally=tally: ask(front, GOOD).status == 200 and tally.requests)


def _started(all_: ExitStack, settings: Settings, port: int) -> tuple[Threaded, ExitStack]:
    stack = all_.enter_context(ExitStack())
    return stack.enter_context(serving(settings, port=port)), stack


@contextmanager
def _asked(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Streams that have begun."""
    with ExitStack() as stack:
        found = [stack.enter_context(connect(port)) for _ in range(count)]
        for one in found:
            one.settimeout(PATIENCE_S)
            one.sendall(STREAM)
        for one in found:
            assert one.recv(12, socket.MSG_PEEK | socket.MSG_WAITALL) == b"HTTP/1.1 200"
        yield found


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        found = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(one.getsockname()[1]) for one in found]
