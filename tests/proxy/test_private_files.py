"""Files that are this user's alone: no link is followed, and nobody else's folder is used."""

from __future__ import annotations

import os
import stat
from contextlib import closing
from pathlib import Path

import pytest

from proxy import private_files
from proxy.private_files import NotPrivateError
from proxy.store.base import StoreError
from proxy.store.database import Database
from proxy.store.engines.migrate import _back_up
from proxy.store.kept import preferences
from tests.proxy.store.usage.test_rows import row

pytestmark = pytest.mark.skipif(os.name == "nt", reason="modes say nothing there")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def use(path: Path, how: str) -> None:
    """Read or write a database in each of the ways in which a server does."""
    with closing(Database(f"sqlite:///{path}", looks_only=how == "reader")) as database:
        match how:
            case "log":
                database.append([row().columns()])
            case "reader":
                database.read(preferences.stored)
            case "writer":
                database.open()


def create_database(path: Path) -> None:
    use(path, "writer")


WAYS = ("log", "reader", "writer")


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_no_link_in_place_of_a_database_is_followed(tmp_path: Path, how: str, suffix: str) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"somebody's")
    victim.chmod(0o644)
    path = tmp_path / "folder" / "store.db"
    if suffix:
        create_database(path)
    else:
        path.parent.mkdir(mode=0o700)
    beside = path.with_name(f"store.db{suffix}")
    beside.unlink(missing_ok=True)
    beside.symlink_to(victim)

    with pytest.raises(StoreError, match="is a link"):
        use(path, how)
    assert mode(victim) == 0o644
    assert victim.read_bytes() == b"somebody's"


@pytest.mark.parametrize("how", ["log", "writer"])
def test_what_a_link_leads_to_is_not_made(tmp_path: Path, how: str) -> None:
    path = tmp_path / "store.db"
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StoreError, match="is a link"):
        use(path, how)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("bits", [0o777, 0o1777, 0o702])
def test_a_folder_that_others_may_write_is_refused_with_its_cure(
    tmp_path: Path, how: str, bits: int
) -> None:
    path = tmp_path / "shared" / "store.db"
    create_database(path)
    path.chmod(0o644)
    path.parent.chmod(bits)

    with pytest.raises(StoreError, match=f"chmod go-w {path.parent}"):
        use(path, how)
    assert mode(path) == 0o644
    path.parent.chmod(0o755)
    use(path, how)
    assert mode(path) == 0o600


def test_a_folder_above_it_counts_too_unless_nobody_can_take_away_what_is_another_s(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "above" / "folder"
    private_files.make_folder(folder)
    (tmp_path / "above").chmod(0o777)

    with pytest.raises(NotPrivateError, match=f"chmod go-w {tmp_path / 'above'}"):
        private_files.check_folder(folder)
    (tmp_path / "above").chmod(0o1777)
    private_files.check_folder(folder)
    with pytest.raises(NotPrivateError, match="choose one of your own in it"):
        private_files.check_folder(tmp_path / "above")


def test_a_folder_of_another_group_is_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o770)
    monkeypatch.setattr(os, "getegid", lambda: folder.stat().st_gid)
    private_files.check_folder(folder)
    if folder.stat().st_gid == 0:  # root's own group is nobody else's
        os.chown(folder, -1, 54321)
    monkeypatch.setattr(os, "getegid", lambda: 12345)
    with pytest.raises(NotPrivateError):
        private_files.check_folder(folder)


def test_every_folder_that_is_made_is_its_owner_s_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        create_database(tmp_path / "a" / "b" / "store.db")
    finally:
        os.umask(before)

    modes = [mode(tmp_path / name) for name in ("a", "a/b", "a/b/store.db")]
    assert modes == [0o700, 0o700, 0o600]


def test_a_backup_is_made_anew_whatever_stands_in_its_place(tmp_path: Path) -> None:
    path, victim = tmp_path / "store.db", tmp_path / "victim"
    create_database(path)
    victim.write_bytes(b"somebody's")
    copy = tmp_path / "store.db.backup-0001"
    copy.symlink_to(victim)

    _back_up(path, "0001")

    assert victim.read_bytes() == b"somebody's"
    assert not copy.is_symlink()
    assert mode(copy) == 0o600


def test_a_file_is_made_once(tmp_path: Path) -> None:
    os.close(private_files.create(tmp_path / "file"))
    assert mode(tmp_path / "file") == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        with pytest.raises(FileExistsError):
            private_files.create(tmp_path / name)


def test_only_a_file_that_is_one_s_own_alone_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"secret")
    path.chmod(0o600)
    assert private_files.read(path, 3) == b"sec"
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "pipe", "missing"):
        with pytest.raises(OSError):
            private_files.read(tmp_path / name, 3)
    path.chmod(0o640)
    with pytest.raises(NotPrivateError):
        private_files.read(path, 3)
    path.chmod(0o600)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(NotPrivateError):
        private_files.read(path, 3)
