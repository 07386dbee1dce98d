"""The facts about a running server for people: who is ready, what is left of which limit.

Pure but for the clock: what the parts know by now is put into one JSON object. No key is in it.
Moments are Unix seconds; where they lie in the future they are rounded, so that an unchanged state
gives an unchanged object.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Protocol

from adapters.base import Adapter, Availability, ChatRequest, Json, Model, variable
from adapters.tasks import EmbeddingRequest
from proxy.background import Background
from proxy.candidate import Candidate
from proxy.cluster.replica import Replica
from proxy.console.presets import Presets
from proxy.doors.models.catalog import Catalog
from proxy.errors import ApiError
from proxy.limits.health import Health, Status
from proxy.limits.successor import is_listed
from proxy.limits.windows import Gauge, Limits
from proxy.routing.loading import Loading
from proxy.routing.operations.operation import Operations
from proxy.routing.planning.candidates import Chooser
from proxy.routing.planning.keys import Keys
from proxy.routing.planning.plan import Plan
from proxy.routing.planning.pools import Pools
from proxy.routing.planning.preference import Preference, unasked
from proxy.settings import Settings
from proxy.store.kept.preferences import DEFAULT, Preferences
from proxy.store.keys.team_keys import TeamKeys
from proxy.store.storage import Storage
from proxy.telemetry.open import Monitors

DAY_NAMES = frozenset({"requests a day", "requests a day, as reported"})


class Sources(Protocol):
    """The parts that the facts are taken from, as `proxy/parts.py` has them."""

    settings: Settings
    adapters: Mapping[str, Adapter]
    chooser: Chooser
    preferences: Preferences
    storage: Storage
    monitors: Monitors
    catalog: Catalog
    health: Health
    presets: Presets
    background: Background
    keys: Keys
    replica: Replica | None
    loading: Loading
    team: TeamKeys
    operations: Operations
    pools: Pools | None


def in_use(sources: Sources) -> Mapping[str, str]:
    """The model that each provider answers with when none of its own is named."""
    preference = sources.preferences.get(None)
    return {name: sources.chooser.model_of(name, preference) for name in sources.adapters}


def status_of(
    sources: Sources,
    reach: Mapping[str, Availability],
    *,
    wall: Callable[[], float] = time.time,
) -> Json:
    """Everything that the page shows; `reach` is what the providers said when last asked."""
    health = sources.health.snapshot()
    preference = sources.preferences.get(None)
    now = wall()
    return {
        "version": version("pointsman"),
        "powered_by": _powered_by(sources, preference, health, reach),
        "vectors_by": _vectors_by(sources.chooser, preference),
        "preference": {
            "default_llm_provider": preference.provider,
            "chosen": preference.chosen,
            "fallback": list(fallback_of(sources.adapters, preference)),
            "aliases": {name: dict(models) for name, models in preference.aliases.items()},
            "rate_preset": sources.presets.current,
            "local_only": preference.local_only,
            "split": dict(preference.split),
        },
        "lost": sorted(sources.preferences.lost()),
        "providers": [
            _provider(sources, name, preference, health, reach.get(name), now)
            for name in sources.adapters
        ],
        "apps": _apps(sources),
        "store": {"problem": sources.storage.problem},
        "background": {"problems": list(sources.background.problems)},
        "shared": {"problem": sources.replica.problem if sources.replica else None},
        "signs_in": sources.settings.asks_for_token or sources.team.has_owner,
        "chat_path": "/admin/api/chat" if sources.team.door.needed else "/v1/chat/completions",
    }


def fallback_of(adapters: Mapping[str, Adapter], preference: Preference) -> Sequence[str]:
    """The order of rotation: as chosen, else every provider that is no last resort."""
    return preference.fallback or unasked(adapters)


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a candidate is skipped now.

    `state` is cooling (told to wait), open (guessed), half-open (a call is trying) or full (a limit
    is used up); `ends_in_s` is 0 where nobody knows.
    """

    state: str
    reason: str
    ends_in_s: float


def paused(health: Sequence[Status], candidate: Candidate) -> Pause | None:
    """What keeps `candidate` from being asked now, the longest of it; None if nothing does.

    Of several keys, what keeps the one that is free first.
    """
    mine = [one for one in health if one.provider == candidate.provider]
    keys = {one.key for one in mine} - {0}
    if keys and not candidate.key:
        return paused(mine, _freest(mine, candidate, keys))
    pauses = [
        pause
        for status in mine
        if status.model in (None, candidate.model) and status.key in (0, candidate.key)
        for pause in _pauses(status)
    ]
    return max(pauses, key=_end, default=None)


