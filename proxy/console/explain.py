"""What would become of a request: the plan and each native body. No provider is told of it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from adapters.base import Adapter, AdapterError, ChatRequest, Json, Learns
from proxy.candidate import Candidate
from proxy.console.status import Sources, paused
from proxy.doors.openai import error_object
from proxy.errors import ApiError, from_adapter
from proxy.limits.health import Status
from proxy.routing.operations.operation import Operation
from proxy.routing.pictures.remote_parts import remote_parts, replaced
from proxy.routing.planning.lacking import cannot
from proxy.routing.planning.plan import Plan
from proxy.routing.planning.preference import Preference

LONGEST_TEXT = 20_000
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA"
    "60e6kgAAAABJRU5ErkJggg=="
)
"""Stands for an image that the proxy would fetch before it sends the request."""
DOCUMENT = "data:application/pdf;base64,JVBERi0xLjQK"
"""Stands for a file, likewise."""


async def learn(request: Any, sources: Sources, preference: Preference) -> None:
    """Have asked what would be asked first of all, were the request for an answer."""
    if type(request) is not ChatRequest:
        return
    with contextlib.suppress(ApiError):  # which will be explained
        for candidate in sources.chooser.plan(request, preference).candidates:
            adapter = sources.adapters[candidate.provider]
            if isinstance(adapter, Learns):
                await adapter.learn(replace(request, model=candidate.model))


def explain(
    request: Any, sources: Sources, preference: Preference, health: Sequence[Status]
) -> Json:
    """The plan of a neutral request, and what each provider that can do it would get."""
    operation, chooser, pools = sources.operations[type(request)], sources.chooser, sources.pools
    planned: dict[str, str] = {}
    try:
        plan = chooser.plan(request, preference)
        plan = pools.arranged(plan, lambda: None, preference) if pools else plan
    except ApiError as error:
        told: Json = {"candidates": [], "skipped": [], "goes_to": None, "why": error.message}
    else:
        told = _plan(plan, health, operation.needs(request), pools.names if pools else {})
        candidates = (*plan.candidates, *(skip.candidate for skip in plan.skipped))
        planned = {candidate.provider: candidate.model for candidate in reversed(candidates)}
    return {
        "plan": told,
        "providers": [
            _native(
                operation,
                adapter,
                request,
                planned.get(name) or chooser.model_of(name, preference),
            )
            for name, adapter in sources.adapters.items()
            if operation.model is None or name in planned
        ],
    }


def _plan(
    plan: Plan, health: Sequence[Status], needs: Mapping[str, str], pools: Mapping[str, str]
) -> Json:
    candidates = []
    goes_to: Candidate | None = None
    for candidate in plan.candidates:
        pause = paused(health, candidate)
        if pause is None and goes_to is None:
            goes_to = candidate
        candidates.append(
            {
                "provider": candidate.provider,
                "model": candidate.model,
                "state": pause.state if pause else "ready",
                "reason": pause.reason if pause else None,
                "ends_in_s": round(pause.ends_in_s) if pause else None,
                **({"pool": pool} if (pool := pools.get(candidate.provider)) else {}),
            }
        )
    return {
        "candidates": candidates,
        "skipped": [
            {
                "provider": skip.candidate.provider,
                "model": skip.candidate.model,
                "param": skip.param,
            }
            for skip in plan.skipped
        ],
        "pinned": plan.pinned,
        "goes_to": goes_to and {"provider": goes_to.provider, "model": goes_to.model},
        "why": _why(plan, goes_to, needs, pools),
    }


def _why(
    plan: Plan, goes_to: Candidate | None, needs: Mapping[str, str], pools: Mapping[str, str]
) -> str:
    if goes_to is None:
        return "Every candidate is paused now: the request waits for the first that comes back."
    reasons = [f"{skip.candidate} {cannot(skip.param, needs)}" for skip in plan.skipped]
    passed = plan.candidates[: plan.candidates.index(goes_to)]
    reasons += [f"{candidate} is paused" for candidate in passed]
    if reasons:
        return f"{'; '.join(reasons)}. So it goes to {goes_to}."
    if plan.pinned:
        return f"The request names {goes_to}, so no other provider would answer it."
    unknown = f"Nobody knows the name {plan.unknown}, and " if plan.unknown else ""
    others = ", then ".join(str(candidate) for candidate in plan.candidates[1:])
    stand_in = f"; {others} would stand in." if others else "."
    pool = pools.get(goes_to.provider)
    reason = f"is the least busy of {pool}" if pool else "is first in the order"
    return f"{unknown}{goes_to} {reason}{stand_in}"


def _native(operation: Operation[Any], adapter: Adapter, request: Any, model: str) -> Json:
    told: Json = {"provider": adapter.name, "title": adapter.title, "model": model}
    request = replace(request, model=model)
    warnings: list[str] = []
    if isinstance(request, ChatRequest):
        images = not adapter.capabilities(model).image_urls
        places = list(remote_parts(request.messages, images=images))
        words = ("fetched=file_url" if one.is_file else "fetched=image_url" for one in places)
        warnings += dict.fromkeys(words)
        fetched = {one.key: DOCUMENT if one.is_file else PIXEL for one in places}
        request = replace(request, messages=replaced(request.messages, places, fetched))
    if operation.may_take_more(request) and isinstance(request, ChatRequest) and request.n > 1:
        is_many = operation.calls(request, adapter.capabilities(model)) > 1
        warnings += ["emulated=n"] if is_many else []
    try:
        call = operation.native(adapter, request)
    except AdapterError as error:
        return told | error_object(from_adapter(error.at(adapter.name)))
    return told | {
        "method": call.method,
        "path": call.path,
        "body": _shortened(call.body),
        "warnings": [*warnings, *call.warnings],
    }


def _shortened(value: Any) -> Any:
    """The same with what no one reads cut: images and files in base64."""
    match value:
        case str() if len(value) > LONGEST_TEXT:
            return f"{value[:80]}… ({len(value)} characters)"
        case dict():
            return {name: _shortened(inner) for name, inner in value.items()}
        case list():
            return [_shortened(inner) for inner in value]
    return value
