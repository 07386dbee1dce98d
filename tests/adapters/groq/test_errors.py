"""What Groq's refusals mean, and how long they say to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from adapters.base import AdapterError, ErrorCode, ErrorKind, Json, Scope
from adapters.refusals.waits import DAY_S, HOUR_S
from tests.adapters.groq.kit import GroqKit
from tests.adapters.kit import API_KEY, Reply, a_request, failure, json_reply

pytestmark = pytest.mark.anyio

REQUEST = httpx.Request("POST", "https://groq.example/x")


async def refused(status: int, error: Json | None = None, **headers: str) -> AdapterError:
    body = {"error": error if error is not None else {"message": "No.", "type": "t"}}
    return await failure(GroqKit(), json_reply(body, status, **headers), a_request(GroqKit()))


KINDS = [
    (400, {"code": "model_decommissioned"}, ErrorKind.MODEL_MISSING, Scope.MODEL),
    (400, {"code": "context_length_exceeded"}, ErrorKind.CONTEXT, Scope.REQUEST),
    (400, {"code": "json_validate_failed"}, ErrorKind.MALFORMED_ANSWER, Scope.REQUEST),
    (400, {"code": "tool_use_failed"}, ErrorKind.MALFORMED_ANSWER, Scope.REQUEST),
    (400, {"code": "new", "failed_generation": ""}, ErrorKind.MALFORMED_ANSWER, Scope.REQUEST),
    (400, {"code": "property_unknown"}, ErrorKind.BAD_REQUEST, Scope.REQUEST),
    (400, {"code": 7, "param": 8}, ErrorKind.BAD_REQUEST, Scope.REQUEST),
    (400, {"message": "not supported with this model"}, ErrorKind.UNSUPPORTED, Scope.REQUEST),
    (401, {"code": "invalid_api_key"}, ErrorKind.AUTH, Scope.KEY),
    (403, {"code": "model_permission_blocked_org"}, ErrorKind.MODEL_MISSING, Scope.MODEL),
    (403, {}, ErrorKind.AUTH, Scope.KEY),
    (403, {"message": "Access denied. Check your network."}, ErrorKind.ACCOUNT, Scope.PROVIDER),
    (400, {"code": "blocked_api_access"}, ErrorKind.ACCOUNT, Scope.PROVIDER),
    (400, {"code": "organization_restricted"}, ErrorKind.ACCOUNT, Scope.PROVIDER),
    (402, {"message": "A payment is overdue."}, ErrorKind.ACCOUNT, Scope.PROVIDER),
    (403, {"message": "Forbidden"}, ErrorKind.ACCOUNT, Scope.PROVIDER),
    (403, {"message": "Invalid API key provided"}, ErrorKind.AUTH, Scope.KEY),
    (400, {"message": "The model `x` has been deprecated."}, ErrorKind.MODEL_MISSING, Scope.MODEL),
    (403, {"message": "The model `x` does not exist"}, ErrorKind.MODEL_MISSING, Scope.MODEL),
    (422, {"message": "model 'x' not found"}, ErrorKind.MODEL_MISSING, Scope.MODEL),
    (404, {"code": "model_not_found"}, ErrorKind.MODEL_MISSING, Scope.MODEL),
    (408, {}, ErrorKind.SERVER, Scope.PROVIDER),
    (409, {}, ErrorKind.BAD_REQUEST, Scope.REQUEST),
    (413, {"code": "rate_limit_exceeded", "type": "tokens"}, ErrorKind.TOO_LARGE, Scope.REQUEST),
    (422, {}, ErrorKind.MALFORMED_ANSWER, Scope.REQUEST),
    (424, {}, ErrorKind.SERVER, Scope.PROVIDER),
    (429, {"code": "rate_limit_exceeded"}, ErrorKind.RATE_LIMIT, Scope.MODEL),
    (498, {"code": "capacity_exceeded"}, ErrorKind.OVERLOADED, Scope.PROVIDER),
    (500, {}, ErrorKind.SERVER, Scope.PROVIDER),
    (503, {}, ErrorKind.OVERLOADED, Scope.PROVIDER),
    (504, {}, ErrorKind.SERVER, Scope.PROVIDER),
    (302, {}, ErrorKind.BAD_RESPONSE, Scope.PROVIDER),
]  # fmt: skip


@pytest.mark.parametrize(("status", "error", "kind", "scope"), KINDS)
async def test_a_refusal_has_the_kind_that_status_and_code_tell(
    status: int, error: Json, kind: ErrorKind, scope: Scope
) -> None:
    found = await refused(status, error)
    assert (found.kind, found.scope, found.status) == (kind, scope, status)


async def test_a_refusal_keeps_what_groq_says() -> None:
    error = {"message": "x is\n too big", "code": "too_big", "param": "x"}
    found = await refused(400, error)
    assert (found.message, found.upstream_code, found.param) == ("x is too big", "too_big", "x")


async def test_a_long_message_is_cut_and_any_groq_key_masked() -> None:
    found = await refused(400, {"message": f"{API_KEY} gsk_abc123 " + "x" * 9000})
    assert found.message.startswith("*** *** xxx")
    assert len(found.message) == 500


WAITS = [
    ({"retry_after": "2"}, "", 2.0),
    ({"retry_after": "1.5"}, "", 1.5),
    ({"retry_after_ms": "250"}, "", 0.25),
    ({"retry_after": "1e9"}, "", HOUR_S),
    ({"retry_after": "-5"}, "", None),
    ({"retry_after": "soon"}, "Please try again in 4.5s. More.", 4.5),
    ({}, "Please try again in 1m0.36s.", 60.36),
    ({}, "Please try again in 380ms.", 0.38),
    ({}, "Please try again in a while", None),
    ({"x_ratelimit_remaining_tokens": "0", "x_ratelimit_reset_tokens": "7.66s"}, "", 7.66),
    ({"x_ratelimit_remaining_tokens": "5", "x_ratelimit_reset_tokens": "7.66s"}, "", None),
    ({"retry_after": "3", "x_ratelimit_remaining_tokens": "0"}, "try again in 9s", 3.0),
]


@pytest.mark.parametrize(("headers", "message", "wait"), WAITS)
async def test_the_wait_is_read_where_groq_tells_it(
    headers: dict[str, str], message: str, wait: float | None
) -> None:
    found = await refused(429, {"message": message}, **headers)
    assert (found.kind, found.retry_after_s) == (ErrorKind.RATE_LIMIT, pytest.approx(wait))


async def test_a_date_in_retry_after_is_a_wait() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True)
    found = await refused(429, retry_after=date)
    assert found.retry_after_s is not None
    assert 90 < found.retry_after_s <= 120


async def test_the_limit_that_the_text_names_wins_over_the_headers() -> None:
    spent = {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "3s"}
    per_minute = {"message": "tokens per minute (TPM): Limit 6000. Please try again in 3s."}
    for error in (per_minute, {"message": "Please try again in 3s."}):
        found = await refused(429, error, **spent)
        assert (found.kind, found.retry_after_s) == (ErrorKind.RATE_LIMIT, 3)


@pytest.mark.parametrize("status", [402, 403, 451])
async def test_a_web_page_in_place_of_an_answer_says_nothing_of_the_key(status: int) -> None:
    page = b"<!DOCTYPE html><html><head><title>Just a\n moment</title></head></html>"
    reply = Reply((page,), content_type="text/html", status=status)
    found = await failure(GroqKit(), reply, a_request(GroqKit()))
    assert (found.kind, found.scope) == (ErrorKind.ACCOUNT, Scope.PROVIDER)
    assert found.message.endswith(": Just a moment")


@pytest.mark.parametrize("line", [b"error code: 1020", b"<!--[if lt IE 7]>", b"<?xml ?><html>"])
async def test_what_a_network_between_says_in_another_form_is_not_the_keys_either(
    line: bytes,
) -> None:
    reply = Reply((line,), content_type="text/plain", status=403)
    found = await failure(GroqKit(), reply, a_request(GroqKit()))
    assert (found.kind, found.scope) == (ErrorKind.ACCOUNT, Scope.PROVIDER)


@pytest.mark.parametrize("status", [405, 406, 407, 421])
async def test_a_web_page_that_refuses_is_not_the_requests_fault(status: int) -> None:
    page = b"<html><head><title>Not allowed</title></head><hr>cloudflare</html>"
    reply = Reply((page,), content_type="text/html", status=status)
    found = await failure(GroqKit(), reply, a_request(GroqKit()))
    assert (found.kind, found.scope) == (ErrorKind.BAD_RESPONSE, Scope.PROVIDER)
    assert found.message.endswith(": Not allowed")


DAYS = [
    ({}, "on tokens per day (TPD): Limit 100000. Please try again in 9m38.016s.", 578.016),
    ({}, "on requests per day (RPD): Limit 1000. Please try again in 1m26.4s.", 86.4),
    ({"retry_after": "7200"}, "", 7200.0),
    ({"retry_after": "90000"}, "", 90_000.0),
    ({"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "2h0m0s"}, "", 7200.0),
    ({"retry_after": "1e9"}, "(RPD)", DAY_S),
]


@pytest.mark.parametrize(("headers", "message", "wait"), DAYS)
async def test_a_spent_day_is_told_from_a_spent_minute(
    headers: dict[str, str], message: str, wait: float
) -> None:
    found = await refused(429, {"message": message}, **headers)
    assert found.kind is ErrorKind.QUOTA_DAY
    assert found.code is ErrorCode.RATE_LIMIT_EXCEEDED
    assert found.retry_after_s == pytest.approx(wait)


@pytest.mark.parametrize("status", [400, 401, 404, 413])
async def test_only_what_passes_by_itself_has_a_wait(status: int) -> None:
    error = {"message": "Please try again in 5s.", "code": "rate_limit_exceeded"}
    assert (await refused(status, error, retry_after="5")).retry_after_s is None


@pytest.mark.parametrize("status", [498, 500, 503, 504])
async def test_a_busy_server_may_tell_a_wait(status: int) -> None:
    assert (await refused(status, {}, retry_after="5")).retry_after_s == 5
