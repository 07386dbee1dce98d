"""What a client is told when something fails: one error type, its status, `type` and `code`.

The table is made for the OpenAI SDKs, which retry 408, 409, 429 and 5xx by themselves: where our
own rotation has tried everything, `x-should-retry: false` keeps them from multiplying it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

from adapters.base import AdapterError, ErrorKind, Phase
from adapters.errors import UnchangedError

LONGEST_SDK_WAIT_S = 60.0
"""SDKs of this family take a longer `retry-after` for none, and would come back at once."""
UNKNOWN_URL = "unknown_url"
"""The code of a path where nothing is served."""
SHORT_OUTAGE_S = 10.0
LATER_SHARE = 0.1
"""By how much of a limit's wait clients are told to come later, at the most."""


class ApiError(UnchangedError):
    """An answer that is an error. `retry_after_s` and `should_retry` become headers when given.

    `later_s` is added to the wait that is told, so that not all come back at the same moment;
    `violations` are a provider's, by the fields of its own protocol.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type_: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        provider: str | None = None,
        provider_code: str | None = None,
        retry_after_s: float | None = None,
        should_retry: bool | None = None,
        close: bool = False,
        violations: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type_
        self.code = code
        self.param = param
        self.provider = provider
        self.provider_code = provider_code
        self.retry_after_s = retry_after_s
        self.later_s = 0.0
        self.should_retry = should_retry
        self.close = close
        self.violations = violations

    def __str__(self) -> str:
        return self.message

    def headers(self) -> list[tuple[bytes, bytes]]:
        headers: list[tuple[bytes, bytes]] = []
        if self.retry_after_s is not None:
            wait_s = max(self.retry_after_s, 0.001)
            later_s = wait_s + self.later_s
            # Whole seconds are later by themselves where the wait is short.
            seconds = max(math.ceil(wait_s), math.floor(later_s))
            headers.append((b"retry-after", b"%d" % seconds))
            headers.append((b"retry-after-ms", b"%d" % math.ceil(later_s * 1000)))
        if self.should_retry is not None:
            headers.append((b"x-should-retry", b"true" if self.should_retry else b"false"))
        if self.close:
            headers.append((b"connection", b"close"))
        return headers


def bad_request(message: str, *, param: str | None = None, code: str | None = None) -> ApiError:
    """400: the client's request is at fault, and `param` names where."""
    return ApiError(400, message, param=param, code=code)


def model_not_found(model: str) -> ApiError:
    """404 for a name that cannot be, or is not, a model's."""
    shown = model if len(model) <= 128 and model.isprintable() else "(unprintable)"
    return ApiError(
        404, f"The model '{shown}' does not exist.", code="model_not_found", param="model"
    )


def internal_error() -> ApiError:
    """500: our own bug. The client learns nothing of its cause; the log does."""
    return ApiError(
        500,
        "Something went wrong inside the proxy. The log has the details.",
        type_="api_error",
        code="internal_error",
        should_retry=False,
    )


def overloaded() -> ApiError:
    """503: more requests wait already than there is room for."""
    return ApiError(
        503,
        "Too many requests are waiting for a provider.",
        type_="service_unavailable_error",
        code="overloaded",
        retry_after_s=random.uniform(1, 5),  # noqa: S311 - no secret: they are not to come together
        should_retry=True,
    )


def shutting_down() -> ApiError:
    """503: the server is about to stop; the one that is started next will answer."""
    return ApiError(
        503,
        "The server is shutting down.",
        type_="service_unavailable_error",
        code="shutting_down",
        retry_after_s=1.0,
        should_retry=True,
        close=True,
    )


