"""What is set up and whether it works: one finding a line, with the cure. Nothing is changed.

Something that nobody has set up is absent and no fault; no finding holds a key.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from adapters.base import (
    Adapter,
    AdapterError,
    Availability,
    Model,
    ProviderSettings,
    variable,
)
from proxy.command.banner import address_of
from proxy.command.offline import offline
from proxy.command.remote import RemoteError, running
from proxy.console.status import gone_text
from proxy.gate.files import CURE, LEAST_OPEN_FILES, allow_open_files, scarcity
from proxy.limits.successor import is_listed, successor
from proxy.parts import Parts
from proxy.private_files import check_file, check_folder
from proxy.proof import Identity
from proxy.providers import IN_THE_CLEAR, in_the_clear, same_keys
from proxy.routing.planning.keys import ends_of, told_by_each
from proxy.routing.planning.preference import Preference
from proxy.settings import Settings, SettingsError, placeholder_keys, strange_settings
from proxy.store.base import NewerSchemaError, StoreError, sqlite_path
from proxy.store.engines.file import connection_to
from proxy.store.engines.migrate import HEAD, unknown_schema, version_of
from proxy.store.engines.mishaps import told
from proxy.store.kept import preferences

ASK_TIMEOUT_S = 4.0
MODELS_SHOWN = 5
Used = Callable[[Sequence[Model]], tuple[str, str | None]]


class Mark(StrEnum):
    GOOD = "✓"
    BAD = "✗"
    ABSENT = "\N{EN DASH}"


LEGEND = f"{Mark.GOOD} works   {Mark.BAD} does not   {Mark.ABSENT} not set up, or worth knowing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, and what to do about it.

    `answers` tells that requests are answered all the same.
    """

    mark: Mark
    subject: str
    text: str
    cure: str = ""
    answers: bool = False

    def __str__(self) -> str:
        return f"{self.text} → {self.cure}" if self.cure else self.text


async def examine(load: Callable[[], Settings], env_file: Path) -> list[Finding]:
    """Every finding, in the order to be read. `load` raises SettingsError."""
    try:
        settings = load()
    except SettingsError as error:
        return [_bad("settings", str(error), f"mend it in the environment or in {env_file}")]
    placeholders = placeholder_keys(env_file)
    strange = [Finding(Mark.ABSENT, *told) for told in _strange(env_file)]
    strange += [Finding(Mark.ABSENT, "keys", line) for line in same_keys(settings.providers)]
    strange += [
        Finding(Mark.ABSENT, name, IN_THE_CLEAR, "give it an https:// address")
        for name in in_the_clear(settings.providers.values())
    ]
    findings = [
        _env_file(env_file),
        *strange,
        _port(settings),
        *_files(),
        *_commands(),
        _database(settings),
    ]
    async with offline(settings) as parts:
        findings += [
            Finding(Mark.ABSENT, f"{name} key", _placeholder(variable(name, "api_key"), shown))
            for name, shown in sorted(placeholders.items())
            if name not in parts.adapters
        ]
        preference = parts.preferences.get(None)
        wanted = _wanted(parts.adapters, preference)
        lists = await asyncio.gather(
            *(
                _provider(
                    parts.keys.all_of(adapter),
                    partial(_used, parts, name, preference),
                    is_wanted=name in wanted,
                    placeholder=placeholders.get(name),
                )
                for name, adapter in parts.adapters.items()
            )
        )
    for listed in lists:
        findings += listed
    if not any(listed[-1].mark is Mark.GOOD or listed[-1].answers for listed in lists):
        findings.append(_bad("answers", "nothing can answer yet", "set up one of the providers"))
    return findings


def _used(
    parts: Parts, name: str, preference: Preference, listed: Sequence[Model]
) -> tuple[str, str | None]:
    """The model that answers, and in whose place it does, by a list that the provider has given."""
    if listed:
        parts.retired.listed(name, listed)
    model = parts.chooser.model_of(name, preference)
    return model, gone_text(parts.chooser, name, preference)


def _placeholder(variable: str, shown: str) -> str:
    return f'{variable} is the placeholder "{shown}", which counts as none'


def _good(subject: str, text: str) -> Finding:
    return Finding(Mark.GOOD, subject, text)


