"""The keys that an owner makes for others: what may be asked for, and what is shown of them."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from adapters.base import Json
from proxy.console.change import check_fields
from proxy.console.unsaved import reading, saving
from proxy.doors.reading.body import parse_json
from proxy.doors.reading.checks import Check, checked, count, number, out_of_range, string, strings
from proxy.errors import ApiError, bad_request
from proxy.store.base import Tables
from proxy.store.keys.allowances import Allowances
from proxy.store.keys.team_keys import (
    MAX_KEYS,
    MAX_NAME,
    MEMBER,
    OWNER,
    TeamKey,
    TeamKeys,
    fresh,
    save,
    stored,
)
from proxy.store.storage import Storage
from proxy.store.usage.prices import NANO
from proxy.store.usage.queries import by_app
from proxy.store.usage.steps import begin_of

ROLES = (MEMBER, OWNER)
MAX_USD = 1_000_000
MAX_ALLOWED = 100
MAX_ALLOWED_NAME = 256
Written = tuple[Sequence[TeamKey], Json]
"""All keys there are then, and what is told of the one that was written."""
NOTHING: Mapping[str, int] = MappingProxyType({"requests": 0, "tokens": 0, "cost_nano_usd": 0})


class Team:
    """Each method answers with what goes out as JSON; all raise ApiError and nothing else.

    `taken` are the names of the keys in the settings.
    """

    def __init__(
        self,
        keys: TeamKeys,
        providers: Collection[str],
        taken: Collection[str],
        storage: Storage,
        allowances: Allowances,
    ) -> None:
        self._keys = keys
        self._providers = providers
        self._taken = taken
        self._storage = storage
        self._allowances = allowances

    async def every(self) -> Json:
        with reading("The keys"):
            await self._storage.loaded()
            used = await self._used()
        return {"keys": [await self._told(key, used) for key in reversed(self._keys.rows)]}

    async def own(self, name: str | None) -> Json:
        """What somebody sees of their own key. Raises ApiError 404 for who came without one."""
        key = live(self._keys.rows, name)[-1]
        with reading("What is used of the key"):
            return await self._told(key, await self._used())

    async def _used(self) -> Mapping[str, Mapping[str, Json]]:
        """By the day and the month, what each app has used of it so far."""
        now = time.time()
        begins = {step: int(begin_of(now, step) * 1000) for step in ("day", "month")}
        return await self._storage.query(
            lambda log: {step: by_app(log, since_ms) for step, since_ms in begins.items()}
        )

    async def _told(self, key: TeamKey, used: Mapping[str, Mapping[str, Json]]) -> Json:
        """A key, and unless it is revoked how much of its limits is used."""
        if key.revoked_ms is not None:
            return told(key)
        budgets = {"day": key.day_nano_usd, "month": key.month_nano_usd}
        sums = {step: dict(used[step].get(key.name, NOTHING)) for step in budgets}
        for step, most in budgets.items():
            if most is not None:
                spent = await self._allowances.spent(key.name, step)
                sums[step]["cost_nano_usd"] = max(spent, sums[step]["cost_nano_usd"])
        gauges = {one.name: one.used for one in self._allowances.gauges(key.name)}
        minute = {"requests": "requests a minute", "tokens": "tokens a minute"}
        return {
            **told(key),
            "used": {
                "minute": {what: gauges.get(name, 0) for what, name in minute.items()},
                **sums,
            },
        }

    async def make(self, body: bytes) -> Json:
        """A new key, shown here and never again."""
        asked, now = parse_json(body), time.time()
        work = partial(make, asked=asked, taken=self._taken, providers=self._providers, now=now)
        return await self._write("The key", work)

    async def change(self, name: str | None, body: bytes) -> Json:
        """Let a key do more or less from the next request on; what is not named stays as it is."""
        asked = parse_json(body)
        work = partial(change, name=name, asked=asked, providers=self._providers)
        return await self._write("The key", work)

    async def revoke(self, name: str | None) -> Json:
        """Nobody gets in by the key of this name any more."""
        return await self._write("The end of the key", partial(revoke, name=name, now=time.time()))

    async def _write(self, what: str, work: Callable[[Tables], Written]) -> Json:
        """Save a change, and only then let it take effect."""
        with saving(what):
            rows, told = await self._storage.write(work)
        self._keys.replace(rows)
        return told


def live(rows: Collection[TeamKey], name: str | None) -> list[TeamKey]:
    """The keys of a name that are not revoked. Raises ApiError 404 where there is none."""
    found = [key for key in rows if key.name == name and key.revoked_ms is None]
    if not found:
        raise ApiError(404, f"There is no key of the name {name!r}.", code="not_found")
    return found


def make(
    tables: Tables, asked: Json, taken: Collection[str], providers: Collection[str], now: float
) -> Written:
    """Write the key that is asked for. Raises ApiError 400."""
    given = limits(asked, FIELDS, providers)
    taken = {*taken, *(key.name for key in stored(tables) if key.revoked_ms is None)}
    if (name := _name(asked.get("name"))) in taken:
        raise bad_request(
            f"There is a key of the name {name!r} already.", param="name", code="name_taken"
        )
    if len(taken) >= MAX_KEYS:
        raise bad_request(f"There are {MAX_KEYS} keys already: revoke one first.", param="name")
    key, shown = fresh(name, created_ms=int(now * 1000), **given)
    return save(tables, key), {**told(key), "key": shown}


def change(tables: Tables, name: str | None, asked: Json, providers: Collection[str]) -> Written:
    """Write a key with other limits. Raises ApiError 400 or 404."""
    key = live(stored(tables), name)[-1]
    key = replace(key, **limits(asked, CHANGEABLE, providers))
    return save(tables, key), told(key)


def revoke(tables: Tables, name: str | None, now: float) -> Written:
    """Note that the keys of a name were revoked; their rows stay. Raises ApiError 404."""
    rows = stored(tables)
    for key in live(rows, name):
        rows = save(tables, replace(key, revoked_ms=int(now * 1000)))
    return rows, {"name": name, "ok": True}


def limits(asked: Json, fields: Collection[str], providers: Collection[str]) -> dict[str, Any]:
    """The fields of a key that are given. Raises ApiError 400."""
    check_fields(asked, fields)
    given = {field: checked(asked, field, read) for field, read in _MOST.items() if field in asked}
    given |= {field: read(field, asked[field]) for field, read in _OTHERS.items() if field in asked}
    if strange := [one for one in given.get("providers", ()) if one not in providers]:
        raise bad_request(
            f"{strange[0]!r} is not a provider; there are: {', '.join(providers)}.",
            param="providers",
        )
    for span in ("day", "month"):
        if f"dollars_a_{span}" in given:
            given[f"{span}_nano_usd"] = given.pop(f"dollars_a_{span}")
    return given


def told(key: TeamKey) -> Json:
    """What is shown of a key: never the key, nor what it is known by."""
    return {
        "name": key.name,
        "ending": key.ending,
        "role": key.role,
        "requests_per_minute": key.requests_per_minute,
        "tokens_per_minute": key.tokens_per_minute,
        "dollars_a_day": _usd(key.day_nano_usd),
        "dollars_a_month": _usd(key.month_nano_usd),
        "models": list(key.models),
        "providers": list(key.providers),
        "created_at": key.created_ms / 1000,
        "revoked_at": key.revoked_ms and key.revoked_ms / 1000,
    }


def _usd(nano_usd: int | None) -> float | None:
    return None if nano_usd is None else nano_usd / NANO


def _name(value: Any) -> str:
    name = string("name", value)
    is_name = 0 < len(name) <= MAX_NAME and name == name.strip()
    if not is_name or any(unicodedata.category(c) in "CcCsCf" for c in name):
        raise out_of_range("name", f"a name of 1 to {MAX_NAME} characters")
    return name


def _role(field: str, value: Any) -> str:
    if value not in ROLES:
        raise out_of_range(field, f"one of: {', '.join(ROLES)}")
    return str(value)


def _dollars(field: str, value: Any) -> int:
    if not 0 < number(field, value) <= MAX_USD:
        raise out_of_range(field, f"an amount above 0 and up to {MAX_USD}, or null")
    return max(1, int(value * NANO + 0.5))


def _names(field: str, value: Any) -> tuple[str, ...]:
    names = strings(field, value)
    if len(names) > MAX_ALLOWED or not all(
        0 < len(one) <= MAX_ALLOWED_NAME and one.isprintable() for one in names
    ):
        raise out_of_range(field, f"a list of at most {MAX_ALLOWED} names")
    return tuple(dict.fromkeys(names))


_MOST: Mapping[str, Check] = {
    "requests_per_minute": count,
    "tokens_per_minute": count,
    "dollars_a_day": _dollars,
    "dollars_a_month": _dollars,
}
"""What may be null, which is no limit."""
_OTHERS: Mapping[str, Check] = {"role": _role, "models": _names, "providers": _names}
CHANGEABLE = (*_MOST, *_OTHERS)
FIELDS = ("name", *CHANGEABLE)
