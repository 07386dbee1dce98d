"""Files that are this user's alone: made by nobody else, reached over no link."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class NotPrivateError(OSError):
    """Others could have put the file there, or could do so now; the text names the cure."""


def make_folder(folder: Path) -> None:
    """See to it that there is a folder that `check_folder` finds good; raises as that does.

    It and those above it that are made are for their owner alone.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)
    check_folder(folder)


def check_folder(folder: Path) -> None:
    """Raise NotPrivateError if others may put files there, or something else in its place.

    OSError where it is no folder.
    """
    if os.name == "nt":  # whose modes say nothing
        return
    here = folder.resolve()
    if not here.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    _check_one(here, here.stat(), may_be_shared=False)
    for above in here.parents:
        _check_one(above, above.stat(), may_be_shared=True)


def _check_one(folder: Path, found: os.stat_result, *, may_be_shared: bool) -> None:
    """A folder such as /tmp, where nobody can take another's files away, may be shared."""
    # Where every user has a group of his own, what he makes may be written by that group.
    is_others = found.st_mode & stat.S_IWGRP and found.st_gid not in (0, os.getegid())
    if not (is_others or found.st_mode & stat.S_IWOTH):
        return
    is_sticky = found.st_mode & stat.S_ISVTX
    if may_be_shared and is_sticky:
        return
    cure = f"`chmod go-w {folder}`, or choose another"
    if is_sticky:
        cure = f"choose one of your own in it (or, where it is yours alone, `chmod go-w {folder}`)"
    raise NotPrivateError(f"the folder {folder} may be written by others: {cure}")


def check_file(path: Path) -> bool:
    """Whether there is a file. Raises NotPrivateError for a link, OSError for what is no file."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    if stat.S_ISLNK(found.st_mode):
        raise NotPrivateError(f"{path} is a link, and none is followed: name the file itself")
    if not stat.S_ISREG(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "this is not a file", str(path))
    return True


def keep_private(path: Path) -> None:
    """Let nobody else read or write the file, if there is one. Raises NotPrivateError.

    To be called after `check_folder`: nobody can put a link there in between. It is not opened, as
    to close it would end the locks that SQLite holds on it in this process.
    """
    if check_file(path) and path.lstat().st_mode & _OTHERS:
        with suppress(OSError):  # another one's
            path.chmod(0o600)


def create(path: Path) -> int:
    """The descriptor of a new file, to be written. Raises FileExistsError if one is there."""
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NO_LINK | _BINARY, 0o600)


def read(path: Path, most: int) -> bytes:
    """Up to `most` bytes of a file that is this user's alone. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | _NO_LINK | _BINARY | getattr(os, "O_NONBLOCK", 0))
    try:
        found = os.fstat(descriptor)
        is_own = os.name == "nt" or (found.st_uid == os.geteuid() and not found.st_mode & _OTHERS)
        if not (is_own and stat.S_ISREG(found.st_mode)):
            raise NotPrivateError(f"{path} is not this user's alone: remove it")
        return os.read(descriptor, most)
    finally:
        os.close(descriptor)
