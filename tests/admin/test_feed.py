"""The live feed: each page sees the state at once, and each change of it, by one piece of work."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from adapters.base import ErrorKind, Text
from tests.admin.kit import Desk, desk
from tests.admin.test_status import admitted
from tests.proxy.kit import HANG, adapter_class, failure

pytestmark = pytest.mark.anyio


@pytest.fixture
async def owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(monkeypatch, tmp_path) as opened:
        yield opened


class Page:
    """A browser's end of the feed, at the level of ASGI."""

    def __init__(self, owner: Desk) -> None:
        self._owner = owner
        self._said: asyncio.Queue[Any] = asyncio.Queue()
        self._left = asyncio.Event()
        self._text = b""
        self.headers: dict[str, str] = {}
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        headers = [(b"host", b"127.0.0.1:8000")]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/admin/api/events",
            "raw_path": b"/admin/api/events",
            "query_string": b"",
            "headers": headers,
            "server": ("127.0.0.1", 8000),
        }
        await self._owner.app(scope, self._receive, self._send)

    async def _receive(self) -> Any:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message.get("body"):
            self._said.put_nowait(message["body"])

    async def next(self) -> Any:
        async with asyncio.timeout(10):
            event = await self._said.get()
        assert event.startswith(b"event: status\ndata: ")
        assert event.endswith(b"\n\n")
        return orjson.loads(event.partition(b"data: ")[2])

    async def until(self, holds: Callable[[Any], bool]) -> Any:
        while not holds(status := await self.next()):
            pass
        return status

    async def leave(self) -> None:
        self._left.set()
        async with asyncio.timeout(10):
            await self.task


def followers() -> list[asyncio.Task[Any]]:
    """The tasks that make the status for all pages."""
    return [task for task in asyncio.all_tasks() if "Watch._follow" in repr(task.get_coro())]


@contextlib.asynccontextmanager
async def looking(owner: Desk) -> AsyncIterator[Page]:
    page = Page(owner)
    try:
        yield page
    finally:
        await page.leave()


async def test_a_page_sees_the_state_at_once_and_each_change(owner: Desk) -> None:
    async with looking(owner) as page:
        assert (await page.next())["preference"]["default_llm_provider"] == "near"
        assert page.headers["content-type"].startswith("text/event-stream")
        assert page.headers["cache-control"] == "no-store"
        await owner.put({"default_llm_provider": "far"})
        changed = await page.until(lambda s: s["preference"]["default_llm_provider"] == "far")
        assert changed["powered_by"]["provider"] == "far"


async def test_two_pages_follow_each_other_by_one_piece_of_work(owner: Desk) -> None:
    async with looking(owner) as one, looking(owner) as other:
        await one.next()
        await other.next()
        await owner.put({"default_llm_provider": "far"})
        states = [
            await page.until(lambda s: s["preference"]["default_llm_provider"] == "far")
            for page in (one, other)
        ]
        assert states[0] == states[1]
        assert len(followers()) == 1


async def test_a_wait_begins_and_ends_on_the_page(owner: Desk) -> None:
    async with looking(owner) as page:
        await page.next()
        admitted(owner, "near").failed(failure(ErrorKind.RATE_LIMIT, retry_after_s=1))
        paused = await page.until(lambda s: s["providers"][0]["pause"] is not None)
        assert paused["powered_by"]["provider"] == "far"
        back = await page.until(lambda s: s["providers"][0]["pause"] is None)
        assert back["powered_by"]["provider"] == "near"


async def test_nothing_is_asked_once_nobody_looks(owner: Desk) -> None:
    async with looking(owner) as page:
        await page.next()
    async with asyncio.timeout(10):
        await asyncio.gather(*followers())


async def test_a_server_that_stops_lets_its_pages_go(owner: Desk) -> None:
    page = Page(owner)
    await page.next()
    owner.parts.watch.stop()
    async with asyncio.timeout(10):
        await page.task


async def test_a_quiet_feed_beats(monkeypatch: pytest.MonkeyPatch, owner: Desk) -> None:
    monkeypatch.setattr("proxy.console.watch.HEARTBEAT_S", 0.01)
    page = Page(owner)
    async with asyncio.timeout(10):
        while await page._said.get() != b": still here\n\n":
            pass
    await page.leave()


async def test_a_feed_goes_on_while_an_answer_streams(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow = adapter_class("slow")
    slow.script.play([[Text("a")], HANG])
    async with desk(monkeypatch, tmp_path, slow) as owner, looking(owner) as page:
        await page.next()
        answer = asyncio.create_task(owner.ask("slow"))
        assert await asyncio.to_thread(slow.script.began.wait, 10)
        await owner.put({"models": {"slow": "other"}})
        await page.until(lambda s: s["providers"][0]["model"] == "other")
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)


async def test_the_head_of_the_feed_comes_without_the_feed(owner: Desk) -> None:
    async with asyncio.timeout(10):
        answer = await owner.client.head("/admin/api/events")

    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (
        200,
        "text/event-stream",
    )
    assert followers() == []
