"""The checks of a field case: what stands at a path, and whether it is what it should be."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

MISSING = object()
Check = Mapping[str, Any]


def at(value: Any, path: str) -> Any:
    """What stands at `a.0.b` in `value`; MISSING if nothing does."""
    for step in path.split("."):
        match value:
            case Mapping() if step in value:
                value = value[step]
            case list() | tuple() if re.fullmatch(r"-?\d+", step):
                place = int(step)
                if not -len(value) <= place < len(value):
                    return MISSING
                value = value[place]
            case _:
                return MISSING
    return value


def failing(checks: Sequence[Check], root: Any) -> list[str]:
    """The checks that do not hold, each with what was found in its place."""
    return [_told(check, root) for check in checks if not holds(check, root)]


def holds(check: Check, root: Any) -> bool:
    if "any" in check:
        return any(holds(one, root) for one in check["any"])
    found = at(root, check["at"])
    [(name, wanted)] = [(name, value) for name, value in check.items() if name != "at"]
    return _OPERATORS[name](found, wanted)


def _told(check: Check, root: Any) -> str:
    found = None if "any" in check else at(root, check["at"])
    return f"{dict(check)} but there is {'nothing' if found is MISSING else repr(found)[:400]}"


def _text(found: Any) -> str:
    if found is MISSING:
        return ""
    if isinstance(found, str):
        return found
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda found, wanted: isinstance(found, int | float) and compare(found, wanted)


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "is": lambda found, wanted: bool(found == wanted),
    "is_not": lambda found, wanted: bool(found != wanted),
    "in": lambda found, wanted: found in wanted,
    "contains": lambda found, wanted: wanted in _text(found),
    "lacks": lambda found, wanted: wanted not in _text(found),
    "matches": lambda found, wanted: re.search(wanted, _text(found)) is not None,
    "exists": lambda found, wanted: (found is not MISSING) is wanted,
    "at_most": _compared(operator.le),
    "at_least": _compared(operator.ge),
}
