"""Facts as text for a terminal. Pure.

Models, apps and providers name themselves, so what cannot be printed is replaced: no name may move
the cursor or turn the line around.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from adapters.base import Json

if TYPE_CHECKING:
    from proxy.doors.apps import App

REFUSED: Mapping[str, str] = {"auth": "key refused", "account": "account refused"}
"""What does not pass by itself: its owner sees to it, and says so."""
STATES: Mapping[bool | None, str] = {True: "ready", False: "not reachable", None: "set up"}


def printable(text: str) -> str:
    """The text with nothing in it that a terminal would act on, except the ends of lines."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def as_json(value: Json) -> str:
    """Indented JSON in ASCII, which no terminal can misread."""
    return json.dumps(value, indent=2)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Each row as a line, every cell but the last as wide as the widest of its column."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def short(title: str) -> str:
    """A provider's title without what stands behind it in brackets."""
    return title.partition(" (")[0]


def status_text(facts: Json, now: datetime) -> str:
    """The facts of `console/status.py` with `running` and `url`; times in the zone of `now`."""
    chosen = facts["preference"]["default_llm_provider"]
    rows = [("", "provider", "model", "state", "used")]
    for provider in facts["providers"]:
        share = facts["preference"]["split"].get(provider["id"])
        marker = f"{share}" if share else "→" if provider["id"] == chosen else ""
        used = ", ".join(_window(window, now) for window in provider["windows"])
        rows.append((marker, provider["id"], provider["model"], _state(provider, now), used))
    if facts["running"]:
        head = f"pointsman {facts['version']} at {facts['url']}/v1, {_powered_by(facts)}"
    else:
        head = f"No pointsman is running at {facts['url']}. This is what is set up:"
    return printable("\n".join([head, "", *columns(rows), *_remarks(facts, now)]))


def answers(facts: Json) -> bool:
    """Whether somebody can answer a plain request, as far as is known."""
    serving = facts["powered_by"]
    return serving is not None and all(
        provider["reachable"] is not False
        for provider in facts["providers"]
        if provider["id"] == serving["provider"]
    )


def _powered_by(facts: Json) -> str:
    if not answers(facts):
        return "but nobody can answer now"
    serving = facts["powered_by"]
    instead = f", instead of {short(serving['instead_of'])}" if serving["instead_of"] else ""
    return f"powered by {short(serving['title'])} ({serving['model']}){instead}"


def _state(provider: Json, now: datetime) -> str:
    if provider["unconfigured"]:
        return f"not set up: {provider['unconfigured']}"
    for one in provider["loading"]:
        return f"loading {one['model']} since {_time(one['since'], now)}"
    if provider["pause"]:
        return _pause(provider["pause"], now)
    if provider["reachable"] and provider["listed"] is False:
        return "does not list this model"
    state = STATES[provider["reachable"]]
    return f"{state}: {provider['detail']}" if provider["detail"] else state


def _pause(pause: Json, now: datetime) -> str:
    if refused := REFUSED.get(pause["reason"]):
        again = f", asked again at {_time(pause['ends_at'], now)}" if pause["ends_at"] else ""
        return f"{refused}{again}, or as soon as it is chosen anew (`pointsman use`)"
    reason = f" ({pause['reason']})" if pause["reason"] else ""
    until = f" until {_time(pause['ends_at'], now)}" if pause["ends_at"] else ""
    return f"{pause['state']}{reason}{until}"


def _window(window: Json, now: datetime) -> str:
    free = f" (next at {_time(window['free_at'], now)})" if window["free_at"] else ""
    return f"{window['used']}/{window['limit']} {window['name']}{free}"


