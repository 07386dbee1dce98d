"""Which call the result of a tool answers, where clients drop ids: by id, by name, by place. Pure.

Ids that are made up count from the conversation's start: as it grows, they stay what they were.
"""

from __future__ import annotations

from collections import deque

from msgspec import Struct


class _Open(Struct):
    """A call that waits for its result."""

    id: str
    is_answered: bool = False


class OpenCalls:
    """The calls of one conversation that have no result yet, in their order.

    What has been answered leaves its lists when its turn comes, so that each is passed but once.
    """

    def __init__(self) -> None:
        self._by_id: dict[str, list[_Open]] = {}
        # By name, and all under None: those of each era, which is what the user has said before.
        self._by_name: dict[str | None, list[tuple[int, deque[_Open]]]] = {}
        self._count = 0
        self._era = 0

    def called(self, name: str, call_id: str | None = None) -> str:
        """The id of a call: the client's own, or one that is made for it."""
        self._count += 1
        call = _Open(call_id or f"call_{self._count}")
        self._by_id.setdefault(call.id, []).append(call)
        for key in (name, None):
            eras = self._by_name.setdefault(key, [])
            if not eras or eras[-1][0] != self._era:
                eras.append((self._era, deque()))
            eras[-1][1].append(call)
        return call.id

    def asked(self) -> None:
        """The user has spoken: calls from before are answered only where none is newer."""
        self._era += 1

    def holds(self, call_id: str) -> bool:
        """Whether any call before has this id, answered or not."""
        return call_id in self._by_id

    def closed(self, call_id: str) -> None:
        """A result that names its call itself."""
        if found := self._last(call_id):
            found.is_answered = True

    def answered(self, name: str | None = None, call_id: str | None = None) -> str | None:
        """The id of the call that a result belongs to; None where no call is open."""
        found = self._last(call_id) or self._first(name) or self._first(None)
        if found is None:
            return None
        found.is_answered = True
        return found.id

    def _last(self, call_id: str | None) -> _Open | None:
        calls = self._by_id.get(call_id, []) if call_id is not None else []
        while calls and calls[-1].is_answered:
            calls.pop()
        return calls[-1] if calls else None

    def _first(self, name: str | None) -> _Open | None:
        """The first of the newest era that has any."""
        eras = self._by_name.get(name, [])
        while eras:
            calls = eras[-1][1]
            while calls and calls[0].is_answered:
                calls.popleft()
            if calls:
                return calls[0]
            eras.pop()
        return None
