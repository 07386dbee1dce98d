"""One model for all requests of a kind, in whose place no other may answer."""

from __future__ import annotations

import re

from msgspec import Struct


class Pin(Struct, frozen=True):
    """`name` is the model with its provider, or a provider, or "" for the first that can.

    `stands_for` are the names of which it is sure that no provider here means them.
    """

    name: str
    stands_for: re.Pattern[str]
