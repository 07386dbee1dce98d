"""Work beside the requests: begun and ended in one order, and its failure is never silent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.background import LONGEST_BUSY, Background, quiet
from proxy.command.terminal import status_text
from proxy.console.presets import Presets
from proxy.parts import Parts
from proxy.store.kept.preferences import StoredPreference
from proxy.store.storage import Storage
from proxy.telemetry.alerts import Alerts
from tests.admin.kit import Desk, desk
from tests.proxy.kit import adapter_class
from tests.proxy.serving import app_over
from tests.proxy.store.kit import chosen, until

pytestmark = pytest.mark.anyio


async def broken(*_: object) -> None:
    """What a mistake in the program does."""
    raise ZeroDivisionError("a mistake")


async def test_a_failure_is_logged_with_its_place_and_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    background = Background()

    for name in ("counting", "sums", "counting"):
        with contextlib.suppress(ZeroDivisionError):
            await background.start(name, broken)

    assert [problem.split(" failed")[0] for problem in background.problems] == ["counting", "sums"]
    assert caplog.text.count("counting failed inside the proxy") == 2
    assert "ZeroDivisionError: a mistake" in caplog.text


async def test_at_the_end_all_is_cancelled_and_no_failure() -> None:
    background = Background()
    begun = asyncio.Event()

    async def lasting() -> None:
        begun.set()
        await asyncio.Event().wait()

    tasks = [background.start("one", lasting)]
    await begun.wait()
    tasks.append(background.start("two", lasting))  # which has not begun when it is cancelled
    await background.close()

    assert all(task.done() for task in tasks)
    assert background.problems == []


async def test_what_sees_to_all_is_begun_again_as_soon_as_it_is_over() -> None:
    background, begun, again = Background(), [0], asyncio.Event()

    async def once() -> None:
        begun[0] += 1
        again.set()

    for _ in range(2):
        background.start_once("one", once)
    await again.wait()
    background.start_once("one", once)  # before anything else has heard of its end
    await asyncio.sleep(0)
    assert begun == [2]


async def waits_for_quiet(*seen: int) -> int:
    """How often it slept, when so many had asked each time that it looked."""
    asked, naps = iter(seen), list[float]()

    async def sleep(seconds: float) -> None:
        naps.append(seconds)

    await quiet(lambda: next(asked), sleep)
    return len(naps)


async def test_it_is_quiet_when_nobody_asks_for_a_while() -> None:
    assert await waits_for_quiet(0, 0) == 1
    assert await waits_for_quiet(0, 10, 10, 12, 12, 12) == 3


async def test_quiet_that_does_not_come_is_not_waited_for_for_ever() -> None:
    assert await waits_for_quiet(*range(1000)) == LONGEST_BUSY


@pytest.mark.parametrize(
    ("owner", "name", "what"),
    [
        (Storage, "_load", "reading the database"),
        (Storage, "_tick", "saving"),
        (Presets, "keep", "keeping to the limits"),
        (Alerts, "watch", "looking for alerts"),
    ],
)
async def test_what_fails_at_the_start_is_seen_everywhere(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    owner: type,
    name: str,
    what: str,
) -> None:
    monkeypatch.setattr(owner, name, broken)
    async with desk(monkeypatch, tmp_path) as one:
        await until(lambda: one.parts.background.problems)

        await seen(one, what)
        assert f"{what} failed inside the proxy" in caplog.text
        assert (await one.ask()).status_code == 200


async def test_a_live_status_that_fails_is_seen_by_the_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with desk(monkeypatch, tmp_path) as one:
        monkeypatch.setattr(one.parts.watch, "_follow", broken)
        await anext(one.parts.watch.feed())
        await until(lambda: one.parts.background.problems)

        await seen(one, "the live status")


async def seen(one: Desk, what: str) -> None:
    """`what` is told on the page, in the terminal, and to whoever asks whether it is ready."""
    facts = await one.status()
    ready = await one.client.get("/health/ready")
    [problem] = facts["background"]["problems"]

    assert problem.startswith(what)
    assert (ready.status_code, ready.json()["problems"]) == (503, [problem])
    assert problem in status_text({"running": True, "url": "here", **facts}, datetime.now(UTC))


async def test_after_a_start_that_failed_choices_are_kept_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Storage, "_load", broken)
        async with desk(monkeypatch, tmp_path) as one:
            await until(lambda: one.parts.background.problems)
            patch.undo()
            assert (await one.put({"default_llm_provider": "far"})).status_code == 200
            await one.ask()
            await until(lambda: not one.parts.storage.usage)

    async with desk(monkeypatch, tmp_path) as one:
        await one.parts.storage.preference(None)
        assert one.parts.preferences.row("default").provider == "far"
        assert len((await one.get("/admin/api/requests"))["requests"]) == 1


async def test_all_is_closed_in_one_order_whatever_fails_on_the_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    app = app_over(
        monkeypatch, adapter_class("near"), database_url=f"sqlite:///{tmp_path / 'pointsman.db'}"
    )
    parts: Parts = app.state.parts
    closed: list[str] = []

    def noted(name: str, close: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def closing() -> None:
            await close()
            closed.append(name)
            if name == "storage":
                raise ZeroDivisionError("while closing")

        return closing

    for name in ("background", "watch", "storage", "catalog", "router"):
        part: Any = getattr(parts, name)
        monkeypatch.setattr(part, "close", noted(name, part.close))
    near: Any = parts.adapters["near"]
    monkeypatch.setattr(near, "close", noted("near", near.close))
    monkeypatch.setattr(parts.upstream.client, "aclose", noted("upstream", httpx_close(parts)))

    with pytest.raises(ZeroDivisionError):
        async with app.router.lifespan_context(app):
            await chosen(parts, StoredPreference(provider="near"))

    assert closed == ["background", "watch", "storage", "catalog", "router", "near", "upstream"]


def httpx_close(parts: Parts) -> Callable[[], Awaitable[None]]:
    client: httpx.AsyncClient = parts.upstream.client
    return client.aclose