def _freest(health: Sequence[Status], candidate: Candidate, keys: Iterable[int]) -> Candidate:
    """The candidate by that of its keys which may be asked first."""
    by_key = (Candidate(candidate.provider, candidate.model, key) for key in sorted(keys))
    return min(by_key, key=lambda one: _end(pause) if (pause := paused(health, one)) else 0)


def _pauses(status: Status) -> Iterator[Pause]:
    if status.kind is not None:  # none: ready, or half-open with nobody trying, so the next may
        yield Pause(status.state, status.kind.replace("_", " "), status.ends_in_s)
    for gauge in status.gauges:
        if gauge.free_in_s > 0:
            yield Pause("full", f"{gauge.used} of {gauge.limit} {gauge.name}", gauge.free_in_s)


def plan_of(chooser: Chooser, preference: Preference) -> Plan | None:
    """Where a plain request would go, None if nowhere."""
    plain = ChatRequest(model=DEFAULT, messages=[{"role": "user", "content": "?"}])
    try:
        return chooser.plan(plain, preference)
    except ApiError:
        return None


def _powered_by(
    sources: Sources,
    preference: Preference,
    health: Sequence[Status],
    reach: Mapping[str, Availability],
) -> Json | None:
    """Who answers the next plain request, and why it is not the one that was chosen."""
    plan = plan_of(sources.chooser, preference)
    if plan is None:
        return None
    free = [c for c in plan.candidates if paused(health, c) is None and _may_answer(reach, c)]
    serving = (free or plan.candidates)[0]
    chosen, arms = sources.adapters[preference.provider], (preference.provider, *preference.split)
    return {
        "provider": serving.provider,
        "title": sources.adapters[serving.provider].title,
        "model": serving.model,
        "instead_of": None if serving.provider in arms else chosen.title,
    }


def _vectors_by(chooser: Chooser, preference: Preference) -> str | None:
    """Whose vectors are given where the client leaves it open, None if nobody's."""
    try:
        plan = chooser.plan(EmbeddingRequest(DEFAULT, ("?",)), preference)
    except ApiError:
        return None
    return str(plan.candidates[0])


def _may_answer(reach: Mapping[str, Availability], candidate: Candidate) -> bool:
    known = reach.get(candidate.provider)
    return known is None or known.reachable


def _provider(
    sources: Sources,
    name: str,
    preference: Preference,
    health: Sequence[Status],
    reach: Availability | None,
    now: float,
) -> Json:
    adapter = sources.adapters[name]
    model = sources.chooser.model_of(name, preference)
    mine = [status for status in health if status.provider == name]
    limits = sources.presets.limits().get(name, Limits())
    by_key = _by_key(mine, Candidate(name, model), limits, sources.keys.ends(name), now)
    keys = range(1, len(by_key) + 1)
    free = _freest(mine, Candidate(name, model), keys) if keys else Candidate(name, model)
    gauges = _gauges(mine, free, limits)
    failure = sources.monitors.recorder.failure(name)
    listed = is_offered(sources.catalog.lists().get(name), model)
    return {
        "id": name,
        "title": adapter.title,
        "local": adapter.local,
        "last_resort": adapter.last_resort,
        "setup": adapter.setup,
        "unconfigured": adapter.unconfigured,
        "key": adapter.settings.api_key is not None,
        "keys": by_key,
        "reachable": reach.reachable if reach else None,
        "detail": reach.detail if reach else "",
        "model": model,
        "in_rotation": name in fallback_of(sources.adapters, preference),
        "paid": not adapter.settings.joins_unasked,
        "gone": gone_text(sources.chooser, name, preference) or unlisted(model, listed),
        "listed": listed,
        "models": _offered(sources.catalog.lists().get(name, ()), model),
        "loading": [
            {"model": one.model, "since": since}
            for one, since in sources.loading.since.items()
            if one.provider == name
        ],
        "windows": [_window(gauge, now) for gauge in gauges],
        "pause": _pause(paused(mine, free), now),
        "pauses": [
            {"model": status.model, **told}
            for status in mine
            if status.model not in (None, model)
            and status.key in (0, free.key)
            and (told := _pause(max(_pauses(status), key=_end, default=None), now))
        ],
        "day": _day(gauges),
        "last_error": failure and {"at": failure.at, "kind": failure.kind, "text": failure.message},
        "speed": {
            what: round(value, 3) if isinstance(value, float) else value
            for what, value in asdict(sources.monitors.recorder.speed(name)).items()
        },
    }


