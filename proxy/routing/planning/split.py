"""A choice that is split: each talk is given to one of its arms, and stays with that. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate

from proxy.errors import ApiError
from proxy.routing.planning.plan import Plan
from proxy.routing.planning.preference import Preference
from proxy.routing.planning.sessions import Talk

PLACES = 1 << 64
"""Among so many a talk's place is, by its own id: the same in each turn, and after a restart."""


def drawn(
    preference: Preference, talk: Talk | None, chance: Callable[[], float] = random.random
) -> Preference:
    """The preference with the arm in front that this talk belongs to; what is no talk is drawn."""
    *_, whole = ends = list(accumulate(preference.split.values()))
    place = int.from_bytes(talk.id[:8]) * whole // PLACES if talk else int(chance() * whole)
    drawn_to = [name for name, end in zip(preference.split, ends, strict=True) if place < end]
    return replace(preference, provider=drawn_to[0])


def arm_of(plan: Plan, preference: Preference, replan: Callable[[Preference], Plan]) -> str | None:
    """The arm that a request counts for; None where it was not the draw that decided.

    That is where another draw would have led to the same provider: the client's name for the model
    stands above it, or not every arm can do what is asked.
    """
    for arm in preference.split:
        if arm == preference.provider:
            other = plan
        else:
            try:
                other = replan(replace(preference, provider=arm))
            except ApiError:
                return None
        if other.pinned or other.candidates[0].provider != arm:
            return None
    return preference.provider
