"""The commands beside serving: what each prints, and how it ends. Each imports what it needs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

if TYPE_CHECKING:
    from adapters.base import Json
    from proxy.command.house import Offline
    from proxy.command.remote import Remote
    from proxy.settings import Settings

EXIT_FAILED = 1
EXIT_BAD_SETTING = 2


class Stop(click.ClickException):
    """The end of a command that was not given what it needs, said in one line."""

    exit_code = EXIT_BAD_SETTING

    def show(self, file: IO[str] | None = None) -> None:
        from proxy.command.terminal import printable

        click.echo(f"pointsman: {printable(self.message)}", file=file, err=True)


class Failed(Stop):
    """The end of a command that could not do what it should."""

    exit_code = EXIT_FAILED


@dataclass(frozen=True, slots=True)
class Given:
    """The options before the command; they hold for all commands."""

    env_file: Path
    host: str | None
    port: str | None
    workers: str | None = None

    def load(self) -> Settings:
        from proxy.settings import load_settings

        return load_settings(self.env_file, host=self.host, port=self.port, workers=self.workers)

    def settings(self) -> Settings:
        """The settings, or the end of the command."""
        from proxy.settings import SettingsError

        try:
            return self.load()
        except SettingsError as error:
            raise Stop(str(error)) from None

    def warn(self, settings: Settings) -> None:
        """Print a line for each setting that is misspelt, it seems, and each key at risk."""
        from proxy.providers import IN_THE_CLEAR, in_the_clear, same_keys
        from proxy.settings import strange_settings

        lines = [*same_keys(settings.providers)]
        for name, near in strange_settings(self.env_file).items():
            hint = f"; did you mean {near}?" if near else ""
            lines.append(f"there is no setting {name}{hint}")
        lines += [f"{name} {IN_THE_CLEAR}" for name in in_the_clear(settings.providers.values())]
        for line in lines:
            click.echo(f"pointsman: {line}", err=True)

    def address(self) -> Settings:
        """The settings if they say where a server is to be found, or the end of the command."""
        settings = self.settings()
        if settings.port == 0:
            raise Stop("with port 0 the system chooses a port: name the server's with --port")
        return settings


@click.command()
@click.argument("provider", required=False)
@click.option("--app", metavar="NAME", help="Switch this app alone (its API key is app-NAME).")
@click.option("--model", help="The provider's model to use from now on.")
@click.option(
    "--local-only/--anywhere",
    default=None,
    help="Whether its requests must stay on this machine and its networks.",
)
@click.option("--force", is_flag=True, help="Switch even to a provider that is not set up yet.")
@click.option("--reset", is_flag=True, help="Take the choice back, an app's or the one for all.")
@click.pass_obj
def use(
    given: Given,
    provider: str | None,
    app: str | None,
    model: str | None,
    *,
    local_only: bool | None,
    force: bool,
    reset: bool,
) -> None:
    """Switch to a provider.

    Or share all conversations out over several: pointsman use groq=80,gemini=20

    Takes effect for the next request of the running server, or else at the next start.
    """
    app = app and (app.removeprefix("app-") or app)
    if reset != (provider is None) or (reset and (model is not None or local_only is not None)):
        there = ", ".join(given.address().providers)
        raise Stop(f"name a provider ({there}), or --reset alone")
    if model == "":
        raise Stop("--model wants the name of a model")
    if provider is None:
        _reset(given.address(), app)
    else:
        _use(given.address(), provider, app, model, local_only, force=force)


def _reset(settings: Settings, app: str | None) -> None:
    from proxy.command.house import house

    with failures(), house(settings) as server:
        change: Json = {"default_llm_provider": None, "models": None, "local_only": None}
        where = _change(settings, server, app, change)
    whose = "The choice for all" if app is None else f"The choice of the app {app!r}"
    say(f"✓ {whose} is taken back.\n  {where}")


def _use(
    settings: Settings,
    provider: str,
    app: str | None,
    model: str | None,
    local_only: bool | None,
    *,
    force: bool,
) -> None:
    from proxy.command.house import house
    from proxy.command.terminal import short

    names, change = _chosen(settings, provider)
    if model is not None:
        if len(names) > 1:
            raise Stop("--model wants one provider")
        change["models"] = {names[0]: model}
    if local_only is not None:
        change["local_only"] = local_only
    with failures(), house(settings) as server:
        facts = {one["id"]: one for one in server.facts()["providers"]}
        chosen = [facts[name] for name in names]
        lacking = _lacking(chosen, local_only=bool(local_only), force=force)
        where = _change(settings, server, app, change)
    title = short(chosen[0]["title"])
    subject = "Provider" if app is None else f"Provider of the app {app!r}"
    whose = "All" if app is None else "Its"
    if len(chosen) > 1:
        shares = [f"{short(one['title'])} {change['split'][one['id']]}" for one in chosen]
        say(f"✓ {subject} split: {', '.join(shares)}. {whose} subsequent talks are shared out so.")
    else:
        say(f"✓ {subject} switched to {title}. {whose} subsequent requests will use {title}.")
    if model is not None:
        say(f"  Its model is {model}.")
    if local_only is not None:
        say(f"  {whose} requests {'stay on this machine' if local_only else 'may go anywhere'}.")
    say(f"  {where}")
    has_list = chosen[0]["listed"] is not None
    listed = {each.removesuffix(":latest") for each in chosen[0]["models"]}
    if model is not None and has_list and model.removesuffix(":latest") not in listed:
        say(f"! {title} does not list a model {model}.")
    for text in lacking:
        say(f"! {text}")


def _chosen(settings: Settings, text: str) -> tuple[list[str], Json]:
    """Who is named, `groq` or `groq=80,gemini=20`, and the change that chooses them."""
    shares: dict[str, int] = {}
    for part in text.split(","):
        name, is_share, share = (piece.strip() for piece in part.partition("="))
        name = name.lower()
        if name not in settings.providers:
            there = ", ".join(settings.providers)
            raise Stop(f"there is no provider {name!r}; there are: {there}")
        if text.strip().lower() == name:
            return [name], {"default_llm_provider": name}
        if not is_share or not (share.isascii() and share.isdecimal()) or name in shares:
            raise Stop(f"{text!r} is not PROVIDER=SHARE,PROVIDER=SHARE")
        shares[name] = int(share)
    return list(shares), {"split": shares}


def _lacking(chosen: Sequence[Json], *, local_only: bool, force: bool) -> list[str]:
    """What those who are chosen lack, or the end of the command."""
    from proxy.command.terminal import short

    lacking = []
    for one in chosen:
        title = short(one["title"])
        if local_only and not one["local"]:
            raise Stop(f"{title} is not on this machine: --local-only needs one that is")
        if one["unconfigured"]:
            lacking.append(
                f"{title} is not set up yet: {one['unconfigured']}. To do: {one['setup']}."
            )
    if lacking and not force:
        raise Failed(f"{' '.join(lacking)} Or switch anyway with --force.")
    return lacking


@click.command()
@click.argument("name", required=False)
@click.argument("models", nargs=-1, metavar="[PROVIDER=MODEL]...")
@click.pass_obj
def alias(given: Given, name: str | None, models: tuple[str, ...]) -> None:
    """Give models a name of your own.

    Without models the name is forgotten; without a name all are listed.
    Such as: pointsman alias smart gemini=gemini-pro-latest groq=openai/gpt-oss-120b
    """
    from proxy.command.house import house
    from proxy.command.terminal import aliases_text

    pairs = [one.partition("=") for one in models]
    if wrong := next((one for one, pair in zip(models, pairs, strict=True) if not pair[2]), None):
        raise Stop(f"{wrong!r} is not PROVIDER=MODEL")
    meant = {provider.strip().lower(): model for provider, _, model in pairs} or None
    settings = given.address()
    with failures(), house(settings) as server:
        if meant is None:
            known: Json = server.facts()["preference"]["aliases"]
            if name is None:
                say(aliases_text(known))
                return
            if name not in known:
                raise Failed(f"{name} is the name of no models: `pointsman alias` lists those")
        where = _change(settings, server, None, {"aliases": {name: meant}})
    say(f"✓ {name} {'stands for ' + ', '.join(models) if models else 'is forgotten'}.\n  {where}")


@click.command()
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_context
def status(context: click.Context, wants_json: bool) -> None:
    """Show who answers, what is used up, and what is wrong.

    The exit code is 1 if no server is running, or nobody can answer.
    """
    from proxy.command.house import house
    from proxy.command.terminal import answers, as_json, status_text

    settings = context.obj.address()
    with failures(), house(settings) as server:
        facts = {"running": server.is_running, "url": settings.url(), **server.status()}
    say(as_json(facts) if wants_json else status_text(facts, datetime.now().astimezone()))
    context.exit(0 if facts["running"] and answers(facts) else EXIT_FAILED)


@click.command()
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check keys, providers, models, port and database.

    The exit code is 1 if something that is set up does not work.
    """
    from proxy.command.doctor import LEGEND, Mark, examine
    from proxy.command.terminal import columns, printable

    findings = asyncio.run(examine(context.obj.load, context.obj.env_file))
    lines = columns([(finding.mark, finding.subject, str(finding)) for finding in findings])
    say(printable("\n".join([*lines, "", LEGEND])))
    context.exit(EXIT_FAILED if any(found.mark is Mark.BAD for found in findings) else 0)


