"""What Gemini's errors mean: status, status word and `details` of an error body -> AdapterError."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx
import orjson

from adapters.errors import AdapterError, ErrorKind, Phase, Scope, first_words, not_promised, unsent
from adapters.events import Json
from adapters.refusals.account import is_of_account, page_refusal, quoted
from adapters.refusals.cannot import lacking
from adapters.refusals.gone import is_gone
from adapters.refusals.length import is_too_long
from adapters.refusals.status import SCOPES_OF_MODELS, USUAL_WORDS, kind_of_status
from adapters.refusals.waits import go_duration_s, retry_after_s

NAME = "gemini"

STATUS_OF_WORD: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
WORDS: Mapping[ErrorKind, str] = {
    **USUAL_WORDS,
    ErrorKind.AUTH: "the API key was refused, or may not do this; check GEMINI_API_KEY",
    ErrorKind.MODEL_MISSING: "there is no such model, or it cannot chat; /v1/models lists them",
    ErrorKind.QUOTA_DAY: "the quota of the day is used up, or there is none for this model",
    ErrorKind.TOO_LARGE: "the request is too large; send smaller files",
}
NOT_OF_THIS_MODEL = re.compile(
    r"([A-Z][a-z]+(?: [a-z]+)?) is not enabled for (?:this model|models/)"
)
PARAM_OF_FEATURE: Mapping[str, str] = {
    "Logprobs": "logprobs",
    "Multiple candidates": "n",
    "Function calling": "tools",
    "Penalty": "frequency_penalty",
    "Thinking": "reasoning_effort",
    "Developer instruction": "messages",
}
NOT_READY = re.compile(r"\bfile\b.*\bACTIVE\b", re.IGNORECASE)
"""A precondition of the request's own: what was uploaded for it is still being read."""
QUOTED = (
    *(ErrorKind.AUTH, ErrorKind.ACCOUNT, ErrorKind.MODEL_MISSING),
    *(ErrorKind.BAD_REQUEST, ErrorKind.UNSUPPORTED, ErrorKind.CONTEXT),
)
MAX_VIOLATIONS = 20
ABSENT = re.compile(r"\b(CachedContent|[Cc]ached content|the File)\b.*\bnot (found|exist)")
"""Of what the request names: the key may do all else, and the model is there."""
BAD_KEY = re.compile(r"API key (not valid|not found|expired|invalid|missing)", re.IGNORECASE)
NO_QUOTA = re.compile(r"\blimit: 0(?![\d.]*[1-9])|\bdoesn't have a free quota tier\b")
EXACT_WAIT = re.compile(r"Please retry in ([\d.]+)s\b")


def refused(message: str, param: str, kind: ErrorKind = ErrorKind.BAD_REQUEST) -> AdapterError:
    """The error of a request that cannot be put into Gemini's words."""
    return unsent(NAME, kind, message, param=param)


def bad_response(message: str, phase: Phase = Phase.BEFORE_CONTENT) -> AdapterError:
    """The error of an answer that is not what the API promises."""
    return not_promised(NAME, message, phase)


def refusal(
    response: httpx.Response, *, secret: str | None = None, now: datetime | None = None
) -> AdapterError:
    """The error that an answer of status 300 or above means; its body has been read."""
    now = now or datetime.now(UTC)
    if page := page_refusal(NAME, response.status_code, response.content):
        return page
    return api_error(
        response.status_code,
        error_body(response.content),
        told_wait_s=retry_after_s(response.headers, now),
        secret=secret,
        now=now,
    )


def error_body(body: bytes) -> Json:
    """The `error` object in a body of any shape: bare, in a list, or behind `data:`; else empty."""
    text = body.strip().removeprefix(b"\xef\xbb\xbf").removeprefix(b"data:")
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    error = value.get("error") if isinstance(value, dict) else None
    return error if isinstance(error, dict) else {}


def api_error(
    status: int | None,
    error: Json,
    phase: Phase = Phase.BEFORE_CONTENT,
    *,
    told_wait_s: float | None = None,
    secret: str | None = None,
    now: datetime | None = None,
) -> AdapterError:
    """The AdapterError that an error object means; `status` is the HTTP status if there was one.

    `told_wait_s` is what a `retry-after` header said, `secret` a text to keep out of the message.
    """
    word = error["status"] if isinstance(error.get("status"), str) else None
    code = status if status and status != 200 else _status(error, word)
    message = first_words(error.get("message"))
    details = list(_details(error))
    kind, lacks = lacking(_kind(code, word, message, details), message)
    if kind is ErrorKind.TIMEOUT_FIRST_BYTE and phase is Phase.AFTER_CONTENT:
        kind = ErrorKind.STALL
    wait_s = _wait_s(kind, message, details, now or datetime.now(UTC))
    return AdapterError(
        kind,
        _message(kind, message, secret),
        provider=NAME,
        status=code,
        retry_after_s=told_wait_s if wait_s is None else wait_s,
        scope=SCOPES_OF_MODELS.get(kind, Scope.REQUEST),
        phase=phase,
        param=_param(message) or (lacks.param if lacks else None),
        upstream_code=_reason(details) or word,
        cannot=lacks,
        violations=tuple(_violations(details, secret)) if kind in QUOTED else (),
    )


