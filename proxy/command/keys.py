"""`pointsman keys`: make keys for others, look at them, revoke them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from proxy.command.commands import Given, failures, say

if TYPE_CHECKING:
    from adapters.base import Json

KEYS = "/admin/api/keys"
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
    from proxy.command.house import house
    from proxy.command.terminal import as_json

    settings = given.address()
    with failures(), house(settings) as server:
        told = server.ask("GET", KEYS)
    say(as_json(told) if wants_json else keys_text(told["keys"]))


def _limits(command: Callable[..., None]) -> Callable[..., None]:
    """The options of what a key may do; the command gets what the API calls it, if it is given."""
    for option in (
        click.option("--providers", callback=_listed, help="Providers, comma-separated."),
        click.option("--models", callback=_listed, help="Models, comma-separated; * is any text."),
        click.option("--budget-month", "dollars_a_month", type=float, help="Dollars a month."),
        click.option("--budget-day", "dollars_a_day", type=float, help="Dollars a day."),
        click.option("--tpm", "tokens_per_minute", type=int, help="Tokens a minute."),
        click.option("--rpm", "requests_per_minute", type=int, help="Requests a minute."),
        click.option("--role", type=click.Choice(["member", "owner"])),
        click.argument("name"),
    ):
        command = option(command)
    return command


def _listed(_context: object, option: click.Parameter, text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = (text.lower() if option.name == "providers" else text).split(",")
    return [name.strip() for name in names if name.strip()]


@keys.command()
@_limits
@click.pass_obj
def add(given: Given, /, name: str, **limits: Any) -> None:
    """Make a key. It is shown once: here.

    Such as: pointsman keys add anna --rpm 60 --budget-month 20 --providers groq
    """
    from proxy.command.house import house

    settings = given.address()
    asked = {"name": name} | {what: told for what, told in limits.items() if told is not None}
    with failures(), house(settings) as server:
        made = server.ask("POST", KEYS, asked)
    say(f"✓ The key of {name}, shown this once:\n\n  {made['key']}\n")


@keys.command()
@_limits
@click.pass_obj
def change(given: Given, /, name: str, **limits: Any) -> None:
    """Let a key do more or less. What is not named stays as it is, and 0 takes a limit off.

    Such as: pointsman keys change anna --rpm 120 --budget-month 0
    """
    from proxy.command.house import house

    settings = given.address()
    changes = {
        what: None if told == 0 else told for what, told in limits.items() if told is not None
    }
    if not changes:
        raise click.UsageError("Say what is to change: pointsman keys change --help")
    with failures(), house(settings) as server:
        server.ask("PATCH", KEYS, changes, name=name)
    say(f"✓ The key of {name} is changed.")


@keys.command()
@click.argument("name")
@click.pass_obj
def revoke(given: Given, name: str) -> None:
    """Let nobody in by a key any more, from the next request on."""
    from proxy.command.house import house

    settings = given.address()
    with failures(), house(settings) as server:
        server.ask("DELETE", KEYS, name=name)
        left = server.ask("GET", KEYS)["keys"]
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
