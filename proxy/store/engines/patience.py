"""A connection to PostgreSQL that does not wait for ever for a server that hangs."""

from __future__ import annotations

import time
from typing import Any

import psycopg
from psycopg.abc import PQGen

LONGEST_S = 15.0
"""The longest silence. Whatever is asked here is answered within a second or two."""


class Patient(psycopg.Connection[Any]):
    """Closes itself, and raises OperationalError, where nothing comes for `LONGEST_S`.

    No setting of the server's helps where it hangs, none of TCP's while its system still listens.
    """

    def wait(self, gen: PQGen[Any], *given: Any, **named: Any) -> Any:
        return super().wait(self._heard(gen), *given, **named)

    def _heard(self, steps: PQGen[Any]) -> PQGen[Any]:
        """The same steps; psycopg takes one every tenth of a second, with 0 where nothing came."""
        ends_at = time.monotonic() + LONGEST_S
        try:
            wanted = next(steps)
            while True:
                ready = yield wanted
                if ready:
                    ends_at = time.monotonic() + LONGEST_S
                elif time.monotonic() > ends_at:
                    self.close()
                    raise psycopg.OperationalError("timed out: the server says nothing")
                wanted = steps.send(ready)
        except StopIteration as end:
            return end.value
