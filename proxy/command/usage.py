"""`pointsman usage`: where did it go, asked of the running server or read from its database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from proxy.command.commands import Given, failures, say
from proxy.store.usage.prices import dollars

if TYPE_CHECKING:
    from adapters.base import Json

HEAD = (
    "",
    "requests",
    "errors",
    "rotated",
    "tokens in",
    "out",
    "first",
    "p50",
    "p95",
    "tokens/s",
    "cost",
    "list price",
)
ARMS_HEAD = (
    "",
    "requests",
    "errors",
    "passed on",
    "first p50",
    "p95",
    "tokens/s",
    "cut short",
    "cost",
    "list price",
    "found better",
)


@click.command()
@click.option("--today", "reach", flag_value="today", default="today", help="Since midnight.")
@click.option("--month", "reach", flag_value="month", help="Since the first of the month.")
@click.option("--by", type=click.Choice(["provider", "app", "model"]), default="provider")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def usage(given: Given, reach: str, by: str, wants_json: bool) -> None:
    """Show what was used: requests, tokens, times, errors, costs."""
    from proxy.command.house import house
    from proxy.command.terminal import as_json

    settings = given.settings()
    with failures(), house(settings) as server:
        sums = server.ask("GET", "/admin/api/usage", range=reach, by=by)
        arms = server.ask("GET", "/admin/api/arms", range=reach)
    told = {**sums, "arms": arms["arms"]}
    say(as_json(told) if wants_json else usage_text(told))


def usage_text(told: Json) -> str:
    """The sums as a table; times in the zone of the machine."""
    from proxy.command.terminal import columns, printable

    since = datetime.fromtimestamp(told["since"], UTC).astimezone()
    head = f"Used since {since:%Y-%m-%d %H:%M}, by {told['by']}"
    if not told["groups"]:
        return f"{head}: nothing."
    rows = [HEAD, *(_line(group["name"] or "(none)", group) for group in told["groups"])]
    if len(told["groups"]) > 1:
        rows.append(_line("in all", told["total"]))
    told_of = [*columns(rows), *_remarks(told), *_arms(told.get("arms", ()))]
    return printable("\n".join([head, "", *told_of]))


def _line(name: str, group: Json) -> tuple[str, ...]:
    counts = (group[what] for what in ("requests", "errors", "rotated", "prompt", "completion"))
    return (
        name,
        *(f"{count:,}" for count in counts),
        *_measured(group, "first_s_p50", "total_s_p50", "total_s_p95"),
        *(dollars(group[what]) for what in ("cost_nano_usd", "list_nano_usd")),
    )


def _measured(of: Json, *times: str) -> Iterator[str]:
    """Some times, and the speed; a dash where nothing was measured."""
    for time in times:
        yield "-" if of.get(time) is None else f"{of[time]:.2f} s"
    speed = of.get("tokens_per_s_p50")
    yield "-" if speed is None else f"{speed:,.0f}"


def _arms(arms: Sequence[Json]) -> Iterator[str]:
    """How those compare among whom conversations were shared out, as the page has it."""
    from proxy.command.terminal import columns

    if arms:
        yield from ("", "Shared out among", "")
        yield from columns([ARMS_HEAD, *map(_arm, arms)])


def _arm(arm: Json) -> tuple[str, ...]:
    return (
        arm["name"],
        f"{arm['requests']:,}",
        *(_share(arm[part], arm["requests"]) for part in ("errors", "passed_on")),
        *_measured(arm, "first_s_p50", "first_s_p95"),
        _share(arm["cut"], arm["answered"]),
        *(dollars(arm[what]) for what in ("cost_nano_usd", "list_nano_usd")),
        f"{arm['won']:,} of {arm['judged']:,}" if arm["judged"] else "-",
    )


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({100 * part / whole:.0f} %)" if part else "0"


def _remarks(told: Json) -> Iterator[str]:
    if told["total"]["estimated"]:
        yield ""
        yield f"and about {told['total']['estimated']:,} tokens of answers that were cut short"
    if told["total"]["unpriced"]:
        yield ""
        yield f"{told['total']['unpriced']:,} requests of models that are in no price list"
    if told["dropped"]:
        yield f"! {told['dropped']:,} requests found no room in the log while it was not writable"
