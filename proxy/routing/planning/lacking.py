"""Why a provider is not asked, or a model of it: it is not set up, or cannot do that. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from adapters.base import Adapter, Capabilities
from proxy.errors import ApiError, bad_request
from proxy.routing.planning.plan import Skipped

_ABILITIES: Mapping[str, str] = {
    "tools": "call tools",
    "images": "see images",
    "audio": "hear audio",
    "files": "read files",
    "logprobs": "tell logprobs",
    "caches": "go on from cached contents",
    "insert": "fill in between two texts",
}
"""By the field of Capabilities."""


def unable(adapters: Iterable[Adapter]) -> ApiError:
    who = ", ".join(adapter.title for adapter in adapters)
    return bad_request(
        f"{who} cannot do what this endpoint is for.", code="unsupported_feature", param="model"
    )


def must_be_configured(adapter: Adapter) -> None:
    """Raises ApiError 503 where it is not."""
    if reason := adapter.unconfigured:
        raise ApiError(
            503,
            f"{adapter.title} is not set up: {reason}.",
            type_="service_unavailable_error",
            code="no_provider_available",
            provider=adapter.name,
            should_retry=False,
        )


def lacks(can: Capabilities, needs: Mapping[str, str]) -> str | None:
    """The parameter that needs what the model cannot do, or None if it can do everything."""
    for need, param in needs.items():
        if not getattr(can, need):
            return param
    return None


def cannot(param: str, needs: Mapping[str, str]) -> str:
    """The words for a lack that `param` names; `needs` are those of the request."""
    need = next((need for need, where in needs.items() if where == param), param)
    if need not in _ABILITIES:
        return f"cannot do '{param}'"
    where = "" if need == param else f" ({param})"
    return f"cannot {_ABILITIES[need]}{where}"


def unsupported(
    skipped: Sequence[Skipped], needs: Mapping[str, str], could: Sequence[str]
) -> ApiError:
    """The error where no candidate can do what a request needs; other providers `could`."""
    tried = ", ".join(f"{skip.candidate} {cannot(skip.param, needs)}" for skip in skipped)
    hint = f" {', '.join(could)} could." if could else " No provider that is set up could."
    return ApiError(
        400,
        f"No candidate can do what this request needs: {tried}.{hint}",
        code="unsupported_feature",
        param=skipped[0].param,
        provider=skipped[0].candidate.provider,
    )
