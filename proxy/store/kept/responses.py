"""What was said over Responses, as rows: each is a response or a conversation, whole, by its id.

Contents are in no other table. What is deleted is written over (`secure_delete`), where SQLite
keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from msgspec import Struct

from proxy.store.base import Tables
from proxy.store.kept import amounts

TABLE = "responses"
ITEMS = "response_items"
MAX_NAME = 128
MAX_OWNER = 128
OF_OWNER = "FROM responses WHERE name = :name AND owner = :owner AND at_ms >= :since"
TOO_OLD = (
    "SELECT name FROM responses WHERE at_ms < :since"
    " AND EXISTS (SELECT 1 FROM responses WHERE at_ms BETWEEN :since AND :settled)"
)


class KeptRow(Struct, frozen=True):
    """One response or conversation; `items` are the ids that it is known by as well."""

    name: str
    owner: str
    at_ms: int
    body: str
    items: Sequence[str] = ()

    @property
    def columns(self) -> Mapping[str, object]:
        return {
            "name": self.name,
            "owner": self.owner,
            "at_ms": self.at_ms,
            "size": len(self.body),
            "body": self.body,
        }


def save(
    tables: Tables, rows: Iterable[KeptRow], *, since_ms: int, settled_ms: int, most: int
) -> None:
    """Write rows; forget those from before `since_ms`, and the oldest above `most` characters.

    A clock that has just leapt ahead makes good rows look old: by age none is forgotten before
    there is one from between `since_ms` and `settled_ms`.
    """
    kept = [row for row in rows if len(row.name) <= MAX_NAME and len(row.owner) <= MAX_OWNER]
    tables.put(TABLE, [row.columns for row in kept])
    named = {_key(row.owner, item): row.name for row in kept for item in row.items}
    tables.put(ITEMS, [{"item": key, "name": name} for key, name in named.items()])
    old = tables.rows(TOO_OLD, {"since": since_ms, "settled": settled_ms})
    delete(tables, [name for [name] in old])
    amounts.forget_oldest(tables, TABLE, most, _forget)


def find(tables: Tables, owner: str, name: str, *, since_ms: int) -> tuple[int, str] | None:
    """When a row was written, and its body; None where its owner has none."""
    values = {"name": name, "owner": owner, "since": since_ms}
    for at_ms, body in tables.rows(f"SELECT at_ms, body {OF_OWNER}", values):
        return at_ms, body
    return None


def there(tables: Tables, owner: str, names: Iterable[str], *, since_ms: int) -> set[str]:
    """Those of the names that their owner has rows of."""
    more = {"owner": owner, "since": since_ms}
    return {name for name in names if tables.rows(f"SELECT 1 {OF_OWNER}", {"name": name, **more})}


def holder(tables: Tables, owner: str, item: str) -> str | None:
    """The name of the row of its owner's that an item was last written with."""
    key = {"item": _key(owner, item)}
    for [name] in tables.rows("SELECT name FROM response_items WHERE item = :item", key):
        return str(name)
    return None


def _key(owner: str, item: str) -> str:
    """What an item is found by: clients choose ids themselves, and two may choose the same."""
    return sha256(f"{owner}\n{item}".encode()).hexdigest()


def delete(tables: Tables, names: Iterable[str]) -> None:
    for name in names:
        _forget(tables, name)


def _forget(tables: Tables, name: str) -> None:
    tables.run("DELETE FROM responses WHERE name = :name", {"name": name})
    tables.run("DELETE FROM response_items WHERE name = :name", {"name": name})


def clear(tables: Tables) -> None:
    tables.run("DELETE FROM responses")
    tables.run("DELETE FROM response_items")


def amount(tables: Tables) -> tuple[int, int]:
    return amounts.amount(tables, TABLE)
