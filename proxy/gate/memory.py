"""How much memory the process may take: all that the machine has, or what its container may."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")
OWN_BYTES = 96 * 1024 * 1024
"""Of the server itself, with many connections."""
COPIES = 4
"""A body is in memory so many times until it has been sent on, as read and as written."""
LEAST_BYTES = 16 * 1024 * 1024


def room_in(memory_bytes: int) -> int:
    """How many bytes of bodies may be in memory at once where there is so much of it."""
    return max(LEAST_BYTES, (memory_bytes - OWN_BYTES) // COPIES)


def memory_limit(root: Path = ROOT) -> int | None:
    """In bytes; None where nothing tells."""
    found = []
    with contextlib.suppress(AttributeError, OSError, ValueError):  # Windows has no sysconf
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with contextlib.suppress(OSError):
        for path in _limits(root):
            with contextlib.suppress(OSError, ValueError):  # "max"
                found.append(int(path.read_text("ascii")))
    return min(found, default=None)


def _limits(root: Path) -> Iterator[Path]:
    """Files with the limits of its control group, and of those around that one; v2, then v1.

    A container may be told of a path that is not its own: there the outermost is.
    """
    for line in (root / "proc/self/cgroup").read_text("utf-8").splitlines():
        _, kinds, path = line.split(":", 2)
        own = PurePosixPath(path.lstrip("/"))
        if not kinds:
            yield from (root / "sys/fs/cgroup" / at / "memory.max" for at in (own, *own.parents))
        elif "memory" in kinds.split(","):
            groups = root / "sys/fs/cgroup/memory"
            yield from (groups / at / "memory.limit_in_bytes" for at in (own, *own.parents))