def _param(message: str) -> str | None:
    found = NOT_OF_THIS_MODEL.search(message)
    return PARAM_OF_FEATURE.get(found[1]) if found else None


def _status(error: Json, word: str | None) -> int:
    code = error.get("code")
    if isinstance(code, int) and 400 <= code < 600:
        return code
    return STATUS_OF_WORD.get(word or "", 500)


def _details(error: Json) -> Iterator[Json]:
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict):
            yield detail


def _violations(details: list[Json], secret: str | None) -> Iterator[tuple[str, str]]:
    """Fields that were refused, each with the reason."""
    for detail in details:
        told = detail.get("fieldViolations")
        for violation in told[:MAX_VIOLATIONS] if isinstance(told, list) else ():
            match violation:
                case {"description": str(why), **rest}:
                    name = rest.get("field")
                    yield quoted(name if isinstance(name, str) else "", secret), quoted(why, secret)


def _kind(code: int, word: str | None, message: str, details: list[Json]) -> ErrorKind:
    reason = _reason(details) or ""
    match code:
        case 400 if reason == "API_KEY_INVALID" or BAD_KEY.match(message):
            return ErrorKind.AUTH
        case 403 | 404 if ABSENT.search(message):
            return ErrorKind.BAD_REQUEST
        case 400 | 403 if is_gone(message):
            return ErrorKind.MODEL_MISSING
        case 400 | 402 | 403 | 429 | 451 if _is_of_account(code, word, reason, message):
            return ErrorKind.ACCOUNT
        case 400 if is_too_long(message):
            return ErrorKind.CONTEXT  # there is no code for it, only the text tells
        case 400 if NOT_OF_THIS_MODEL.search(message):
            return ErrorKind.UNSUPPORTED
        case 429 if _is_for_a_day(message, details):
            return ErrorKind.QUOTA_DAY
        case _:
            return kind_of_status(code)


def _is_of_account(code: int, word: str | None, reason: str, message: str) -> bool:
    if word == "FAILED_PRECONDITION" and code == 400:
        return not NOT_READY.search(message)
    return is_of_account(code, reason, message)


def _reason(details: list[Json]) -> str | None:
    for detail in details:
        if isinstance(reason := detail.get("reason"), str):
            return reason
    return None


def _is_for_a_day(message: str, details: list[Json]) -> bool:
    """Several limits may be broken at once; the longest wait counts, so any of a day does.

    "limit: 0" says that the model is not in the plan at all: waiting a minute never helps.
    """
    for detail in details:
        violations = detail.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, Mapping) and (
                "PerDay" in str(violation.get("quotaId")) or violation.get("quotaValue") == "0"
            ):
                return True
    return NO_QUOTA.search(message) is not None


def _wait_s(kind: ErrorKind, message: str, details: list[Json], now: datetime) -> float | None:
    """Seconds to wait, None if not stated.

    A day's quota comes back at midnight, Pacific time; the RetryInfo beside it tells of a minute.
    """
    if kind is ErrorKind.QUOTA_DAY:
        return _until_pacific_midnight_s(now)
    for detail in details:
        if (delay_s := _duration_s(detail.get("retryDelay"))) is not None:
            # RetryInfo is floored to seconds, the text has the fraction.
            exact = EXACT_WAIT.search(message)
            exact_s = _duration_s(f"{exact[1]}s") if exact else None
            is_finer = exact_s is not None and delay_s <= exact_s < delay_s + 1
            return exact_s if is_finer else delay_s
    return None


def _duration_s(value: Any) -> float | None:
    """Seconds of protobuf's Duration as JSON has it ("26.123s")."""
    return go_duration_s(value) if isinstance(value, str) else None


def _until_pacific_midnight_s(now: datetime) -> float:
    try:
        zone: ZoneInfo | timezone = ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:  # no time zones on this machine: at most an hour late
        zone = timezone(timedelta(hours=-8))
    tomorrow = now.astimezone(zone) + timedelta(days=1)
    midnight = tomorrow.replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight.astimezone(UTC) - now).total_seconds()


def _message(kind: ErrorKind, message: str, secret: str | None) -> str:
    """Our words; for a request that Google refused, its own, since they name what is at fault."""
    words = WORDS[kind]
    if kind not in QUOTED or not message:
        return words
    return f"{words}: {quoted(message, secret)}"
