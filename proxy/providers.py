"""Which providers there are, what is set for each, and what is said of a bad setting. Pure.

A provider is one of a kind under a name: `DESK_KIND=ollama`, `DESK_BASE_URL=…` for one that
POINTSMAN_PROVIDERS names as `desk`. Some stand without being named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from adapters import PRESETS, REGISTRY, STANDING
from adapters.base import ProviderSettings, is_placeholder, variable

NAMES = "POINTSMAN_PROVIDERS"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
_TAKEN = frozenset(
    {
        *("pointsman", "default", "auto", "llm", "otel", "python", "uv"),
        *("http", "https", "all", "no", "ftp", "ssl", "aws", "google", "xdg", "lc"),
    }
)
"""What other variables begin with, or a model is called, so that no provider may be."""
NEAR_HOSTS = frozenset({"localhost", "::1", "host.docker.internal", "host.containers.internal"})
_NOT_SET = frozenset({"name", "more_keys"})
"""Fields of a provider's settings that no variable sets."""

Environment = Mapping[str, str]
"""Every variable that is not empty, by its name in upper case."""


class BadProvidersError(Exception):
    """Settings of providers that cannot be used: a line for each, as `told` writes them."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__()
        self.lines = lines


def providers_of(environment: Environment) -> dict[str, ProviderSettings]:
    """The settings of each provider by its name. Raises BadProvidersError."""
    kinds, wrong = _kinds(environment)
    found: dict[str, ProviderSettings] = {}
    for name, kind in kinds.items():
        declared = REGISTRY[kind].Settings
        given = _given(name, declared, environment)
        url = given.get("base_url", "")
        if _has_login(url):
            wrong.append(f"{variable(name, 'base_url')}: must hold no user and no password")
            continue
        if "#" in url:
            wrong.append(f"{variable(name, 'base_url')}={_without_user(url)!r}: must end before #")
            continue
        try:
            found[name] = declared.model_validate({"name": name, **given})
        except ValidationError as error:
            wrong += told(error, variable(name, ""))
    if wrong:
        raise BadProvidersError(wrong)
    return found


def _given(name: str, declared: type[ProviderSettings], environment: Environment) -> dict[str, str]:
    """What is set for the provider `name`, by field."""
    given = {
        field: environment[of]
        for field, of in variables_of(name, declared).items()
        if of in environment
    }
    preset = PRESETS.get(name)
    if preset and preset.key in environment and name in _listed(environment):
        given.setdefault("api_key", environment[preset.key])
    said = environment.get(variable(name, "kind"), "").strip().lower()
    if said in PRESETS and said not in REGISTRY:
        given.setdefault("profile", said)
    return {**declared.borrowed(environment, given), **given}


def pooled(pools: Iterable[str]) -> dict[str, list[str]]:
    """The providers of each pool, written as name:one+another. Raises ValueError."""
    found: dict[str, list[str]] = {}
    for text in pools:
        name, colon, members = (part.strip() for part in text.lower().partition(":"))
        names = members_of(members)
        if not (name and colon and len(names) > 1):
            raise ValueError("write each as name:one+another")
        is_told = name == "+".join(names)
        if not is_told and (not _NAME.fullmatch(name) or name in _TAKEN.union(REGISTRY, PRESETS)):
            raise ValueError(f"{name!r} cannot be the name of a pool")
        if name in found:
            raise ValueError(f"the name {name!r} is there twice")
        found[name] = names
    everyone = [name for names in found.values() for name in names]
    if len(set(everyone)) < len(everyone):
        raise ValueError("a provider can be in one pool only, once")
    return found


def members_of(text: str) -> list[str]:
    """The providers of `one+another`."""
    return [one.strip() for one in text.lower().split("+") if one.strip()]


def _has_login(url: str) -> bool:
    return "@" in url.partition("://")[2].partition("/")[0]


def same_keys(providers: Mapping[str, ProviderSettings]) -> Iterator[str]:
    """A line for each two providers that have the same key, which then count the same limits."""
    first: dict[str, str] = {}
    for name, one in providers.items():
        for key in one.all_keys():
            other = first.setdefault(key, name)
            if other != name:
                yield (
                    f"{one.variable('api_key')} is the key of {other!r}, too:"
                    " its limits are counted for each of them"
                )


def variables_of(name: str, declared: type[BaseModel]) -> dict[str, str]:
    """The variable of each field that one sets for the provider `name`."""
    return {
        field: variable(name, field) for field in declared.model_fields if field not in _NOT_SET
    }


def placeholders(environment: Environment) -> Mapping[str, str]:
    """The keys that are still an example's placeholder, by provider; they count as none."""
    of_table = [name for name, one in PRESETS.items() if variable(name, "api_key") in one.sets_up]
    names = {*_kinds(environment)[0], *of_table}
    keys = {name: environment.get(variable(name, "api_key"), "") for name in names}
    shown = {name: key.strip().lower() for name, key in keys.items()}
    return {name: key for name, key in shown.items() if key and is_placeholder(key)}


def known_variables(environment: Environment) -> dict[str, set[str]]:
    """What can be set for each provider: the names of variables by the provider's."""
    kinds, _ = _kinds(environment)
    known = {
        name: set(variables_of(name, REGISTRY[kind].Settings).values())
        for name, kind in kinds.items()
    }
    for name in kinds.keys() - set(STANDING):
        known[name].add(variable(name, "kind"))
        known[name] |= REGISTRY[kinds[name]].Settings.lenders
        if name in PRESETS and PRESETS[name].key:
            known[name].add(PRESETS[name].key)
    return known


