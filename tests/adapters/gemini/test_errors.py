"""What Gemini's refusals mean, how long to wait, and what is mended and sent once more."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from adapters.base import (
    ErrorKind,
    Json,
    Phase,
    Scope,
)
from adapters.gemini.errors import WORDS, api_error, refusal
from adapters.refusals.status import KIND_OF_STATUS
from tests.adapters.gemini.kit import GeminiKit
from tests.adapters.kit import API_KEY, a_request, failure, json_reply

pytestmark = pytest.mark.anyio

KIT = GeminiKit()
NOON = datetime(2026, 7, 1, 19, 0, tzinfo=UTC)  # 12:00 in California, in summer
WINTER_EVENING = datetime(2026, 12, 2, 7, 30, tzinfo=UTC)  # 23:30 there, the day before
DAY, MINUTE = "RequestsPerDayPerModel-FreeTier", "RequestsPerMinutePerModel-FreeTier"


def retry(delay: Any) -> Json:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def quota(*ids: str, **more: str) -> Json:
    violations = [{"quotaId": f"Generate{name}", **more} for name in ids]
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}


def exhausted(*details: Any, message: str = "Quota exceeded.") -> Json:
    return {
        "code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": list(details),
    }  # fmt: skip


WAITS: dict[str, tuple[Json, ErrorKind, float | None]] = {
    "whole seconds": (exhausted(retry("26s")), ErrorKind.RATE_LIMIT, 26),
    "half a second": (exhausted(retry("0.5s")), ErrorKind.RATE_LIMIT, 0.5),
    "nanoseconds": (exhausted(retry("26.123456789s")), ErrorKind.RATE_LIMIT, 26.123456789),
    "finer in the text": (
        exhausted(retry("26s"), message="Please retry in 26.75s."),
        ErrorKind.RATE_LIMIT,
        26.75,
    ),
    "another wait in the text": (
        exhausted(retry("26s"), message="Please retry in 90.5s."),
        ErrorKind.RATE_LIMIT,
        26,
    ),
    "a minute's quota": (exhausted(quota(MINUTE), retry("7s")), ErrorKind.RATE_LIMIT, 7),
    "no details": (exhausted(), ErrorKind.RATE_LIMIT, None),
    "only help": (exhausted({"links": []}), ErrorKind.RATE_LIMIT, None),
    "a day's quota": (exhausted(quota(DAY), retry("7s")), ErrorKind.QUOTA_DAY, 12 * 3600),
    "a day's among others": (
        exhausted(retry("7s"), quota(MINUTE, DAY)),
        ErrorKind.QUOTA_DAY,
        12 * 3600,
    ),
    "a day's in another detail": (
        exhausted(quota(MINUTE), quota(DAY)),
        ErrorKind.QUOTA_DAY,
        12 * 3600,
    ),
    "no quota at all": (
        exhausted(quota(MINUTE), retry("7s"), message="Metric: m, limit: 0, model: x"),
        ErrorKind.QUOTA_DAY,
        12 * 3600,
    ),
    "no quota by its value": (
        exhausted(quota(MINUTE, quotaValue="0"), retry("7s")),
        ErrorKind.QUOTA_DAY,
        12 * 3600,
    ),
    "a limit that begins with 0": (
        exhausted(retry("7s"), message="limit: 0.5, model: x"),
        ErrorKind.RATE_LIMIT,
        7,
    ),
    **{
        f"a delay of {delay!r}": (exhausted(retry(delay)), ErrorKind.RATE_LIMIT, None)
        for delay in ("", "s", "-5s", "soon", "NaN", "1e9s", 7, None, {"seconds": 7})
    },
    "details of another shape": (
        exhausted("x", None, {"violations": 7}, {"violations": [None, 7]}),
        ErrorKind.RATE_LIMIT,
        None,
    ),
}


@pytest.mark.parametrize(("error", "kind", "wait_s"), WAITS.values(), ids=WAITS.keys())
def test_a_429_tells_kind_and_wait(error: Json, kind: ErrorKind, wait_s: float | None) -> None:
    told = api_error(429, error, now=NOON)
    assert (told.kind, told.scope) == (kind, Scope.MODEL)
    assert told.retry_after_s == (None if wait_s is None else pytest.approx(wait_s))


def test_a_days_quota_comes_back_at_midnight_in_california() -> None:
    told = api_error(429, exhausted(quota(DAY)), now=WINTER_EVENING)
    assert told.retry_after_s == pytest.approx(1800)


def test_a_time_zone_that_is_not_known_makes_the_wait_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import zoneinfo

    zoneinfo.reset_tzpath([])
    zoneinfo.ZoneInfo.clear_cache()
    monkeypatch.setitem(__import__("sys").modules, "tzdata", None)
    try:
        told = api_error(429, exhausted(quota(DAY)), now=NOON)
    finally:
        zoneinfo.reset_tzpath()
        zoneinfo.ZoneInfo.clear_cache()
    assert told.retry_after_s == pytest.approx(13 * 3600)


async def test_a_header_tells_the_wait_where_the_body_does_not() -> None:
    reply = json_reply({"error": exhausted()}, 429, retry_after="3")
    assert (await failure(KIT, reply, a_request(KIT))).retry_after_s == 3


KINDS: list[tuple[int, Json, ErrorKind, Scope]] = [
    (400, {"status": "INVALID_ARGUMENT"}, ErrorKind.BAD_REQUEST, Scope.REQUEST),
    (400, {"status": "FAILED_PRECONDITION"}, ErrorKind.ACCOUNT, Scope.PROVIDER),
    (
        400,
        {"status": "FAILED_PRECONDITION", "message": "The File x is not in an ACTIVE state."},
        ErrorKind.BAD_REQUEST,
        Scope.REQUEST,
    ),
    *(
        (
            403,
            {"status": "PERMISSION_DENIED", "message": text},
            ErrorKind.BAD_REQUEST,
            Scope.REQUEST,
        )
        for text in (
            "CachedContent not found (or permission denied)",
            "You do not have permission to access the File abc or it may not exist.",
        )
    ),
    (
        403,
        {"status": "PERMISSION_DENIED", "message": "Your project has been denied access."},
        ErrorKind.ACCOUNT,
        Scope.PROVIDER,
    ),
    (403, {"details": [{"reason": "BILLING_DISABLED"}]}, ErrorKind.ACCOUNT, Scope.PROVIDER),
    (
        429,
        {"message": "Your prepayment credits are depleted. Please manage your billing."},
        ErrorKind.ACCOUNT,
        Scope.PROVIDER,
    ),
    (
        429,
        {"message": "You exceeded your current quota, please check your plan and billing details."},
        ErrorKind.RATE_LIMIT,
        Scope.MODEL,
    ),
    (400, {"details": [{"reason": "API_KEY_INVALID"}]}, ErrorKind.AUTH, Scope.KEY),
    (
        400,
        {"message": "The input token count (5) exceeds the maximum number of tokens allowed (4)."},
        ErrorKind.CONTEXT,
        Scope.REQUEST,
    ),
    (400, {"message": "API key expired. Please renew the API key."}, ErrorKind.AUTH, Scope.KEY),
    (
        400,
        {"status": "FAILED_PRECONDITION", "message": "Gemini 1.5 has been retired."},
        ErrorKind.MODEL_MISSING,
        Scope.MODEL,
    ),
    (
        403,
        {"message": "models/gemini-x is no longer available to new users."},
        ErrorKind.MODEL_MISSING,
        Scope.MODEL,
    ),
    (401, {"status": "UNAUTHENTICATED"}, ErrorKind.AUTH, Scope.KEY),
    (403, {"details": [{"reason": "SERVICE_DISABLED"}]}, ErrorKind.AUTH, Scope.KEY),
    (404, {"status": "NOT_FOUND"}, ErrorKind.MODEL_MISSING, Scope.MODEL),
    (413, {}, ErrorKind.TOO_LARGE, Scope.REQUEST),
    (500, {"status": "INTERNAL"}, ErrorKind.SERVER, Scope.PROVIDER),
    (503, {"status": "UNAVAILABLE"}, ErrorKind.OVERLOADED, Scope.MODEL),
    (504, {"status": "DEADLINE_EXCEEDED"}, ErrorKind.TIMEOUT_FIRST_BYTE, Scope.MODEL),
    (302, {}, ErrorKind.BAD_RESPONSE, Scope.PROVIDER),
]


@pytest.mark.parametrize("shape", ["object", "list", "data"])
@pytest.mark.parametrize(("status", "error", "kind", "scope"), KINDS)
def test_each_refusal_becomes(
    status: int, error: Json, kind: ErrorKind, scope: Scope, shape: str
) -> None:
    body = json.dumps([{"error": error}] if shape == "list" else {"error": error})
    told = refusal(httpx.Response(status, text=f"data: {body}\r\n" if shape == "data" else body))
    assert (told.kind, told.scope, told.status) == (kind, scope, status)


def test_every_kind_has_words_for_the_client() -> None:
    assert set(KIND_OF_STATUS.values()) <= WORDS.keys()


def test_a_refused_request_is_told_in_googles_words_but_for_the_key() -> None:
    error = {"message": f"Unknown name \"x\"\n at 'y' with key {API_KEY}" + "." * 999}
    told = refusal(httpx.Response(400, json={"error": error}), secret=API_KEY)
    assert told.message.startswith(
        "the request was refused: Unknown name \"x\" at 'y' with key ***"
    )
    assert len(told.message) < 500


def test_the_fields_that_google_refuses_are_kept_but_for_the_key() -> None:
    given = [{"field": "contents[0]", "description": f"Not {API_KEY}."}, {"description": "Odd."}]
    detail = {"fieldViolations": [*given, {"field": "x"}, None, *given * 30]}
    told = api_error(400, {"details": [detail, {"fieldViolations": 7}]}, secret=API_KEY)

    assert told.violations[:2] == (("contents[0]", "Not ***."), ("", "Odd."))
    assert len(told.violations) < 20
    assert api_error(500, {"details": [detail]}).violations == ()


def test_the_upstreams_own_word_is_kept() -> None:
    assert api_error(400, {"status": "INVALID_ARGUMENT"}).upstream_code == "INVALID_ARGUMENT"
    details = [{"reason": "API_KEY_INVALID"}]
    assert api_error(400, {"details": details}).upstream_code == "API_KEY_INVALID"


def test_an_overrun_deadline_after_content_is_a_stall() -> None:
    assert api_error(504, {}, Phase.AFTER_CONTENT).kind is ErrorKind.STALL


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("Logprobs is not enabled for this model.", "logprobs"),
        ("Multiple candidates is not enabled for this model", "n"),
        ("Function calling is not enabled for models/gemma-3-27b-it", "tools"),
        ("Mind reading is not enabled for this model", None),
    ],
)
def test_what_a_model_cannot_do_is_named_so_that_another_may(
    message: str, param: str | None
) -> None:
    told = api_error(400, {"message": message, "status": "INVALID_ARGUMENT"})
    assert (told.kind, told.scope, told.param) == (ErrorKind.UNSUPPORTED, Scope.MODEL, param)
    assert message in told.message
