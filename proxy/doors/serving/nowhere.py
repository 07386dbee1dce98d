"""What a client is told where nothing is served: what is, and if its base URL is wrong. Pure."""

from __future__ import annotations

from collections.abc import Collection

BASE = "/v1"
LONGEST_PATH = 200


def nothing_at(path: str, served: Collection[str]) -> str:
    """The sentence for a path that leads nowhere; `served` holds those that lead somewhere."""
    shown = path if len(path) <= LONGEST_PATH else f"{path[:LONGEST_PATH]}…"
    endpoints = sorted({one for one in served if f"{BASE}/" in one and "{" not in one})
    own = [one for one in endpoints if one.startswith(BASE)]
    told = f"pointsman serves {', '.join(own[:-1])} and {own[-1]}"
    if _is_call(path):
        return f"There is nothing at {shown}. The base URL ends in /v1beta, or has no path."
    if _is_base_wrong(path, endpoints):
        return f"There is nothing at {shown}. The base URL ends in {BASE}, once; {told}."
    return f"{shown} is not served; {told}."


def _is_call(path: str) -> bool:
    """Whether a method stands behind the last colon of a model's name, which may hold some.

    Only clients of one protocol, which has a version of its own, say so what to do.
    """
    name, _, method = path.rpartition(":")
    return "models/" in name and method.isidentifier()


def _is_base_wrong(path: str, endpoints: Collection[str]) -> bool:
    """Whether the client has put the path together from another base than one of ours.

    It lacks the version, has it twice, or has a whole endpoint in front of one.
    """
    bases = {f"{one.partition(f'{BASE}/')[0]}{BASE}/" for one in endpoints}
    if not f"{path}/".startswith(tuple(bases)) or path.count(f"{BASE}/") > 1:
        return True
    return any(path.startswith(f"{one}/") or path.endswith(one) for one in endpoints)
