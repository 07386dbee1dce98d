"""Rows in files: kept by one process, written by whoever can, each once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from proxy.store.base import Columns, StoreError
from proxy.store.usage import waiting
from proxy.store.usage.waiting import FRESH, TAKEN, WaitingRows


def numbered(*numbers: int) -> list[Columns]:
    return [{"at_ms": number, "request_id": f"req-{number}"} for number in numbers]


def put_into(found: list[Columns]) -> object:
    return found.extend


def kept(folder: Path) -> list[Columns]:
    found: list[Columns] = []
    WaitingRows(lambda: folder).write(found.extend)
    return sorted(found, key=lambda row: row["at_ms"])


def test_what_one_keeps_another_writes_and_nobody_again(tmp_path: Path) -> None:
    folder = tmp_path / "waiting"
    one = WaitingRows(lambda: folder)
    for number in range(3):
        assert one.put(numbered(number), alone=False)
    assert len(list(folder.iterdir())) == 1
    assert folder.stat().st_mode & 0o077 == 0
    assert kept(folder) == numbered(0, 1, 2)
    assert kept(folder) == []
    assert one.put(numbered(3), alone=False)
    assert kept(folder) == numbered(3)


def test_rows_in_doubt_have_a_file_of_their_own(tmp_path: Path) -> None:
    one = WaitingRows(lambda: tmp_path)
    batches: list[Sequence[Columns]] = []
    for number, alone in enumerate([False, True, False, False]):
        assert one.put(numbered(number), alone=alone)
    one.write(batches.append)
    assert sorted(len(batch) for batch in batches) == [1, 1, 2]
    assert numbered(1) in batches


def test_a_file_that_cannot_be_written_stays_and_is_not_added_to(tmp_path: Path) -> None:
    one = WaitingRows(lambda: tmp_path)
    one.put(numbered(1), alone=False)

    def fail(_rows: Sequence[Columns]) -> None:
        raise StoreError("away")

    with pytest.raises(StoreError):
        one.write(fail)
    assert [path.suffix for path in tmp_path.iterdir()] == [TAKEN]
    one.put(numbered(2), alone=False)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [FRESH, TAKEN]
    assert kept(tmp_path) == numbered(1, 2)


def test_what_another_is_writing_is_left_alone(tmp_path: Path) -> None:
    one = WaitingRows(lambda: tmp_path)
    one.put(numbered(1), alone=False)
    seen: list[list[Columns]] = []
    one.write(lambda _rows: seen.append(kept(tmp_path)))
    assert seen == [[]]


def test_a_line_that_was_being_written_is_passed_over(tmp_path: Path) -> None:
    one = WaitingRows(lambda: tmp_path)
    one.put(numbered(1), alone=False)
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + b'{"at_ms": 2, "requ')
    assert kept(tmp_path) == numbered(1)


def test_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MAX_FILES", 2)
    monkeypatch.setattr(waiting, "MAX_ROWS", 2)
    one = WaitingRows(lambda: tmp_path)
    assert [one.put(numbered(number), alone=False) for number in range(6)] == [True] * 4 + [
        False
    ] * 2
    assert kept(tmp_path) == numbered(0, 1, 2, 3)
