"""`pointsman keys`: make keys for others, look at them, revoke them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from proxy.command.commands import Given, failures, say

if TYPE_CHECKING:
    from adapters.base import Json
    from proxy.settings import Settings

HEAD = ("name", "key", "role", "requests/min", "tokens/min", "$/day", "$/month", "allowed", "made")


@click.group(invoke_without_command=True)
@click.pass_context
def keys(context: click.Context) -> None:
    """Keys for others, with limits and budgets of their own.

    From the first one on, whoever asks this server has to show a key.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_keys)


@keys.command("list")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_keys(given: Given, *, wants_json: bool = False) -> None:
    """Show the keys: never themselves, but how they end."""
    from proxy.command.remote import running
    from proxy.command.terminal import as_json

    settings = given.address()
    with failures(), running(settings) as server:
        told = server.keys() if server else _read(settings)
    say(as_json(told) if wants_json else keys_text(told["keys"]))


@keys.command()
@click.argument("name")
@click.option("--role", type=click.Choice(["member", "owner"]), default="member")
@click.option("--rpm", type=int, help="Requests a minute.")
@click.option("--tpm", type=int, help="Tokens a minute.")
@click.option("--budget-day", type=float, metavar="USD", help="Dollars a day.")
@click.option("--budget-month", type=float, metavar="USD", help="Dollars a month.")
@click.option("--models", default="", help="Models, comma-separated; * stands for any text.")
@click.option("--providers", default="", help="Providers, comma-separated.")
@click.pass_obj
def add(
    given: Given,
    name: str,
    role: str,
    rpm: int | None,
    tpm: int | None,
    budget_day: float | None,
    budget_month: float | None,
    models: str,
    providers: str,
) -> None:
    """Make a key. It is shown once: here.

    Such as: pointsman keys add anna --rpm 60 --budget-month 20 --providers groq
    """
    from proxy.command.remote import running

    settings = given.address()
    asked: Json = {
        "name": name,
        "role": role,
        "requests_per_minute": rpm,
        "tokens_per_minute": tpm,
        "dollars_a_day": budget_day,
        "dollars_a_month": budget_month,
        "models": _listed(models),
        "providers": [one.lower() for one in _listed(providers)],
    }
    with failures(), running(settings) as server:
        key = server.make_key(asked) if server else _make(settings, asked)
    say(f"✓ The key of {name}, shown this once:\n\n  {key}\n")


@keys.command()
@click.argument("name")
@click.option("--role", type=click.Choice(["member", "owner"]))
@click.option("--rpm", type=int, help="Requests a minute; 0 for no limit.")
@click.option("--tpm", type=int, help="Tokens a minute; 0 for no limit.")
@click.option("--budget-day", type=float, metavar="USD", help="Dollars a day; 0 for no limit.")
@click.option("--budget-month", type=float, metavar="USD", help="Dollars a month; 0 for no limit.")
@click.option("--models", help="Models, comma-separated; * stands for any text.")
@click.option("--providers", help="Providers, comma-separated; empty for all.")
@click.pass_obj
def change(
    given: Given,
    name: str,
    role: str | None,
    rpm: int | None,
    tpm: int | None,
    budget_day: float | None,
    budget_month: float | None,
    models: str | None,
    providers: str | None,
) -> None:
    """Let a key do more or less. What is not named stays as it is.

    Such as: pointsman keys change anna --rpm 120 --budget-month 0
    """
    from proxy.command.remote import running

    settings = given.address()
    numbers = {
        "requests_per_minute": rpm,
        "tokens_per_minute": tpm,
        "dollars_a_day": budget_day,
        "dollars_a_month": budget_month,
    }
    changes: Json = {what: told or None for what, told in numbers.items() if told is not None}
    if role is not None:
        changes["role"] = role
    if models is not None:
        changes["models"] = _listed(models)
    if providers is not None:
        changes["providers"] = [one.lower() for one in _listed(providers)]
    if not changes:
        raise click.UsageError("Say what is to change: pointsman keys change --help")
    with failures(), running(settings) as server:
        if server:
            server.change_key(name, changes)
        else:
            _change(settings, name, changes)
    say(f"✓ The key of {name} is changed.")


@keys.command()
@click.argument("name")
@click.pass_obj
def revoke(given: Given, name: str) -> None:
    """Let nobody in by a key any more, from the next request on."""
    from proxy.command.remote import running

    settings = given.address()
    with failures(), running(settings) as server:
        if server:
            server.revoke_key(name)
        else:
            _revoke(settings, name)
        left = (server.keys() if server else _read(settings))["keys"]
    say(f"✓ The key of {name} is revoked.")
    if all(key["revoked_at"] for key in left):
        say(keys_text(left))


def keys_text(found: Sequence[Json]) -> str:
    """The keys that are not revoked, as a table."""
    from proxy.command.terminal import columns, printable

    there = [key for key in found if not key["revoked_at"]]
    if not there:
        still = " any more, and whoever asks still has to show one" if found else ""
        return f"There are no keys{still}. Make one: pointsman keys add NAME"
    return printable("\n".join(columns([HEAD, *map(tuple, map(_line, there))])))


def _line(key: Json) -> Iterator[str]:
    yield key["name"]
    yield f"…{key['ending']}"
    yield key["role"]
    for what in ("requests_per_minute", "tokens_per_minute"):
        yield "-" if key[what] is None else f"{key[what]:,}"
    for what in ("dollars_a_day", "dollars_a_month"):
        yield "-" if key[what] is None else f"{key[what]:g}"
    yield ", ".join((*key["providers"], *key["models"])) or "all"
    yield f"{datetime.fromtimestamp(key['created_at'], UTC).astimezone():%Y-%m-%d}"


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _read(settings: Settings) -> Json:
    from proxy.console.team import told
    from proxy.store.database import Database
    from proxy.store.keys import team_keys

    with closing(Database(settings.store_url, looks_only=True)) as database:
        return {"keys": [told(key) for key in reversed(database.read(team_keys.stored))]}


def _make(settings: Settings, asked: Json) -> str:
    from proxy.console.team import made
    from proxy.store.database import Database
    from proxy.store.keys import team_keys
    from proxy.store.keys.mark import Mark

    with closing(Database(settings.store_url)) as database:
        there = {key.name for key in database.read(team_keys.stored) if key.revoked_ms is None}
        taken = {*there, *settings.client_keys}
        key, shown = made(asked, taken, settings.providers, time.time())
        database.write(partial(team_keys.save, key=key))
    Mark(settings.store_url).leave()
    return shown


def _change(settings: Settings, name: str, changes: Json) -> None:
    from msgspec.structs import replace

    from proxy.console.team import CHANGEABLE, limits, live
    from proxy.store.database import Database
    from proxy.store.keys import team_keys

    with closing(Database(settings.store_url)) as database:
        key = live(database.read(team_keys.stored), name)[-1]
        changed = replace(key, **limits(changes, CHANGEABLE, settings.providers))
        database.write(partial(team_keys.change, key=changed))


def _revoke(settings: Settings, name: str) -> None:
    from proxy.console.team import live
    from proxy.store.database import Database
    from proxy.store.keys import team_keys

    with closing(Database(settings.store_url)) as database:
        for key in live(database.read(team_keys.stored), name):
            database.write(partial(team_keys.revoke, key=key, at_ms=int(time.time() * 1000)))