def is_shared(name: str) -> bool:
    """Whether other programs read variables that begin with a provider's name."""
    return getattr(REGISTRY.get(name), "local", False) is True


class NoProviderError(ValueError):
    """A name is not one of the providers there are."""


def one_of(name: str, there: Sequence[str]) -> str:
    """The provider of this name. Raises NoProviderError."""
    if name.strip().lower() not in there:
        raise NoProviderError("must be one of " + ", ".join(there))
    return name.strip().lower()


def each_of(names: Iterable[str], there: Sequence[str]) -> tuple[str, ...]:
    """The providers of these names. Raises NoProviderError, which names the one that is none."""
    found = tuple(name.strip().lower() for name in names)
    for name in found:
        if name not in there:
            raise NoProviderError(f"{name!r} must be one of {', '.join(there)}")
    return found


def told(
    error: ValidationError,
    prefix: str,
    given: Sequence[str] = (),
    but: type[Exception] | tuple[()] = (),
) -> Iterator[str]:
    """A line for each bad value: its name (`given` ones are options, too), and what may be.

    Nothing is told of what fails for the reason `but`.
    """
    for one in error.errors():
        if isinstance(one.get("ctx", {}).get("error"), but):
            continue
        field = str(one["loc"][0]) if one["loc"] else "?"
        name = field if field.isupper() else (prefix + field).upper()
        is_hidden = name.endswith(("KEY", "KEYS", "TOKEN", "WEBHOOK"))
        shown = "(hidden)" if is_hidden else repr(_without_user(one.get("input")))
        option = f"--{field}, " if field in given else ""
        reason = one["msg"].removeprefix("Value error, ").partition(", unable to")[0]
        reason = reason.replace("Input should be", "must be", 1)
        yield f"{option}{name}={shown}: {reason[:1].lower()}{reason[1:]}"


def _without_user(value: object) -> object:
    """The value; a URL without its user and password."""
    if not isinstance(value, str) or "@" not in value:
        return value
    scheme, slashes, rest = value.rpartition("//")
    return f"{scheme}{slashes}***@{rest.rpartition('@')[2]}"


IN_THE_CLEAR = "is http:// and not on this machine: others on the way can read its key"


def in_the_clear(providers: Iterable[ProviderSettings]) -> Iterator[str]:
    """The variables of addresses to which a key is sent that others on the way can read."""
    for settings in providers:
        try:
            url = urlsplit(getattr(settings, "url", settings.base_url) or "")
        except ValueError:  # which doctor tells, and who asks there
            continue
        host = url.hostname or ""
        is_near = host in NEAR_HOSTS or host.startswith("127.") or host.endswith(".localhost")
        if any(settings.all_keys()) and url.scheme == "http" and not is_near:
            yield settings.variable("base_url")


def _kinds(environment: Environment) -> tuple[dict[str, str], list[str]]:
    """The kind of each provider by its name, and a line for each that cannot be one."""
    kinds = {kind: kind for kind in STANDING}
    for name, preset in PRESETS.items():
        if any(not is_placeholder(environment.get(one, "")) for one in preset.sets_up):
            kinds[name] = preset.kind
    wrong: list[str] = []
    listed = _listed(environment)
    for name in dict.fromkeys(listed):
        if reason := _unusable(name, listed, environment):
            wrong.append(reason)
        else:
            kinds[name] = _kind(name, environment)
    return kinds, wrong


def _listed(environment: Environment) -> list[str]:
    names = (name.strip().lower() for name in environment.get(NAMES, "").split(","))
    return [name for name in names if name]


def _kind(name: str, environment: Environment) -> str:
    """The kind as said, that of a preset where its name is said, or what goes by itself."""
    said = environment.get(variable(name, "kind"), name).strip().lower()
    return said if said in REGISTRY or said not in PRESETS else PRESETS[said].kind


def _unusable(name: str, listed: Sequence[str], environment: Environment) -> str | None:
    """Why there can be no provider of this name, in a line; None if there can."""
    where, kind, of = f"{NAMES}={name!r}", _kind(name, environment), variable(name, "kind")
    if not _NAME.fullmatch(name):
        return f"{where}: a name is up to 32 of a-z, 0-9 and -, and begins with a letter"
    if listed.count(name) > 1:
        return f"{where}: the name is there twice"
    if name in _TAKEN:
        return f"{where}: the name belongs to something else"
    prefix = variable(name, "")
    others = {*listed, *REGISTRY, *PRESETS} - {name}
    if near := sorted(one for one in others if variable(one, "").startswith(prefix)):
        return f"{where}: {prefix}… are settings of {near[0]!r}, too"
    if kind not in REGISTRY:
        shown = f"{of}={kind!r}" if of in environment else f"{of} is not set"
        return f"{shown}: must be one of {', '.join(dict.fromkeys((*REGISTRY, *PRESETS)))}"
    own = name if name in REGISTRY else PRESETS[name].kind if name in PRESETS else kind
    if kind != own:
        return f"{of}={kind!r}: {name!r} is of the kind {own!r} and can be of no other"
    return None