_UPSTREAM: Mapping[ErrorKind, tuple[int, str, str | None]] = {
    ErrorKind.RATE_LIMIT: (429, "rate_limit_error", "rate_limit_exceeded"),
    ErrorKind.QUOTA_DAY: (429, "insufficient_quota", "insufficient_quota"),
    ErrorKind.OVERLOADED: (503, "service_unavailable_error", "no_provider_available"),
    ErrorKind.LOADING: (503, "service_unavailable_error", "model_loading"),
    ErrorKind.SERVER: (503, "service_unavailable_error", "no_provider_available"),
    ErrorKind.NETWORK: (503, "service_unavailable_error", "no_provider_available"),
    ErrorKind.BROKEN: (502, "api_error", "upstream_error"),
    ErrorKind.TLS: (502, "api_error", "upstream_error"),
    ErrorKind.TIMEOUT_CONNECT: (504, "api_error", "upstream_timeout"),
    ErrorKind.TIMEOUT_FIRST_BYTE: (504, "api_error", "upstream_timeout"),
    ErrorKind.STALL: (504, "api_error", "upstream_stalled"),
    ErrorKind.BAD_RESPONSE: (502, "api_error", "upstream_invalid_response"),
    ErrorKind.MALFORMED_ANSWER: (502, "api_error", "upstream_malformed_response"),
    ErrorKind.MISMATCH: (502, "api_error", "schema_mismatch"),
    ErrorKind.EMPTY: (502, "api_error", "upstream_invalid_response"),
    ErrorKind.RESPONSE_TOO_LARGE: (502, "api_error", "response_too_large"),
    ErrorKind.AUTH: (502, "api_error", "upstream_authentication_failed"),
    ErrorKind.ACCOUNT: (502, "api_error", "upstream_account_refused"),
    ErrorKind.MODEL_MISSING: (404, "invalid_request_error", "model_not_found"),
    ErrorKind.CONTEXT: (400, "invalid_request_error", "context_length_exceeded"),
    ErrorKind.BAD_REQUEST: (400, "invalid_request_error", None),
    ErrorKind.UNSUPPORTED: (400, "invalid_request_error", "unsupported_feature"),
    ErrorKind.TOO_LARGE: (413, "invalid_request_error", "request_too_large"),
}


def from_adapter(error: AdapterError, *, retry_after_s: float | None = None) -> ApiError:
    """What a client is told of one provider's failure; `retry_after_s` as the router knows it."""
    status, type_, code = _UPSTREAM[error.kind]
    if code == "response_too_large" and error.phase is Phase.AFTER_CONTENT:
        code = "upstream_too_long"
    wait_s = error.retry_after_s if retry_after_s is None else retry_after_s
    if status in (429, 503) and wait_s is None:
        wait_s = 1.0
    return ApiError(
        status,
        f"{error.provider}: {error.message}",
        type_=type_,
        code=code or error.upstream_code,
        param=error.param,
        provider=error.provider,
        provider_code=error.code,
        retry_after_s=wait_s if status in (429, 503) else None,
        should_retry=_should_retry(status, type_, wait_s),
        violations=error.violations,
    )


def spread(error: ApiError, chance: float) -> ApiError:
    """`error`, told later by up to a tenth where it is a limit; `chance` is from 0 to 1.

    The wait of a spent day is left as it is: nobody comes back for it in a hurry.
    """
    wait_s = error.retry_after_s
    if error.code != "rate_limit_exceeded" or wait_s is None:
        return error
    later_s = wait_s * LATER_SHARE * chance
    should_retry = _should_retry(error.status, error.type, wait_s + later_s)
    return error.but(later_s=later_s, should_retry=should_retry)


def pinned_broke(error: ApiError) -> ApiError:
    """502 for the only provider that a request would have: it has been tried again already."""
    return ApiError(
        502,
        error.message,
        type_="api_error",
        code="upstream_error",
        provider=error.provider,
        provider_code=error.provider_code,
        should_retry=False,
    )


def _should_retry(status: int, type_: str, wait_s: float | None) -> bool | None:
    if status == 429:
        too_long = type_ == "insufficient_quota" or (wait_s or 0) > LONGEST_SDK_WAIT_S
        return False if too_long else None
    if status == 503:
        return (wait_s or 0) <= SHORT_OUTAGE_S
    return False if status >= 500 else None


def from_failures(failures: Sequence[AdapterError]) -> ApiError:
    """The one error that stands for all candidates having failed, the most telling of them.

    A limit that ends soon comes first: waiting for it helps, whatever else is broken. Then what
    another provider said last; a quota for the day only where there is nothing but quotas.
    """
    limited = [failure for failure in failures if failure.kind is ErrorKind.RATE_LIMIT]
    others = [failure for failure in failures if failure.kind is not ErrorKind.QUOTA_DAY]
    if limited or not others:
        error = from_adapter(min(limited or failures, key=_wait_s))
    else:
        soonest = min(others, key=_wait_s)
        error = from_adapter(others[-1], retry_after_s=soonest.retry_after_s)
    if len(failures) > 1 and error.status >= 429:
        tried = "; ".join(str(failure) for failure in failures)
        return error.but(message=f"No provider could answer. {tried}")
    return error


def _wait_s(failure: AdapterError) -> float:
    return math.inf if failure.retry_after_s is None else failure.retry_after_s
