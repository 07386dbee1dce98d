"""A change of a preference as the API takes it: read, checked, and put over the stored row.

What is not named stays as it is; null takes a choice back, so that what lies below holds again: the
default row below an app's, the settings below the default row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from adapters.base import Json
from proxy.candidate import is_model_name
from proxy.doors.reading.checks import out_of_range, wrong_type
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


def app_row_id(app: str | None) -> str:
    """The row that `?app=` names; the default one without it. Raises ApiError 400."""
    if app is None:
        return DEFAULT
    if not app or len(app) > MAX_NAME or not app.isprintable():
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
    for name in change:
        if name not in _FIELDS and name not in READ_ONLY:
            raise bad_request(
                f"Unknown field '{name[:MAX_NAME]}'; there are: {', '.join(_FIELDS)}.", param=name
            )
    for name, put in _FIELDS.items():
        if name in change:
            row = put(row, change[name], providers)
    return row


def preference_object(row: StoredPreference, holds: Preference, rate_preset: str) -> Json:
    """What the API shows: what holds, and in `stored` what the row itself says."""
    return {
        "id": row.id,
        "default_llm_provider": holds.provider,
        "models": dict(holds.models),
        "fallback": list(holds.fallback),
        "aliases": {name: dict(models) for name, models in holds.aliases.items()},
        "rate_preset": rate_preset,
        "local_only": holds.local_only,
        "split": dict(holds.split),
        "stored": {
            "default_llm_provider": row.provider,
            "models": dict(row.models),
            "fallback": list(row.fallback),
            "aliases": {name: dict(models) for name, models in row.aliases.items()},
            "rate_preset": row.rate_preset,
            "local_only": row.local_only,
            "split": dict(row.split),
        },
        "created_at": row.created_at,
        "updated_at": row.updated_at,
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


def _put_provider(
    row: StoredPreference, value: Any, providers: Collection[str]
) -> StoredPreference:
    if value is not None:
        value = check_provider(value, providers, "default_llm_provider")
    return replace(row, provider=value, split={})


def _put_split(row: StoredPreference, value: Any, providers: Collection[str]) -> StoredPreference:
    """Whoever is chosen alone ends a split, and so does null: the largest share is chosen then."""
    if value is None or value == {}:
        return replace(row, split={})
    for name, share in _object(value, "split").items():
        check_provider(name, providers, "split")
        if type(share) is not int or not 0 < share <= MAX_SHARE:
            raise out_of_range(f"split.{name}", f"a whole number from 1 to {MAX_SHARE}")
    if len(value) < 2:
        raise out_of_range("split", "the shares of two providers or more")
    return replace(row, provider=max(value, key=value.__getitem__), split=dict(value))


def _put_models(row: StoredPreference, value: Any, providers: Collection[str]) -> StoredPreference:
    if value is None:
        return replace(row, models={})
    return replace(row, models=_models(row.models, value, providers, "models"))


def _put_aliases(row: StoredPreference, value: Any, providers: Collection[str]) -> StoredPreference:
    if value is None:
        return replace(row, aliases={})
    aliases = dict(row.aliases)
    for alias, models in _object(value, "aliases").items():
        if not 0 < len(alias) <= MAX_NAME:
            raise out_of_range("aliases", f"an object whose names have 1 to {MAX_NAME} characters")
        aliases.pop(alias, None)
        if models is not None:
            aliases[alias] = _models({}, models, providers, f"aliases.{alias}")
    if len(aliases) > MAX_ALIASES:
        raise out_of_range("aliases", f"an object of at most {MAX_ALIASES} names")
    return replace(row, aliases=aliases)


def _put_fallback(
    row: StoredPreference, value: Any, providers: Collection[str]
) -> StoredPreference:
    if value is None:
        value = []
    if not isinstance(value, list):
        raise wrong_type("fallback", "a list of providers")
    names = [check_provider(name, providers, f"fallback[{i}]") for i, name in enumerate(value)]
    return replace(row, fallback=tuple(dict.fromkeys(names)))


def _put_preset(row: StoredPreference, value: Any, _providers: Collection[str]) -> StoredPreference:
    if value is not None and value not in RATE_PRESETS:
        raise out_of_range("rate_preset", "one of: " + ", ".join(RATE_PRESETS))
    if value is not None and row.id != DEFAULT:
        raise bad_request("'rate_preset' holds for all apps alike.", param="rate_preset")
    return replace(row, rate_preset=value)


def _put_local_only(
    row: StoredPreference, value: Any, _providers: Collection[str]
) -> StoredPreference:
    if value is not None and not isinstance(value, bool):
        raise wrong_type("local_only", "true, false or null")
    return replace(row, local_only=value)


_FIELDS: Mapping[str, Callable[[StoredPreference, Any, Collection[str]], StoredPreference]] = {
    "default_llm_provider": _put_provider,
    "split": _put_split,
    "models": _put_models,
    "fallback": _put_fallback,
    "aliases": _put_aliases,
    "rate_preset": _put_preset,
    "local_only": _put_local_only,
}


def _models(
    before: Mapping[str, str], value: Any, providers: Collection[str], param: str
) -> dict[str, str]:
    models = dict(before)
    for provider, model in _object(value, param).items():
        if provider not in providers:
            check_provider(provider, providers, param)
        models.pop(provider, None)
        if model is not None:
            models[provider] = _model(model, f"{param}.{provider}")
    return models


def _model(value: Any, param: str) -> str:
    if not isinstance(value, str):
        raise wrong_type(param, "the name of a model")
    if not is_model_name(value):
        raise out_of_range(param, "a name that a model can have")
    return value


def _object(value: Any, param: str) -> Json:
    if not isinstance(value, dict):
        raise wrong_type(param, "an object")
    return value
