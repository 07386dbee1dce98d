"""Files that break, before the start and under the server: no request waits, nothing is lost."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from proxy.store.base import StoreError
from proxy.store.kept import preferences
from proxy.store.kept.preferences import StoredPreference
from tests.proxy.store.kit import PATIENCE_S, opened, running, until, usage_count
from tests.proxy.store.usage.test_rows import row as usage_row
from tests.security.kit import sized

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick")]


def asides(folder: Path) -> list[Path]:
    """The broken files that were moved aside, oldest first."""
    found = (path for path in folder.iterdir() if ".corrupt-" in path.name)
    return sorted(path for path in found if not path.name.endswith(("-wal", "-shm")))


def damaged(path: Path, damage: Callable[[bytes], bytes]) -> bytes:
    """Damage the file; gives what is in it then."""
    path.write_bytes(broken := damage(path.read_bytes()))
    return broken


def broken_header(content: bytes) -> bytes:
    return b"this is no longer" + content[17:]


def broken_pages(content: bytes) -> bytes:
    return content[:4096] + b"\xde\xad\xbe\xef" * ((len(content) - 4096) // 4)


def broken_schema(content: bytes) -> bytes:
    return content[:100] + b"\xff" * 3996 + content[4096:]


def somewhere(chance: random.Random, content: bytes) -> bytes:
    broken = bytearray(content)
    for _ in range(chance.choice([1, 10, 1000])):
        broken[chance.randrange(len(broken))] = chance.randrange(256)
    return bytes(broken)


def cut_off(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("damage", [broken_header, broken_pages, broken_schema, cut_off])
async def test_a_broken_file_is_moved_aside_and_a_new_one_begun(
    file: str, path: Path, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broken = damaged(path, damage)

    async with running(file) as kept:
        assert (await kept.storage.preference(None)).provider == "near"
        await kept.switch("near")
        assert kept.storage.problem is None

    [aside] = asides(path.parent)
    assert aside.read_bytes() == broken
    assert f"moved to {aside.name}" in caplog.text
    with opened(file) as database:
        assert [row.provider for row in database.read(preferences.stored)] == ["near"]


def test_what_was_not_yet_in_a_broken_file_is_moved_with_it(file: str, path: Path) -> None:
    with opened(file) as database:
        database.write(partial(preferences.save, row=StoredPreference(provider="near")))
        log = path.with_name("store.db-wal").read_bytes()
        assert log
    damaged(path, broken_header)
    path.with_name("store.db-wal").write_bytes(log)

    with opened(file):
        [aside] = asides(path.parent)
        assert aside.with_name(f"{aside.name}-wal").read_bytes() == log


def test_each_broken_file_is_kept(file: str, path: Path) -> None:
    for number in range(3):
        path.write_bytes(b"broken %d" % number)
        with opened(file):
            pass

    kept = [one.read_bytes() for one in asides(path.parent)]
    assert kept == [b"broken 0", b"broken 1", b"broken 2"]


async def test_a_file_that_breaks_under_the_server_is_moved_aside_too(
    file: str, path: Path
) -> None:
    async with running(file) as one, running(file) as two:
        damaged(path, broken_header)
        await one.switch("near")
        await until(lambda: two.provider == "near")
        await two.switch("far")
        await until(lambda: one.provider == "far")
        for kept in (one, two):
            kept.storage.usage.put(usage_row())
            await kept.storage.flush()
            assert kept.storage.problem is None

    assert usage_count(path) == 2


async def test_a_file_that_was_taken_away_is_made_again(file: str, path: Path) -> None:
    async with running(file) as kept:
        await kept.switch("far")
        for one in list(path.parent.iterdir()):
            one.rename(one.with_name(f"away-{one.name}"))
        await kept.switch("near")
        kept.storage.usage.put(usage_row())

    async with running(file) as kept:
        assert kept.provider == "near"
    assert usage_count(path) == 1


async def test_a_row_that_nobody_can_read_stops_no_request(file: str, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE user_preferences SET models = '{'")

    async with running(file) as kept:
        assert (await kept.storage.preference(None)).provider == "near"
        assert "holds what this program did not write" in str(kept.storage.problem)


async def test_what_goes_wrong_inside_is_told_and_tried_again(
    file: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(file) as kept:
        with monkeypatch.context() as patch:
            patch.setattr(kept.signatures, "take_new", lambda: {}["x"])
            await until(lambda: kept.storage.problem)
            assert "inside the proxy" in str(kept.storage.problem)
        await until(lambda: kept.storage.problem is None)
    assert "KeyError" in caplog.text


async def test_where_no_folder_can_be_made_requests_go_on(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    await asyncio.to_thread(taken.write_text, "a file in the place of a folder")
    async with running(f"sqlite:///{taken / 'store.db'}") as kept:
        with pytest.raises(StoreError, match="cannot be used"):
            await kept.switch("far")
        assert kept.storage.problem
        assert (await kept.storage.preference(None)).provider == "near"


@pytest.mark.parametrize("seed", range(sized(25, 500)))
async def test_no_damage_whatsoever_stops_requests(file: str, path: Path, seed: int) -> None:
    content = damaged(path, partial(somewhere, random.Random(seed)))

    async with running(file) as kept, asyncio.timeout(PATIENCE_S):
        assert await kept.storage.preference(None)
        kept.storage.usage.put(usage_row())
        kept.signatures.put("call_2", "another")
        try:
            await kept.storage.flush()
        except StoreError:
            assert kept.storage.problem
        assert kept.storage._beside and not any(task.done() for task in kept.storage._beside)

    assert [one.read_bytes() for one in asides(path.parent)] in ([], [content])
