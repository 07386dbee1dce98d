"""How an answer is written: its head leaves with what follows, and alone where nothing does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from proxy.doors import speller_of
from proxy.gate.protocol import speaking
from tests.cost.wires import Wire

pytestmark = pytest.mark.anyio


async def told_whole(scope: Scope, _receive: Receive, send: Send) -> None:
    headers = [(b"content-length", b"4")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/fails":
        raise ValueError
    body = b"" if scope["method"] == "HEAD" else b"done"
    await send({"type": "http.response.body", "body": body})


async def told_late(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(3):
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b"done"})


async def writes_of(app: Callable[..., object], request: bytes) -> list[bytes]:
    """What is written for a request, write by write."""
    config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None)  # type: ignore[arg-type]
    state = ServerState()
    protocol = speaking(speller_of)(config, state, {})
    written: list[bytes] = []
    protocol.connection_made(Wire(protocol, written.append))
    protocol.data_received(request + b" HTTP/1.1\r\nhost: a\r\n\r\n")
    while state.tasks:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0)
    return written


async def test_a_head_leaves_with_the_body_that_follows_at_once() -> None:
    (written,) = await writes_of(told_whole, b"GET /")

    assert written.startswith(b"HTTP/1.1 200") and written.endswith(b"\r\n\r\ndone")


async def test_a_head_leaves_alone_where_its_body_is_late() -> None:
    head, body = await writes_of(told_late, b"GET /")

    assert head.endswith(b"\r\n\r\n") and b"done" in body


@pytest.mark.parametrize("request_line", [b"HEAD /", b"GET /fails"])
async def test_a_head_leaves_where_no_body_comes(
    request_line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (written,) = await writes_of(told_whole, request_line)

    assert b"content-length: 4" in written and written.endswith(b"\r\n\r\n")
    caplog.clear()
