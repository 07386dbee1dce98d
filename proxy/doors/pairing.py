"""Which call the result of a tool answers, where clients drop ids: by id, by name, by place. Pure.

The ids that are made up count from the conversation's begin: as it grows, they stay what they were.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct


class _Open(Struct, frozen=True):
    """A call that waits for its result; `era` counts what the user has said before it."""

    id: str
    name: str
    era: int


class OpenCalls:
    """The calls of one conversation that have no result yet, in their order."""

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._count = 0
        self._era = 0

    def called(self, name: str, call_id: str | None = None) -> str:
        """The id of a call: the client's own, or one that is made for it."""
        self._count += 1
        found = call_id or f"call_{self._count}"
        self._open.append(_Open(found, name, self._era))
        return found

    def asked(self) -> None:
        """The user has spoken: calls from before are answered only where none is newer."""
        self._era += 1

    def answered(self, name: str | None = None, call_id: str | None = None) -> str | None:
        """The id of the call that a result belongs to; None where no call is open."""
        found = (
            self._last(lambda one: one.id == call_id)
            or self._first(lambda one: one.name == name)
            or self._first(lambda one: True)
        )
        if found is None:
            return None
        self._open.remove(found)
        return found.id

    def _last(self, fits: Callable[[_Open], bool]) -> _Open | None:
        return next(filter(fits, reversed(self._open)), None)

    def _first(self, fits: Callable[[_Open], bool]) -> _Open | None:
        """The first of the newest era that has any."""
        found = list(filter(fits, self._open))
        newest = max((one.era for one in found), default=0)
        return next((one for one in found if one.era == newest), None)
