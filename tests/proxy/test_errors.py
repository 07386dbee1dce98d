"""What each failure becomes for a client, and which of several failures it is told."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, strategies as st

from adapters.base import AdapterError, ErrorKind, Text
from proxy.errors import (
    ApiError,
    bad_request,
    from_adapter,
    from_failures,
    internal_error,
    model_not_found,
    overloaded,
    spread,
)
from proxy.routing.answers.first import EmptyAnswerError

LIMIT, QUOTA = ErrorKind.RATE_LIMIT, ErrorKind.QUOTA_DAY


def failure(kind: ErrorKind, wait_s: float | None = None, provider: str = "groq") -> AdapterError:
    return AdapterError(kind, "it failed", provider=provider, retry_after_s=wait_s)


def header(error: ApiError, name: bytes) -> bytes | None:
    return dict(error.headers()).get(name)


@pytest.mark.parametrize(
    ("kind", "status", "type_", "code"),
    [
        (LIMIT, 429, "rate_limit_error", "rate_limit_exceeded"),
        (QUOTA, 429, "insufficient_quota", "insufficient_quota"),
        (ErrorKind.OVERLOADED, 503, "service_unavailable_error", "no_provider_available"),
        (ErrorKind.SERVER, 503, "service_unavailable_error", "no_provider_available"),
        (ErrorKind.NETWORK, 503, "service_unavailable_error", "no_provider_available"),
        (ErrorKind.TLS, 502, "api_error", "upstream_error"),
        (ErrorKind.TIMEOUT_CONNECT, 504, "api_error", "upstream_timeout"),
        (ErrorKind.TIMEOUT_FIRST_BYTE, 504, "api_error", "upstream_timeout"),
        (ErrorKind.STALL, 504, "api_error", "upstream_stalled"),
        (ErrorKind.BAD_RESPONSE, 502, "api_error", "upstream_invalid_response"),
        (ErrorKind.MALFORMED_ANSWER, 502, "api_error", "upstream_malformed_response"),
        (ErrorKind.RESPONSE_TOO_LARGE, 502, "api_error", "response_too_large"),
        (ErrorKind.AUTH, 502, "api_error", "upstream_authentication_failed"),
        (ErrorKind.MODEL_MISSING, 404, "invalid_request_error", "model_not_found"),
        (ErrorKind.CONTEXT, 400, "invalid_request_error", "context_length_exceeded"),
        (ErrorKind.BAD_REQUEST, 400, "invalid_request_error", None),
        (ErrorKind.UNSUPPORTED, 400, "invalid_request_error", "unsupported_feature"),
        (ErrorKind.TOO_LARGE, 413, "invalid_request_error", "request_too_large"),
    ],
)
def test_each_kind_has_its_status_type_and_code(
    kind: ErrorKind, status: int, type_: str, code: str | None
) -> None:
    cause = failure(kind)
    error = from_adapter(cause)

    assert (error.status, error.type, error.code) == (status, type_, code)
    assert (error.provider, error.provider_code) == ("groq", cause.code)
    assert error.message == "groq: it failed"


def test_no_kind_is_forgotten() -> None:
    assert all(from_adapter(failure(kind)).status >= 400 for kind in ErrorKind)


def test_what_the_provider_names_is_kept() -> None:
    cause = AdapterError(
        ErrorKind.BAD_REQUEST, "no", provider="groq", param="tools", upstream_code="tool_use_failed"
    )

    assert (from_adapter(cause).param, from_adapter(cause).code) == ("tools", "tool_use_failed")


@pytest.mark.parametrize(
    ("kind", "wait_s", "retry_after", "should_retry"),
    [
        (LIMIT, 7, b"7", None),
        (LIMIT, 6.2, b"7", None),
        (LIMIT, 0, b"1", None),
        (LIMIT, None, b"1", None),
        (LIMIT, 60, b"60", None),
        (LIMIT, 61, b"61", b"false"),
        (QUOTA, 9000, b"9000", b"false"),
        (QUOTA, 5, b"5", b"false"),
        (ErrorKind.SERVER, None, b"1", b"true"),
        (ErrorKind.OVERLOADED, 10, b"10", b"true"),
        (ErrorKind.NETWORK, 11, b"11", b"false"),
        (ErrorKind.AUTH, None, None, b"false"),
        (ErrorKind.STALL, 5, None, b"false"),
        (ErrorKind.BAD_RESPONSE, None, None, b"false"),
        (ErrorKind.CONTEXT, None, None, None),
        (ErrorKind.MODEL_MISSING, 3, None, None),
    ],
)
def test_an_sdk_is_told_whether_and_when_to_come_back(
    kind: ErrorKind, wait_s: float | None, retry_after: bytes | None, should_retry: bytes | None
) -> None:
    error = from_adapter(failure(kind, wait_s))

    assert header(error, b"retry-after") == retry_after
    assert header(error, b"x-should-retry") == should_retry


def test_the_wait_is_told_in_milliseconds_too() -> None:
    assert header(from_adapter(failure(LIMIT, 1.2504)), b"retry-after-ms") == b"1251"


def test_the_routers_wait_stands_over_the_providers() -> None:
    error = from_adapter(failure(LIMIT, 7), retry_after_s=3)

    assert header(error, b"retry-after") == b"3"


@given(st.sampled_from(ErrorKind), st.floats(0, 1e9) | st.none())
def test_a_told_wait_is_always_a_whole_number_above_zero(
    kind: ErrorKind, wait_s: float | None
) -> None:
    for name, value in from_adapter(failure(kind, wait_s)).headers():
        if name.startswith(b"retry-after"):
            assert value.isdigit() and int(value) >= 1


@given(st.floats(0, 1e6), st.floats(0, 1))
def test_a_limits_end_is_told_at_most_a_tenth_later_and_never_earlier(
    wait_s: float, chance: float
) -> None:
    error = spread(from_adapter(failure(LIMIT, wait_s)), chance)

    seconds, ms = (int(header(error, name) or 0) for name in (b"retry-after", b"retry-after-ms"))
    wait_s = max(wait_s, 0.001)
    assert wait_s <= seconds <= wait_s * 1.1 + 1
    assert wait_s <= ms / 1000 <= wait_s * 1.1 + 0.001
    assert error.should_retry is (False if ms > 60_000 else None)


def test_what_is_told_later_than_an_sdk_waits_is_not_to_be_asked_again() -> None:
    told = from_adapter(failure(LIMIT, 58))

    assert header(spread(told, 0), b"x-should-retry") is None
    assert header(spread(told, 1), b"x-should-retry") == b"false"


def test_those_who_find_no_room_are_told_to_come_back_at_different_times() -> None:
    waits = [overloaded().retry_after_s or 0 for _ in range(100)]

    assert all(1 <= wait <= 5 for wait in waits)
    assert len(set(waits)) > 50


# One error for several failures


@pytest.mark.parametrize(
    ("failures", "kind", "wait_s"),
    [
        ([(LIMIT, 9), (LIMIT, 4), (LIMIT, None)], LIMIT, 4),
        ([(QUOTA, 9000), (LIMIT, 40)], LIMIT, 40),
        ([(QUOTA, 30), (LIMIT, None)], LIMIT, 1),
        ([(QUOTA, 9000), (QUOTA, 5000)], QUOTA, 5000),
        ([(LIMIT, 7), (ErrorKind.NETWORK, None)], LIMIT, 7),
        ([(LIMIT, 7), (ErrorKind.AUTH, None)], LIMIT, 7),
        ([(QUOTA, 9000), (ErrorKind.NETWORK, None)], ErrorKind.NETWORK, 1),
        ([(ErrorKind.NETWORK, None), (ErrorKind.SERVER, None)], ErrorKind.SERVER, 1),
        ([(ErrorKind.NETWORK, None), (ErrorKind.AUTH, None)], ErrorKind.AUTH, None),
        ([(ErrorKind.CONTEXT, None), (ErrorKind.CONTEXT, None)], ErrorKind.CONTEXT, None),
    ],
    ids=str,
)
def test_the_most_telling_failure_is_told(
    failures: list[tuple[ErrorKind, float | None]], kind: ErrorKind, wait_s: float | None
) -> None:
    error = from_failures([failure(*one) for one in failures])

    expected = from_adapter(failure(kind))
    assert (error.status, error.type, error.code) == (expected.status, expected.type, expected.code)
    assert error.retry_after_s == wait_s


def test_a_failure_of_all_names_each_of_them() -> None:
    error = from_failures(
        [failure(ErrorKind.NETWORK, provider="ollama"), failure(ErrorKind.SERVER, provider="groq")]
    )

    assert "ollama: it failed" in error.message and "groq: it failed" in error.message


def test_a_failure_of_one_is_told_as_it_is() -> None:
    assert from_failures([failure(ErrorKind.SERVER)]).message == "groq: it failed"


@pytest.mark.parametrize("kinds", list(itertools.combinations(ErrorKind, 2)), ids=str)
def test_any_two_failures_make_an_error(kinds: tuple[ErrorKind, ErrorKind]) -> None:
    error = from_failures([failure(kind) for kind in kinds])

    assert 400 <= error.status < 600
    assert (error.status in (429, 503)) == (error.retry_after_s is not None)


# Our own


def test_an_internal_error_tells_nothing_and_is_not_retried() -> None:
    error = internal_error()

    assert (error.status, error.code) == (500, "internal_error")
    assert header(error, b"x-should-retry") == b"false"


def test_a_bad_request_names_the_parameter() -> None:
    error = bad_request("No.", param="n", code="invalid_value")

    assert (error.status, error.type) == (400, "invalid_request_error")
    assert (error.param, error.code, error.headers()) == ("n", "invalid_value", [])


@pytest.mark.parametrize("model", ["a\r\nb", "\u202ea", "x" * 200, "\x00"], ids=ascii)
def test_an_unprintable_name_is_not_echoed(model: str) -> None:
    assert model not in model_not_found(model).message


def test_a_refusal_that_ends_the_connection_says_so() -> None:
    error = ApiError(413, "Too large.", close=True)

    assert header(error, b"connection") == b"close"


def test_another_error_is_made_of_one_which_stays_as_it_was() -> None:
    empty = EmptyAnswerError([Text("x")], "groq")
    refused = ApiError(429, "wait", code="rate_limit_exceeded", retry_after_s=9)

    other, later = empty.but(message="masked"), refused.but(retry_after_s=10)

    assert (str(empty), str(other)) == ("groq: the answer is empty", "groq: masked")
    assert repr(other) == "EmptyAnswerError('groq: masked')"
    assert (type(other), other.kind, other.events) == (type(empty), empty.kind, empty.events)
    assert (refused.retry_after_s, later.retry_after_s) == (9, 10)
    assert (str(later), later.code, later.status) == ("wait", "rate_limit_exceeded", 429)
