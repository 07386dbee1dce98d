"""What stands against providers outlives a restart: spent quotas and models that are gone."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path

from adapters.base import AdapterError, ErrorKind, Model
from proxy.limits.health import DayQuota, Health
from proxy.limits.retired import Retired
from proxy.routing.planning.keys import Keys
from proxy.store.database import Database
from proxy.store.kept import setbacks
from proxy.store.kept.setbacks import Setbacks

REFUSAL = AdapterError(ErrorKind.MODEL_MISSING, "gone: since\nyesterday", provider="north")


def made() -> tuple[Setbacks, Health, Retired]:
    health = Health({}, clock=lambda: 5.0, wall=lambda: 1000.4)
    retired = Retired({}, wall=lambda: 1000.4)
    retired.listed("north", [Model("young"), Model("old")])
    return Setbacks(health, retired, Keys({})), health, retired


def test_both_come_back_from_the_database_as_they_were(tmp_path: Path) -> None:
    before, health, retired = made()
    health.restore([DayQuota("north", None, 2000.0), DayQuota("north", "old", 2000.0)])
    retired.retire("north", "old", REFUSAL)
    with closing(Database(f"sqlite:///{tmp_path / 'p.db'}")) as database:
        database.open()
        database.write(partial(setbacks.save, fresh=list(before.rows())))
    after, health, retired = made()
    with closing(Database(f"sqlite:///{tmp_path / 'p.db'}", looks_only=True)) as file:
        after.restore(file.read(setbacks.saved))

    assert retired.serving["north", "old"] == "young"
    assert retired.words("north", "old") == "has no such model"  # not the provider's own words
    assert {(quota.provider, quota.model) for quota in health.day_quotas()} == {("north", None)}
    assert after.rows() == before.rows()
