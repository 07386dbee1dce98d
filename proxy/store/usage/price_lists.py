"""The price lists of some providers, out of those of all that `genai-prices` knows.

To import those of all takes 3 MB for good, and 11 where Python has not kept what it compiled of
them. So a child process imports them, run with this file as its script, picks, and ends.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Collection
from subprocess import SubprocessError
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import Provider


def price_lists(providers: Collection[str]) -> DataSnapshot:
    """What `genai-prices` knows of `providers`, maybe of others as well. Takes half a second."""
    from genai_prices.data_snapshot import DataSnapshot, get_snapshot

    from adapters.child import answer_of

    if "genai_prices.data" in sys.modules:
        return get_snapshot()
    try:
        found = answer_of(__file__, json.dumps(list(providers)).encode())
        return DataSnapshot(pickle.loads(found), from_auto_update=False)  # noqa: S301 - our own
    except (OSError, SubprocessError, pickle.UnpicklingError, EOFError):
        return get_snapshot()  # where no child can be had


def picked(providers: Collection[str]) -> list[Provider]:
    """The lists of those `providers` that have one."""
    from genai_prices.data_snapshot import find_provider_by_id, get_snapshot

    known = get_snapshot().providers
    return [one for name in providers if (one := find_provider_by_id(known, name))]


if __name__ == "__main__":
    sys.stdout.buffer.write(pickle.dumps(picked(json.load(sys.stdin))))
