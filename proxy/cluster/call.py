"""What a call takes of all that servers count together, and what their answer means for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from proxy.cluster.bus import Correction, Taken
from proxy.limits.circuit import PROBE_TAKES_S
from proxy.limits.ticket import Ticket
from proxy.limits.windows import Entry, Window
from proxy.store.keys.lease import Lease

PROBE_MS = 30_000
"""For so long nobody else tries, should the server that does be gone."""
LOOK_MS = 100
"""So often it is looked what others have given back, and what is new here."""
TRIED, SPENT = -1, -2


class Held(Struct):
    """A call that Valkey counts: each window as what, and the place it tries, if it does."""

    id: str
    ticket: Ticket
    windows: list[tuple[str, Window, Entry, int]]
    probe: str | None

    @property
    def is_over(self) -> bool:
        """Whether it is known what it comes to."""
        return all(one.is_over for one in self.ticket.reservations())

    def corrections(self) -> Iterator[Correction]:
        """Where it comes to something else than it was counted as."""
        for call, window, entry, was in self.windows:
            if entry.amount != was:
                yield Correction(_key(self.ticket, window), call, was, entry.amount)

    def taken(self, now: float) -> Iterator[Taken]:
        """What it takes by now, which is what it counts as from now on."""
        self.windows = [(call, window, one, one.amount) for call, window, one, _ in self.windows]
        for call, window, entry, amount in self.windows:
            left_s = window.period_s - (now - entry.at)
            if amount > 0 and left_s > 0:
                period_ms = int(window.period_s * 1000)
                age_ms = period_ms - int(left_s * 1000)
                yield Taken(_key(self.ticket, window), call, amount, age_ms, period_ms)


class Full(Struct):
    """A limit that others use up; `others` stands for what they use, for so many `looks`."""

    key: str
    window: Window
    others: Entry
    looks: int

    def joined(self, before: Full | None) -> Full:
        """This one for both."""
        if before is not None and before.others.counted:
            self.window.correct(self.others, self.others.amount + before.others.amount)
            self.window.correct(before.others, 0)
        return self


class Call:
    """One that the `ticket` permits; `lease` is what a key lets in that all must agree to."""

    def __init__(self, name: str, ticket: Ticket, lease: Lease | None) -> None:
        self._name = name
        self._ticket = ticket
        self._lease = lease = None if lease is None or lease.agrees else lease
        tickets = [lease.ticket, ticket] if lease and lease.ticket else [ticket]
        self._taken = [
            (one, window, entry)
            for one in tickets
            for window, entry in one.reservations()[0].taken()
        ]
        self.held = [_held(name, one) for one in tickets]
        self.full: Full | None = None

    @property
    def asks(self) -> bool:
        """Whether there is anything for which others count."""
        return bool(self._taken or self._lease or self.held[-1].probe)

    def question(self) -> tuple[list[str], list[Any]]:
        """Keys of `ADMIT`, and its question."""
        probe = self.held[-1].probe
        sums = self._lease.sums() if self._lease else ()
        keys = [f"probe:{probe or ''}", *(one.name for one in sums)]
        money = [(one.known, one.amount, one.most) for one in sums]
        windows = []
        for ticket, window, entry in self._taken:
            key = _key(ticket, window)
            keys += [f"{key}:log", f"{key}:sum"]
            calls = len(ticket.reservations())
            windows.append((window.limit, int(window.period_s * 1000), entry.amount, calls))
        return keys, [self._name, PROBE_MS if probe else 0, money, windows]

    def agreed(self, answer: Sequence[int]) -> bool:
        """Whether it may be made; if not, what it held is given back.

        Raises ApiError 429 where it is the key that may not.
        """
        stands, wait_ms, *totals = answer
        lease = self._lease
        if lease:
            lease.counted(totals)
        if not stands:
            if lease:
                lease.agrees = True
            return True
        if stands == TRIED:
            self._ticket.tried_elsewhere(PROBE_TAKES_S)
            return False
        if lease and stands == SPENT:
            self._ticket.unused()
            raise lease.spent()
        ticket, window, _ = self._taken[stands - 1]
        others = ticket.held_back(window, wait_ms / 1000)
        self.full = Full(_key(ticket, window), window, others, wait_ms // LOOK_MS)
        if lease and ticket is not self._ticket:
            self._ticket.unused()
            raise lease.used_up(window.name, wait_ms / 1000)
        return False

    def unheard(self) -> None:
        """Nobody has answered: it was not made, and what was spent is untold still."""
        self._ticket.unused()
        if self._lease:
            self._lease.counted(None)


def _key(ticket: Ticket, window: Window) -> str:
    return f"{ticket.place}:{window.name}"


def _held(name: str, ticket: Ticket) -> Held:
    windows = [
        (f"{name}.{number}", window, entry, min(entry.amount, window.limit))
        for number, reservation in enumerate(ticket.reservations())
        for window, entry in reservation.taken()
    ]
    return Held(name, ticket, windows, ticket.tries())