def _bad(subject: str, text: str, cure: str = "") -> Finding:
    return Finding(Mark.BAD, subject, text, cure)


def _env_file(path: Path) -> Finding:
    if path.is_file():
        return _good("settings", f"read from {path} and the environment")
    return Finding(Mark.ABSENT, "settings", f"read from the environment; there is no {path} here")


def _strange(env_file: Path) -> Iterator[tuple[str, str, str]]:
    for name, near in strange_settings(env_file).items():
        yield name, "there is no such setting", f"did you mean {near}?" if near else ""


# -- port -------------------------------------------------------------------------------------


def _port(settings: Settings) -> Finding:
    subject, port = "port", settings.port
    if not settings.is_loopback and not settings.client_keys:
        return _bad(
            subject,
            f"POINTSMAN_HOST={settings.host} lets other machines in without a key",
            "set POINTSMAN_API_KEYS, or listen on 127.0.0.1",
        )
    if port == 0:
        return _good(subject, "0: the system chooses one at the start")
    reason = _cannot_listen(settings)
    if reason is None:
        return _good(subject, f"{port} is free; no pointsman is running")
    if reason.errno != errno.EADDRINUSE:
        return _bad(subject, f"cannot listen on {settings.host} port {port}: {reason.strerror}")
    with running(settings) as server:
        if server is None:
            return _bad(
                subject,
                f"{port} is in use by something else than pointsman",
                f"take another with --port {port % 65535 + 1} or POINTSMAN_PORT",
            )
        try:
            return _good(subject, f"{port}: pointsman {server.facts()['version']} is running")
        except RemoteError as error:
            return _bad(subject, f"{port}: pointsman is running, but {error}")


def _files() -> Iterator[Finding]:
    """Whether fewer requests are let in than usual. A server may have another limit than we."""
    open_files = allow_open_files()
    if scarce := scarcity(open_files):
        mark = Mark.BAD if open_files < LEAST_OPEN_FILES else Mark.ABSENT
        yield Finding(mark, "open files", scarce, CURE)


def _commands() -> Iterator[Finding]:
    if reason := Identity().trouble():
        text = f"cannot tell a server of yours from a stranger's: {reason}"
        yield Finding(Mark.ABSENT, "commands", text)


def _cannot_listen(settings: Settings) -> OSError | None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
            listener.listen()
        except OSError as error:
            return error
    return None


# -- database ---------------------------------------------------------------------------------


def _database(settings: Settings) -> Finding:
    path = sqlite_path(settings.store_url)
    try:
        return _other_database(settings) if path is None else _file(path)
    except (StoreError, NewerSchemaError) as error:
        return _bad("database", str(error), "mend it, or set POINTSMAN_DATABASE_URL to another")


def _other_database(settings: Settings) -> Finding:
    from proxy.store.database import Database

    with closing(Database(settings.store_url)) as database:
        database.open()
        database.read(preferences.stored)
    return _good("database", f"opens, schema {HEAD}")


def _file(path: Path) -> Finding:
    with told(path):
        if not path.exists() and not path.is_symlink():
            return _no_file_yet(path)
        check_folder(path.parent)
        check_file(path)
        schema = _schema(path)
    if schema > HEAD:
        raise NewerSchemaError(unknown_schema(schema))
    newer = "" if schema == HEAD else f", the next start brings it to {HEAD}"
    return _good("database", f"{path} opens and can be written, schema {schema}{newer}")


def _no_file_yet(path: Path) -> Finding:
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not os.access(folder, os.W_OK):
        raise StoreError(f"{path} cannot be made: {folder} is read-only")
    return Finding(Mark.ABSENT, "database", f"{path} will be made with the first choice")


def _schema(path: Path) -> str:
    """The schema of a file that is whole and can be written. Raises sqlite3.Error."""
    with closing(connection_to(path, "mode=rw")) as connection:
        [verdict] = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise StoreError(f"{path} is broken: {verdict}")
        connection.execute("BEGIN IMMEDIATE")
        schema = version_of(connection)
        connection.execute("ROLLBACK")
    return schema or HEAD


# -- providers --------------------------------------------------------------------------------


def _wanted(adapters: Mapping[str, Adapter], preference: Preference) -> set[str]:
    """The providers that somebody has set up or chosen, so that they ought to work."""
    wanted = {
        name
        for name, adapter in adapters.items()
        if not adapter.unconfigured and _is_set(adapter.settings)
    }
    wanted.update(preference.fallback, preference.split)
    return wanted | ({preference.provider} if preference.chosen else set())


