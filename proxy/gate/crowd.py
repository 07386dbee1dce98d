"""How many connections there may be: whose address has most makes room, before files run out."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.gate.protocol import Protocol


def make_room(guests: Collection[Protocol], most: int) -> None:
    """End connections where there are more than `most`, until a quarter of that is free.

    Those go that have waited longest for their client: never who has just come, or is answered.
    """
    too_many = len(guests) - most * 3 // 4
    if len(guests) <= most:
        return
    by_address: dict[str, list[Protocol]] = {}
    for guest in guests:
        by_address.setdefault(guest.client[0] if guest.client else "", []).append(guest)
    largest = max(by_address.values(), key=len)
    waiting = [(since, at) for at, one in enumerate(largest) if (since := one.waits_since)]
    for _, at in sorted(waiting)[:too_many]:
        largest[at].abort()
