"""How many files may be open: each connection is one. Says where they are too few, and the cure."""

from __future__ import annotations

from proxy.gate.room import MAX_REQUESTS, files_for, requests_for

MAX_OPEN_FILES = 65536
LEAST_OPEN_FILES = 32
"""The server itself has half of these open, and each request takes two or three."""
CURE = (
    f"raise the limit for whoever starts it to {files_for(MAX_REQUESTS)} (ulimit -n,"
    " LimitNOFILE= of systemd, --ulimit nofile= of Docker)"
)


def allow_open_files() -> int:
    """As many files as the system lets us have: each request needs one, and its provider one."""
    try:
        import resource
    except ImportError:  # Windows knows no such limit
        return MAX_OPEN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    may_have, wanted = (
        MAX_OPEN_FILES if most == resource.RLIM_INFINITY else most for most in (soft, hard)
    )
    wanted = min(wanted, MAX_OPEN_FILES)
    while may_have < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # macOS allows less than it says
            wanted //= 2
        else:
            return wanted
    return may_have


def scarcity(open_files: int) -> str | None:
    """What comes of a limit that is too low for all requests that are let in, else None."""
    if open_files < LEAST_OPEN_FILES:
        return f"at most {open_files} files may be open, too few to serve anybody"
    at_once = requests_for(open_files)
    if at_once >= MAX_REQUESTS:
        return None
    return f"at most {open_files} files may be open, enough to answer {at_once} at once"