def gone_text(chooser: Chooser, provider: str, preference: Preference) -> str | None:
    """What became of the model that is set for a provider, and the cure; None if it is there."""
    was = chooser.wanted_of(provider, preference)
    if not was:
        return None
    if not chooser.retired.is_gone(provider, was):
        return None
    model = chooser.model_of(provider, preference)
    instead = f"{model} answers instead of {was}" if model != was else f"{was} is gone"
    words = chooser.retired.words(provider, was)
    cure = f"choose a model, or set {variable(provider, 'model')}"
    return f"{instead} ({words.rstrip('.')}): {cure}"


def is_offered(models: Sequence[Model] | None, model: str) -> bool | None:
    """Whether a provider's list has the model; None without a list, or a model that is set."""
    if not models or not model:
        return None
    return is_listed(model, {one.id for one in models})


def unlisted(model: str, listed: bool | None) -> str | None:
    """What to say of a model that a provider's list lacks; None of any other."""
    return f"{model} is not in its list of models: choose another" if listed is False else None


def _offered(models: Sequence[Model], current: str) -> list[str]:
    """The models that can chat of those listed; the one in use first if it is not among them."""
    names = sorted({model.id for model in models if model.chat})
    return names if is_listed(current, names) or not current else [current, *names]


def _by_key(
    mine: Sequence[Status], of: Candidate, limits: Limits, ends: Sequence[str], now: float
) -> list[Json]:
    """Each of several keys: how it is called, how full its limits are, what keeps it from it."""
    keys = [Candidate(of.provider, of.model, key) for key in range(1, len(ends) + 1)]
    return [
        {
            "name": end,
            "windows": [_window(gauge, now) for gauge in _gauges(mine, one, limits)],
            "pause": _pause(paused(mine, one), now),
        }
        for end, one in zip(ends, keys, strict=True)
    ]


def _gauges(mine: Sequence[Status], of: Candidate, limits: Limits) -> Sequence[Gauge]:
    """How full the limits of a candidate are; empty ones while nothing was asked of it."""
    same = [status for status in mine if status.model == of.model]
    own = [status for status in same if status.key == of.key]
    if found := own or [status for status in same if not status.key and status.gauges]:
        return found[0].gauges
    given = (
        ("requests a minute", limits.requests_per_minute),
        ("requests a day", limits.requests_per_day),
        ("tokens a minute", limits.tokens_per_minute),
    )
    return [Gauge(name, 0, limit) for name, limit in given if limit is not None]


def _window(gauge: Gauge, now: float) -> Json:
    return {
        "name": gauge.name,
        "used": gauge.used,
        "limit": gauge.limit,
        "free_at": round(now + gauge.free_in_s) if gauge.free_in_s > 0 else None,
    }


def _pause(pause: Pause | None, now: float) -> Json | None:
    if pause is None:
        return None
    ends_at = round(now + pause.ends_in_s) if pause.ends_in_s > 0 else None
    return {"state": pause.state, "reason": pause.reason, "ends_at": ends_at}


def _end(pause: Pause) -> float:
    return pause.ends_in_s


def _day(gauges: Sequence[Gauge]) -> Json | None:
    """What is left of the day's requests, by the limit that is nearest to its end."""
    days = [gauge for gauge in gauges if gauge.name in DAY_NAMES]
    if not days:
        return None
    least = min(days, key=lambda gauge: gauge.limit - gauge.used)
    return {"left": max(0, least.limit - least.used), "limit": least.limit}


def _apps(sources: Sources) -> list[Json]:
    """The apps that asked since the start, and those with a row of their own."""
    seen = sources.monitors.recorder.apps()
    rows = {row.id: row for row in sources.preferences.rows() if row.id != DEFAULT}
    names = sorted({*seen, *rows, *sources.settings.client_keys})
    return [
        {
            "id": name,
            "requests": seen[name].requests if name in seen else 0,
            "last_at": round(seen[name].last_at) if name in seen else None,
            "provider": rows[name].provider if name in rows else None,
            "local_only": sources.preferences.get(name).local_only,
            "split": dict(rows[name].split) if name in rows else {},
        }
        for name in names
    ]
