"""The keys that the owner makes for others: a table, and in memory, where every request looks.

A key is 256 random bits. It is told once; what is kept is its digest, and its last four characters.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from proxy.gate.keys import Keys, digest
from proxy.routing.planning.narrow import Allowed
from proxy.store.base import Tables

TABLE = "team_keys"
PREFIX = "psk-"
OWNER, MEMBER = "owner", "member"
MAX_NAME = 64
MAX_KEYS = 1000
"""Those that are not revoked."""


class TeamKey(Struct, frozen=True):
    """One key and what it may do; None or nothing stands for no limit.

    An `owner` may do on the page what the admin token may, a `member` only look at what is its own.
    """

    name: str
    digest: str
    ending: str
    role: str = MEMBER
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    day_nano_usd: int | None = None
    month_nano_usd: int | None = None
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    created_ms: int = 0
    revoked_ms: int | None = None
    id: int | None = None

    @property
    def allowed(self) -> Allowed | None:
        """What may be asked by it, None where that is all."""
        return Allowed(self.models, self.providers) if self.models or self.providers else None


class TeamKeys:
    """All keys in memory; `door` lets clients in by them. `named` are those that are not revoked.

    Who has ever made a key wants one to be shown: to revoke the last lets nobody in without.
    """

    def __init__(self, door: Keys | None = None) -> None:
        self.door = door or Keys()
        self.rows: Sequence[TeamKey] = ()
        self.named: Mapping[str, TeamKey] = {}
        self._by_digest: Mapping[bytes, TeamKey] = {}
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Call it after every change."""
        self._listeners.append(listener)

    def allowed(self) -> Mapping[str, Allowed]:
        """Of each name that may not ask all, what it may."""
        return {name: key.allowed for name, key in self.named.items() if key.allowed}

    def is_member(self, name: str | None) -> bool:
        """Whether this is the name of a key that changes nothing."""
        key = self.named.get(name or "")
        return key is not None and key.role != OWNER

    @property
    def has_owner(self) -> bool:
        """Whether somebody may sign in to the page by a key and change things, or nobody knows."""
        return self.door.unread or any(key.role == OWNER for key in self.named.values())

    def of(self, shown: bytes) -> TeamKey | None:
        """The key that is shown, unless it is none or revoked."""
        return self._by_digest.get(digest(shown))

    def by_digest(self, digest: str) -> TeamKey | None:
        """The key of this digest, unless it is revoked by now."""
        return self._by_digest.get(bytes.fromhex(digest))

    def replace(self, rows: Sequence[TeamKey]) -> None:
        """Let these be all there are: as they were read, or have been written."""
        if rows == self.rows:
            return
        self.rows = rows
        live = [key for key in rows if key.revoked_ms is None]
        self.named = {key.name: key for key in live}
        self._by_digest = {bytes.fromhex(key.digest): key for key in live}
        names = {known: key.name for known, key in self._by_digest.items()}
        self.door.take(names, needed=bool(rows))
        for listener in self._listeners:
            listener()


def fresh(name: str, **limits: Any) -> tuple[TeamKey, str]:
    """A new key: what is kept of it, and itself."""
    key = PREFIX + secrets.token_urlsafe(32)
    return TeamKey(name, digest(key.encode()).hex(), key[-4:], **limits), key


def stored(tables: Tables) -> list[TeamKey]:
    """Every row of the table, the oldest first."""
    return [_stored(**row) for row in tables.find(TABLE, "ORDER BY id")]


def save(tables: Tables, key: TeamKey) -> list[TeamKey]:
    """Write a key, a new one where it has no number yet; all there are."""
    row = asdict(key) | {"models": list(key.models), "providers": list(key.providers)}
    if key.id is None:
        del row["id"]
    tables.put(TABLE, [row])
    return stored(tables)


def _stored(*, models: Any, providers: Any, **row: Any) -> TeamKey:
    return TeamKey(models=tuple(models), providers=tuple(providers), **row)
