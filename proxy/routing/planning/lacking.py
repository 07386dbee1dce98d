"""Why a provider cannot be asked at all: it is not set up, or cannot do that. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from adapters.base import Adapter
from proxy.errors import ApiError, bad_request


def unable(adapters: Iterable[Adapter]) -> ApiError:
    """The error of what none of them can do."""
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