@click.command()
@click.argument("request", type=click.File("rb"))
@click.option("--door", default="chat", help="Whose request it is: a door's name, or its path.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def explain(given: Given, request: IO[bytes], door: str, wants_json: bool) -> None:
    """Show what each provider would get of a request.

    REQUEST is a file with the JSON body, or - for standard input. No provider is told of it.
    """
    from proxy.command.house import Offline, house
    from proxy.command.remote import RemoteError
    from proxy.command.terminal import as_json, explain_text

    settings = given.settings()
    body = request.read()
    with failures(), house(settings) as server:
        try:
            told = server.ask("POST", "/admin/api/explain", body, door=door)
        except RemoteError:  # a refusal of the request is the same here, and has its reason
            told = Offline(settings).ask("POST", "/admin/api/explain", body, door=door)
    say(as_json(told) if wants_json else explain_text(told))


@click.command()
@click.option("--shell", type=click.Choice(["sh", "fish", "powershell"]), default="sh")
@click.option("--for", "protocol", help="What the apps speak, if not OpenAI's API.")
@click.pass_obj
def env(given: Given, shell: str, protocol: str | None) -> None:
    """Print the lines that point apps here.

    Those of OpenAI's SDKs, or of what --for names.
    Run it as: eval "$(pointsman env)"
    """
    from proxy.command.terminal import export_lines
    from proxy.doors import APPS
    from proxy.doors.apps import OPENAI
    from proxy.store.keys.mark import Mark

    app = APPS.get(protocol) if protocol else OPENAI
    if app is None:
        raise click.BadParameter(f"one of {', '.join(APPS)}", param_hint="--for")
    settings = given.address()
    needs_key = bool(settings.client_keys) or Mark(settings.store_url).is_there()
    for line in export_lines(shell, settings.url(), app, needs_key=needs_key):
        say(line)


COMMANDS = (use, alias, status, doctor, explain, env)


def say(text: str) -> None:
    """Print; what the terminal's encoding lacks is replaced."""
    encoding = sys.stdout.encoding or "utf-8"
    click.echo(text.encode(encoding, "replace").decode(encoding))


def _change(settings: Settings, server: Remote | Offline, app: str | None, change: Json) -> str:
    """Change a preference; the words that say where it holds."""
    server.ask("PUT", "/api/user/preferences", change, **({} if app is None else {"app": app}))
    if server.is_running:
        return f"The server at {settings.url()} has it by now."
    return (
        f"No pointsman is running at {settings.url()}: the next start will use it,"
        " and so will at once a server elsewhere that shares this database."
    )


@contextmanager
def failures() -> Iterator[None]:
    """End the command with what went wrong."""
    from proxy.command.remote import RemoteError
    from proxy.errors import ApiError
    from proxy.store.base import NewerSchemaError, StoreError

    try:
        yield
    except (ApiError, NewerSchemaError, RemoteError, StoreError) as error:
        raise Failed(str(error)) from None