def _remarks(facts: Json, now: datetime) -> Iterator[str]:
    yield ""
    if facts["vectors_by"]:
        yield f"vectors (/v1/embeddings) by {facts['vectors_by']}"
    for provider in facts["providers"]:
        yield from _keys(provider, now)
        for pause in provider["pauses"]:
            yield f"{provider['id']}/{pause['model']}: {_pause(pause, now)}"
        if provider["gone"]:
            yield f"{provider['id']}: {provider['gone']}"
        if error := provider["last_error"]:
            yield f"last error of {provider['id']} at {_time(error['at'], now)}: {error['text']}"
    for app in facts["apps"]:
        if app["provider"]:
            yield f"app {app['id']} uses {_split(app['split']) or app['provider']}"
    yield from _problems(facts)


def _problems(facts: Json) -> Iterator[str]:
    if facts["store"]["problem"]:
        yield f"✗ {facts['store']['problem']}; choices do not outlive the run"
    if facts["shared"]["problem"]:
        yield f"✗ {facts['shared']['problem']}"
    for problem in facts["background"]["problems"]:
        yield f"✗ {problem}; restart pointsman"


def _split(split: Json) -> str:
    """As `use` takes it: `groq=80,gemini=20`."""
    return ",".join(f"{name}={share}" for name, share in split.items())


def _keys(provider: Json, now: datetime) -> Iterator[str]:
    for key in provider["keys"]:
        used = ", ".join(_window(window, now) for window in key["windows"])
        told = _pause(key["pause"], now) if key["pause"] else "ready"
        yield f"{provider['id']} key {key['name']}: {told}{used and f', {used}'}"


def _time(moment: float, now: datetime) -> str:
    """The time of day, and the day before it if it is not today."""
    local = datetime.fromtimestamp(moment, UTC).astimezone(now.tzinfo)
    return f"{local:%H:%M:%S}" if local.date() == now.date() else f"{local:%Y-%m-%d %H:%M}"


def aliases_text(aliases: Mapping[str, Mapping[str, str]]) -> str:
    """The owner's names for models, a line each."""
    rows = [
        (name, ", ".join(f"{provider}={model}" for provider, model in models.items()))
        for name, models in aliases.items()
    ]
    if not rows:
        return "There are no names of your own. Make one: pointsman alias NAME PROVIDER=MODEL"
    return printable("\n".join(columns(rows)))


def explain_text(told: Json) -> str:
    """The plan of a request and what each provider would get, as `console/explain.py` gives it."""
    plan = told["plan"]
    goes_to = plan["goes_to"]
    target = f"{goes_to['provider']}/{goes_to['model']}" if goes_to else "nobody now"
    lines = [f"goes to {target}", plan["why"]]
    for native in told["providers"]:
        lines += ["", f"{short(native['title'])} ({native['model']})", *_native(native)]
    return printable("\n".join(lines))


def _native(native: Json) -> Iterator[str]:
    if "error" in native:
        message = native["error"]["message"].removeprefix(f"{native['provider']}: ")
        yield f"  refused: {message}"
        return
    yield f"  {native['method']} /{native['path'].lstrip('/')}"
    if native["warnings"]:
        yield f"  {', '.join(native['warnings'])}"
    yield from (
        f"  {line}" for line in json.dumps(native["body"], indent=2, ensure_ascii=False).split("\n")
    )


def export_lines(shell: str, url: str, app: App, *, needs_key: bool) -> list[str]:
    """What a shell has to run so that apps in it find the server at `url`."""
    names = app.variables(url, needs_key=needs_key)
    lines = [_export(shell, name, value) for name, value in names.items()]
    if needs_key and app.key:
        lines.append(f"# Set {app.key} to one of POINTSMAN_API_KEYS, or of `pointsman keys add`.")
    if app.note:
        lines.append(f"# {app.note}")
    return lines


def _export(shell: str, name: str, value: str) -> str:
    quoted = value.replace("'", "''" if shell == "powershell" else r"'\''")
    match shell:
        case "powershell":
            return f"$env:{name} = '{quoted}'"
        case "fish":
            return f"set -gx {name} '{quoted}'"
        case _:
            return f"export {name}='{quoted}'"
