"""How many connections there may be: whose address has most makes room, before files run out."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol


class Guest(Protocol):
    """A connection, as far as it is looked at here."""

    client: tuple[str, int] | None

    @property
    def waits_since(self) -> float | None:
        """Since when it waits for its client; None while it is answered."""

    def abort(self) -> None:
        """End it."""


def make_room(guests: Collection[Guest], most: int) -> None:
    """End connections where there are more than `most`, until a quarter of that is free.

    Those go that have waited longest for their client: never who has just come, or is answered.
    """
    too_many = len(guests) - most * 3 // 4
    if len(guests) <= most:
        return
    by_address: dict[str, list[Guest]] = {}
    for guest in guests:
        by_address.setdefault(guest.client[0] if guest.client else "", []).append(guest)
    largest = max(by_address.values(), key=len)
    waiting = [(since, at) for at, one in enumerate(largest) if (since := one.waits_since)]
    for _, at in sorted(waiting)[:too_many]:
        largest[at].abort()
