"""The user's choice: a table, and in memory, where every request reads it and none waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from proxy.routing.planning.narrow import Allowed
from proxy.routing.planning.preference import Preference
from proxy.settings import Settings
from proxy.store.base import Tables

DEFAULT = "default"
TABLE = "user_preferences"


@dataclass(frozen=True, slots=True)
class StoredPreference:
    """One row of the preference table: the user's (`default`), or one app's.

    What is empty is as in the default row, and there as the settings say. Times are in UTC. Where
    there is a `split`, `provider` is the one with the largest share.
    """

    id: str = DEFAULT
    provider: str | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fallback: Sequence[str] = ()
    rate_preset: str | None = None
    local_only: bool | None = None
    split: Mapping[str, int] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None


class Preferences:
    """All rows in memory; `get` merges an app's row over the default one over the settings.

    What a row says of others than `providers` does not hold: another version may have written it.
    """

    def __init__(self, settings: Preference, providers: Collection[str]) -> None:
        self._settings = settings
        self._providers = providers
        self._rows: dict[str, StoredPreference] = {}
        self._merged: dict[str | None, Preference] = {}
        self._allowed: Mapping[str, Allowed] = {}
        self._watchers: set[asyncio.Event] = set()

    def get(self, app: str | None) -> Preference:
        """What holds for an app's requests; the user's own choice for an app without a row."""
        key = app if app in self._rows or app in self._allowed else None
        merged = self._merged.get(key)
        if merged is None:
            merged = self._over(self._settings, self._rows.get(DEFAULT))
            if app in self._rows:
                merged = self._over(merged, self._rows[app])
            if app is not None and app in self._allowed:
                merged = replace(merged, allowed=self._allowed[app])
            self._merged[key] = merged
        return merged

    def row(self, row_id: str) -> StoredPreference:
        """The stored row, or an empty one of that id."""
        return self._rows.get(row_id) or StoredPreference(row_id)

    def rows(self) -> list[StoredPreference]:
        return list(self._rows.values())

    def lost(self) -> set[str]:
        """The providers that rows choose and that are no more: what they say waits for them."""
        chosen = {
            name
            for row in self.rows()
            for name in (row.provider, *row.fallback, *row.split)
            if name
        }
        return chosen - set(self._providers)

    def replace(self, rows: Sequence[StoredPreference]) -> None:
        """Let these rows be all there are: as they were read, or have been written."""
        found = {row.id: row for row in rows}
        if found == self._rows:
            return
        self._rows = found
        self._changed()

    def allow(self, allowed: Mapping[str, Allowed]) -> None:
        """Let these apps ask nothing but this; the keys have changed by which they come."""
        self._allowed = allowed
        self._changed()

    def _changed(self) -> None:
        self._merged = {}
        for watcher in self._watchers:
            watcher.set()

    @contextmanager
    def watch(self) -> Iterator[asyncio.Event]:
        """An event that is set at every change; whoever waits for it clears it."""
        changed = asyncio.Event()
        self._watchers.add(changed)
        try:
            yield changed
        finally:
            self._watchers.discard(changed)

    def _over(self, below: Preference, row: StoredPreference | None) -> Preference:
        if row is None:
            return below
        provider = row.provider if row.provider in self._providers else None
        fallback = tuple(name for name in row.fallback if name in self._providers)
        split = {name: share for name, share in row.split.items() if name in self._providers}
        split = split if len(split) > 1 else {}
        return replace(
            below,
            provider=provider or below.provider,
            chosen=below.chosen or provider is not None,
            fallback=fallback or below.fallback,
            models={**below.models, **row.models},
            aliases={**below.aliases, **row.aliases},
            local_only=below.local_only if row.local_only is None else row.local_only,
            split=split if provider else below.split,
        )


def preferences_of(settings: Settings, providers: Collection[str]) -> Preferences:
    """Nothing chosen yet but what the settings say; without that, the first provider."""
    chosen = settings.llm_provider
    first = Preference(
        provider=chosen or next(iter(providers)),
        chosen=chosen is not None,
        fallback=settings.fallback,
    )
    return Preferences(first, providers)


def stored(tables: Tables) -> list[StoredPreference]:
    return [_stored(**row) for row in tables.find(TABLE)]


def save(tables: Tables, row: StoredPreference) -> list[StoredPreference]:
    """Write a row; all there are."""
    now = datetime.now(UTC)
    values = asdict(replace(row, created_at=row.created_at or now, updated_at=now))
    values |= {"default_llm_provider": values.pop("provider"), "split": values["split"] or None}
    tables.put(TABLE, [values])
    return stored(tables)


def remove(tables: Tables, row_id: str) -> list[StoredPreference]:
    """Forget a row; all there are."""
    tables.run("DELETE FROM user_preferences WHERE id = :id", {"id": row_id})
    return stored(tables)


def _stored(
    *,
    default_llm_provider: str | None,
    aliases: Any,
    models: Any,
    fallback: Any,
    split: Any,
    **row: Any,
) -> StoredPreference:
    return StoredPreference(
        provider=default_llm_provider,
        models=dict(models),
        aliases={name: dict(named) for name, named in aliases.items()},
        fallback=tuple(fallback),
        split=dict(split or {}),
        **row,
    )
