"""What stands against providers for longer than a run, as rows of the table of cooldowns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from proxy.limits.health import DayQuota, Health
from proxy.limits.retired import Gone, Retired
from proxy.routing.planning.keys import Keys
from proxy.store.base import Tables

QUOTA = "day quota"
GONE = "gone: "
TABLE = "cooldowns"
THIS = "WHERE provider = :provider AND model = :model"


class Cooldown(NamedTuple):
    """A row: until when a provider's model is out, and why."""

    provider: str
    model: str
    until: datetime
    reason: str


class Setbacks:
    """The spent day's quotas, and the models that are gone."""

    def __init__(self, health: Health, retired: Retired, keys: Keys) -> None:
        self._health = health
        self._retired = retired
        self._keys = keys

    def rows(self) -> frozenset[Cooldown]:
        """All of them. In whole seconds, since a moment read back is never quite the one written.

        A model that is gone needs no quota beside it, for which the table has no second row.
        """
        rows = {
            (self._keys.place(quota.provider, quota.key), quota.model or ""): (quota.until, QUOTA)
            for quota in self._health.day_quotas()
        }
        for one in self._retired.gone():
            rows[one.provider, one.model] = (one.until, GONE + one.words)
        return frozenset(
            Cooldown(provider, model, datetime.fromtimestamp(round(until), UTC), reason)
            for (provider, model), (until, reason) in rows.items()
        )

    def restore(self, rows: Iterable[Cooldown]) -> None:
        """Take over what an earlier run has saved."""
        quotas: list[DayQuota] = []
        gone: list[Gone] = []
        for provider, model, until, reason in rows:
            if reason.startswith(GONE):
                words = reason.removeprefix(GONE)
                gone.append(Gone(provider, model, words, until.timestamp()))
            elif (place := self._keys.placed(provider)) is not None:
                quotas.append(DayQuota(place[0], model or None, until.timestamp(), place[1]))
        self._health.restore(quotas)
        self._retired.restore(gone)


def saved(tables: Tables) -> list[Cooldown]:
    return [Cooldown(**row) for row in tables.find(TABLE)]


def save(tables: Tables, fresh: Iterable[Cooldown], gone: Iterable[Cooldown] = ()) -> None:
    """Forget those that are gone and write the others; what another process says stays."""
    for provider, model, until, _ in gone:
        key = {"provider": provider, "model": model}
        if any(row["until"] <= until for row in tables.find(TABLE, THIS, key)):
            tables.run(f"DELETE FROM cooldowns {THIS}", key)  # noqa: S608 - names of our own
    tables.put(TABLE, [Cooldown(*one)._asdict() for one in fresh])
