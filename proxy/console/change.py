"""A change of a preference as the API takes it: read, checked, and put over the stored row.

What is not named stays as it is; null takes a choice back, so that what lies below holds again: the
default row below an app's, the settings below the default row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from adapters.base import Json
from proxy.candidate import is_model_name
from proxy.doors.reading.checks import (
    flag,
    json_list,
    json_object,
    out_of_range,
    string,
    whole,
)
from proxy.errors import bad_request
from proxy.routing.planning.preference import Preference
from proxy.store.base import Tables
from proxy.store.kept.preferences import DEFAULT, StoredPreference, save, stored

RATE_PRESETS = ("provider", "careful", "off")
READ_ONLY = frozenset({"id", "created_at", "updated_at", "stored"})
MAX_NAME = 128
MAX_ALIASES = 200
MAX_APPS = 500
MAX_SHARE = 10_000
_JOINERS = str.maketrans("", "", "\u200c\u200d")
"""They are seen only in what they join: words of Persian and Hindi, and emoji."""


def app_row_id(app: str | None) -> str:
    """The row that `?app=` names; the default one without it. Raises ApiError 400."""
    if app is None:
        return DEFAULT
    shown = app.translate(_JOINERS)
    if not shown or len(app) > MAX_NAME or not shown.isprintable():
        raise out_of_range("app", f"the name of an app, 1 to {MAX_NAME} characters")
    return app


def choose(
    tables: Tables, row_id: str, change: Json, providers: Collection[str]
) -> list[StoredPreference]:
    """Put a change over a row of the table; all there are then. Raises ApiError 400."""
    rows = {row.id: row for row in stored(tables)}
    if row_id not in {*rows, DEFAULT} and len(rows.keys() - {DEFAULT}) >= MAX_APPS:
        raise bad_request(
            f"There are choices of {MAX_APPS} apps already: remove one first.",
            param="app",
            code="too_many_apps",
        )
    return save(tables, changed(rows.get(row_id) or StoredPreference(row_id), change, providers))


def changed(row: StoredPreference, change: Json, providers: Collection[str]) -> StoredPreference:
    """`row` with `change` put over it. Raises ApiError 400 that names the place and what may be."""
    check_fields([name for name in change if name not in READ_ONLY], _FIELDS)
    for name, (nothing, read) in _FIELDS.items():
        if name in change:
            value = change[name]
            row = replace(row, **(nothing if value is None else read(row, value, providers)))
    return row


def check_fields(given: Iterable[str], there: Collection[str]) -> None:
    """Raises ApiError 400 for a field that is none of those that there are."""
    for name in given:
        if name not in there:
            raise bad_request(
                f"Unknown field '{name[:MAX_NAME]}'; there are: {', '.join(there)}.", param=name
            )


def preference_object(row: StoredPreference, holds: Preference, rate_preset: str) -> Json:
    """What the API shows: what holds, and in `stored` what the row itself says."""
    return {
        "id": row.id,
        **_shown(holds, rate_preset),
        "stored": _shown(row, row.rate_preset),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _shown(choice: StoredPreference | Preference, rate_preset: str | None) -> Json:
    return {
        "default_llm_provider": choice.provider,
        "models": dict(choice.models),
        "fallback": list(choice.fallback),
        "aliases": {name: dict(models) for name, models in choice.aliases.items()},
        "rate_preset": rate_preset,
        "local_only": choice.local_only,
        "split": dict(choice.split),
    }


def check_provider(value: Any, providers: Collection[str], param: str) -> str:
    """The id if it is a provider's. Raises ApiError 400 that names those that are."""
    if not isinstance(value, str) or value not in providers:
        shown = f"'{value[:MAX_NAME]}' is not a provider. " if isinstance(value, str) else ""
        raise bad_request(
            f"{shown}'{param}' must be one of: {', '.join(providers)}.",
            param=param,
            code="invalid_value" if isinstance(value, str) else "invalid_type",
        )
    return value


def check_model(param: str, value: Any) -> str:
    """The name if a model may have it. Raises ApiError 400."""
    if not is_model_name(string(param, value)):
        raise out_of_range(param, "a name that a model can have")
    return str(value)


def _provider(_row: StoredPreference, value: Any, providers: Collection[str]) -> Json:
    return {"provider": check_provider(value, providers, "default_llm_provider"), "split": {}}


def _split(_row: StoredPreference, value: Any, providers: Collection[str]) -> Json:
    """Whoever is chosen alone ends a split, and so does null: the largest share is chosen then."""
    split = {
        check_provider(name, providers, "split"): whole(1, MAX_SHARE)(f"split.{name}", share)
        for name, share in json_object("split", value).items()
    }
    if len(split) == 1:
        raise out_of_range("split", "the shares of two providers or more")
    largest = {"provider": max(split, key=split.__getitem__)} if split else {}
    return {"split": split, **largest}


def _models(row: StoredPreference, value: Any, providers: Collection[str]) -> Json:
    return {"models": _over(row.models, value, providers, "models")}


def _aliases(row: StoredPreference, value: Any, providers: Collection[str]) -> Json:
    aliases = dict(row.aliases)
    for alias, models in json_object("aliases", value).items():
        if not 0 < len(alias) <= MAX_NAME:
            raise out_of_range("aliases", f"an object whose names have 1 to {MAX_NAME} characters")
        aliases.pop(alias, None)
        if models is not None:
            aliases[alias] = _over({}, models, providers, f"aliases.{alias}")
    if len(aliases) > MAX_ALIASES:
        raise out_of_range("aliases", f"an object of at most {MAX_ALIASES} names")
    return {"aliases": aliases}


def _fallback(_row: StoredPreference, value: Any, providers: Collection[str]) -> Json:
    names = [
        check_provider(name, providers, f"fallback[{at}]")
        for at, name in enumerate(json_list("fallback", value))
    ]
    return {"fallback": tuple(dict.fromkeys(names))}


def _preset(row: StoredPreference, value: Any, _providers: Collection[str]) -> Json:
    if value not in RATE_PRESETS:
        raise out_of_range("rate_preset", "one of: " + ", ".join(RATE_PRESETS))
    if row.id != DEFAULT:
        raise bad_request("'rate_preset' holds for all apps alike.", param="rate_preset")
    return {"rate_preset": value}


def _local_only(_row: StoredPreference, value: Any, _providers: Collection[str]) -> Json:
    return {"local_only": flag("local_only", value)}


_FIELDS: Mapping[
    str, tuple[Mapping[str, Any], Callable[[StoredPreference, Any, Collection[str]], Json]]
] = {
    "default_llm_provider": ({"provider": None, "split": {}}, _provider),
    "split": ({"split": {}}, _split),
    "models": ({"models": {}}, _models),
    "fallback": ({"fallback": ()}, _fallback),
    "aliases": ({"aliases": {}}, _aliases),
    "rate_preset": ({"rate_preset": None}, _preset),
    "local_only": ({"local_only": None}, _local_only),
}
"""What null makes of a row, and what anything else does."""


def _over(
    before: Mapping[str, str], value: Any, providers: Collection[str], param: str
) -> dict[str, str]:
    """The models by provider with others put over them."""
    models = dict(before)
    for provider, model in json_object(param, value).items():
        if provider not in providers:
            check_provider(provider, providers, param)
        models.pop(provider, None)
        if model is not None:
            models[provider] = check_model(f"{param}.{provider}", model)
    return models