def _is_set(settings: ProviderSettings) -> bool:
    return settings.is_named or bool(settings != type(settings)(name=settings.name))


async def _provider(
    by_key: Sequence[Adapter],
    used: Used,
    *,
    is_wanted: bool,
    placeholder: str | None,
) -> list[Finding]:
    """What is found of one provider; the last finding is good if it can answer."""
    adapter = by_key[0]
    name, variable = adapter.name, adapter.settings.variable
    at_fault = Mark.BAD if is_wanted else Mark.ABSENT
    if adapter.unconfigured and not placeholder:
        return [Finding(at_fault, name, f"not set up: {adapter.unconfigured}", adapter.setup)]
    findings = []
    if placeholder:
        mark = at_fault if adapter.unconfigured else Mark.ABSENT
        text = _placeholder(variable("api_key"), placeholder)
        findings.append(Finding(mark, f"{name} key", text, adapter.setup))
    if adapter.unconfigured:
        return findings
    secrets = adapter.settings.all_keys()
    ends = ends_of(secrets) if len(secrets) > 1 else [""]
    for end, secret in zip(ends, secrets, strict=False):
        findings.append(_key(f"{name} key {end}".rstrip(), variable("api_key"), secret))
    where = address_of(adapter)
    if where is None:
        text = f"{variable('base_url')} is not the URL of a server"
        return [*findings, _bad(name, text, "set it to http(s)://host:port, or to nothing")]
    reach = await _reach(by_key)
    if not reach.reachable:
        # What a local provider says of itself tells already how to start it.
        names_it = adapter.local or variable("api_key") in reach.detail
        cure = "" if names_it else "check its address and the network"
        text = f"cannot be used{where}: {reach.detail}"
        return [*findings, Finding(at_fault, name, text, cure)]
    but = f", but {reach.detail}" if reach.detail and len(by_key) > 1 else ""
    findings.append(Finding(Mark.BAD if but else Mark.GOOD, name, f"answers{where}{but}"))
    return [*findings, await _model(adapter, used, at_fault)]


def _key(subject: str, variable: str, key: str) -> Finding:
    if not key.isascii() or not key.isprintable() or " " in key:
        return _bad(subject, f"{variable} holds a character that no key has", "copy it anew")
    return _good(subject, f"{variable} is set")


async def _reach(by_key: Sequence[Adapter]) -> Availability:
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            found = await asyncio.gather(*(adapter.is_available() for adapter in by_key))
    except TimeoutError:
        return Availability(False, "no answer in time")
    return told_by_each(found, ends_of(by_key[0].settings.all_keys()))


def _pulls(adapter: Adapter) -> bool:
    return adapter.local and not adapter.settings.presets()


async def _model(adapter: Adapter, used: Used, at_fault: Mark) -> Finding:
    """Whether the provider has the model that is used for requests which name none of its own."""
    subject = f"{adapter.name} model"
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            listed = [one for one in await adapter.models() if one.chat]
    except (AdapterError, TimeoutError):
        model, _ = used(())
        return Finding(Mark.GOOD, subject, f"{model}; it gave no list of its models to look it up")
    model, gone = used(listed)
    names = sorted(one.id for one in listed)
    if gone and is_listed(model, names):
        return Finding(at_fault, subject, gone, answers=True)
    if is_listed(model, names):
        return _good(subject, f"{model}, one of {len(names)}" if len(names) > 1 else model)
    others = ", ".join(names[:MODELS_SHOWN]) + (", …" if len(names) > MODELS_SHOWN else "")
    instead = successor(model, listed, default=adapter.settings.default_model)
    text = f"{model} is not there; there are: {others}" if names else "there are no models yet"
    text += f"; {instead} answers instead" if instead else ""
    # A server on this machine bears the name of its command.
    get = f"`{adapter.settings.kind or adapter.name} pull {model}`" if _pulls(adapter) else ""
    choose = f"set {adapter.settings.variable('model')} to one of those" if names else ""
    cure = " or ".join(filter(None, (get, choose)))
    return Finding(at_fault, subject, text, cure, answers=instead is not None)
