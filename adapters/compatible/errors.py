"""What the body and headers of a refusal say, as OpenAI and those who speak like it write them.

Sources: console.groq.com/docs/errors and /rate-limits; platform.openai.com/docs/guides/error-codes;
refusals as people have reported them. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson

from adapters.base import AdapterError, ErrorKind, Json, Phase, Scope
from adapters.compatible.limits import PER_DAY, LimitHeaders
from adapters.errors import first_words
from adapters.refusals.account import BARRING_STATUS, is_of_account, kind_of_page, page_title, told
from adapters.refusals.cannot import is_unsupported, lacking
from adapters.refusals.content import CODE, is_of_content
from adapters.refusals.gone import is_denied, is_gone
from adapters.refusals.length import is_too_long
from adapters.refusals.quotas import is_of_a_day, is_spent
from adapters.refusals.status import SCOPES, kind_of_status
from adapters.refusals.waits import (
    DAY_S,
    HOUR_S,
    MONTH_S,
    field_s,
    go_duration_s,
    reset_s,
    retry_after_s,
    told_s,
)

LONGEST_MINUTE_WAIT_S = 300.0
"""No limit per minute makes anyone wait longer, so what is longer is a limit per day."""

MAX_MESSAGE = 500
MAX_FIELDS = 20
MAX_WITHIN = 4
WORDS = (
    *("message", "Message", "msg", "messages", "error_msg", "error_message", "errorMessage"),
    *("error_description", "description", "detail", "reason", "text", "title", "error", "errors"),
)
"""Where houses write what is wrong, the best first."""
CODES_OF_ANSWERS = ("tool_use_failed", "json_validate_failed")
STATUS_OF_CODE: Mapping[str, int] = {
    "rate_limit_exceeded": 429,
    "invalid_api_key": 401,
    "model_not_found": 404,
    "over_capacity": 503,
    "insufficient_quota": 429,
    "RESOURCE_EXHAUSTED": 429,
    "rate_limit_error": 429,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "overloaded_error": 529,
    "invalid_request_error": 400,
}
"""Also by types and status words, which other protocols have in a code's place."""
_MAYBE_GONE = (400, 401, 403, 422)
_MAYBE_ACCOUNT = (*(ErrorKind.AUTH, ErrorKind.BAD_REQUEST, ErrorKind.RATE_LIMIT, ErrorKind.SERVER),)
_MAYBE_SPENT = (ErrorKind.AUTH, ErrorKind.BAD_REQUEST)
_MAYBE_TOO_LONG = (
    *(ErrorKind.BAD_REQUEST, ErrorKind.TOO_LARGE, ErrorKind.MALFORMED_ANSWER, ErrorKind.SERVER),
)
_WAITING = (ErrorKind.RATE_LIMIT, ErrorKind.QUOTA_DAY, ErrorKind.OVERLOADED, ErrorKind.SERVER)
_PER_MINUTE = re.compile(r"per (?:minute|hour)|\((?:RPM|TPM|ASH)\)", re.ASCII)
_WRONG_KEY = re.compile(r"\b(?:incorrect|invalid) api key|\bapi key not valid", re.IGNORECASE)
_TOO_OFTEN = re.compile(
    r"\brate limit exceeded|\bconcurrency limit exceeded|\brate increased too quickly",
    re.IGNORECASE,
)
_LOADING = re.compile(
    r"\b(?:still )?loading (?:the )?model\b|\bis (?:being |currently )?load", re.IGNORECASE
)
_BROKEN = re.compile(
    r"\bmodel has crashed|\bfailed to load( the)? model|\bmodel (was |is )?unloaded"
    r"|\bDEGRADED function|\bendpoint is (unavailable|paused)",
    re.IGNORECASE,
)
"""LM Studio's and NVIDIA's, with status 400."""
_LACKS = re.compile(
    r"\binput is not supported|\bunsupported param|\brequires? --jinja", re.IGNORECASE
)
"""llama.cpp's, with status 500."""
_NO_HOUSE = re.compile(r"\bno endpoints? found that\b", re.IGNORECASE)
"""OpenRouter's, with status 404: the model is there, but at nobody who can do what is asked."""
_UNREADABLE_CALL = re.compile(r"\berror parsing tool call\b", re.IGNORECASE)
_UNAFFORDABLE = re.compile(r"\bcan only afford \d{4,}", re.IGNORECASE)
_REASONING_PARAM = re.compile(r"\b(reasoning_effort|reasoning_format|include_reasoning)\b")
_STATUS = re.compile(r"[45]\d\d", re.ASCII)
_KEY = re.compile(r"\b(gsk_|sk-|xai-|nvapi-|hf_|csk-|fw_|gh[ps]_|github_pat_)[\w-]+", re.ASCII)


_SAID = ("message", "code", "type", "param")


def error_object(content: bytes) -> Json:
    """The `error` of a body; message, code, type and param are texts, empty where it has none.

    FastAPI's servers have `detail`, some have the message itself there, some no wrapping at all,
    or a line of text. A list of what is wrong with which field, as pydantic gives it, becomes the
    message.
    """
    error = _object(content)
    return error | {name: first_words(error.get(name)) for name in _SAID}


def _object(content: bytes) -> Json:
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        line = content[: MAX_MESSAGE + 1].strip().decode("ascii", "replace")
        is_line = line.isprintable() and len(content) <= MAX_MESSAGE and line[:1] != "<"
        return {"message": line} if line and line.isascii() and is_line else {}
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if not isinstance(body, dict):
        return {}
    error = body.get("error", body.get("detail", body))
    error = error if isinstance(error, dict) else body
    words = _words(error) or _words(body)
    match error:
        case {"metadata": {"raw": str(raw)}} if raw:  # what the house behind OpenRouter says
            told = _object(raw.encode("utf-8", "replace")).get("message")
            words = f"{words}: {told}" if told else words
    return {**error, "message": words} if words else error


def _words(value: Any, within: int = MAX_WITHIN) -> str:
    """What is wrong, wherever it stands; of a list each, with the field at fault."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and within:
        found = (_words(value[name], within - 1) for name in WORDS if name in value)
        words = next(filter(None, found), "")
        at = value.get("loc")
        return (
            f"{'.'.join(map(str, at))}: {words}" if words and at and isinstance(at, list) else words
        )
    if isinstance(value, list) and within:
        return "; ".join(filter(None, (_words(one, within - 1) for one in value[:MAX_FIELDS])))
    return ""


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def status_of(error: Json) -> int:
    """The status that an error inside an answer of status 200 would have had."""
    for status in (error.get("status_code"), error.get("http_code"), error.get("code")):
        told = int(status) if type(status) is str and _STATUS.fullmatch(status) else status
        if type(told) is int and 400 <= told < 600:
            return told
    words = (text_of(error.get(name)) for name in ("code", "status", "type"))
    return next((STATUS_OF_CODE[word] for word in words if word in STATUS_OF_CODE), 500)


def _kind_of_code(error: Json) -> ErrorKind | None:
    """The kind that a code, or words in place of one, show more exactly than the status does."""
    code, message = error["code"], error["message"]
    # What the model wrote instead:
    if code in CODES_OF_ANSWERS or "failed_generation" in error or _UNREADABLE_CALL.search(message):
        return ErrorKind.MALFORMED_ANSWER
    if code == "context_length_exceeded":
        return ErrorKind.CONTEXT
    if code == "insufficient_quota":
        return ErrorKind.ACCOUNT
    if code == "invalid_api_key":
        return ErrorKind.AUTH
    # not_found, decommissioned, terms_required, permission_blocked… but of a gateway:
    if code.startswith("model_") and code != "model_cooldown":
        return ErrorKind.MODEL_MISSING
    return ErrorKind.SERVER if _BROKEN.search(message) else None


@dataclass(frozen=True, slots=True)
class House:
    """Who refuses: the kind's name, what people call it, the variable and the secret of its key.

    `limits` are its headers for them, `unprocessable` what its 422 means.
    """

    provider: str
    says: str
    key_name: str
    secret: str = ""
    limits: LimitHeaders = PER_DAY
    unprocessable: ErrorKind = ErrorKind.BAD_REQUEST


def refusal(house: House, response: httpx.Response, phase: Phase) -> AdapterError:
    """The error that a refusal means."""
    status = response.status_code
    by_class = house.unprocessable if status == 422 else _kind_of_status(status)
    error = error_object(response.content)
    now = datetime.now(UTC)
    kind, lacks = lacking(_kind(by_class, error, response, now, house.limits), error["message"])
    is_barred = status in BARRING_STATUS and kind is ErrorKind.BAD_REQUEST
    wait = None
    if kind in _WAITING:
        is_day = kind is ErrorKind.QUOTA_DAY
        wait = wait_s(error, response.headers, now, house.limits, a_day=is_day)
    return AdapterError(
        kind,
        _message(kind, error, response, house),
        provider=house.provider,
        status=status,
        retry_after_s=wait,
        scope=SCOPES.get(kind, Scope.REQUEST),
        phase=phase,
        param=_param(error) or (lacks.param if lacks else None),
        upstream_code=CODE if is_barred else error["code"] or None,
        cannot=lacks,
    )


def _kind(
    by_class: ErrorKind,
    error: Json,
    response: httpx.Response,
    now: datetime,
    limits: LimitHeaders,
) -> ErrorKind:
    message, status = error["message"], response.status_code
    if by_class in _MAYBE_TOO_LONG and is_too_long(message):
        return ErrorKind.CONTEXT
    if kind := _kind_of_code(error) or _kind_of_words(by_class, status, message):
        return kind
    kind = by_class
    if kind is ErrorKind.RATE_LIMIT and is_of_a_day(message) and told_s(message, now) is not None:
        return ErrorKind.QUOTA_DAY  # whatever its code says of the account
    if kind in _MAYBE_ACCOUNT and _is_of_account(status, error, message):
        return ErrorKind.ACCOUNT
    if kind in _MAYBE_SPENT and is_spent(message):
        return ErrorKind.QUOTA_DAY
    if (of_page := kind_of_page(status)) and page_title(response.content) is not None:
        return of_page
    if kind is ErrorKind.RATE_LIMIT and is_day_quota(error, response.headers, now, limits):
        return ErrorKind.QUOTA_DAY
    if kind is ErrorKind.OVERLOADED and _LOADING.search(message):
        return ErrorKind.LOADING
    return ErrorKind.UNSUPPORTED if status == 422 and is_unsupported(message) else kind


def _kind_of_status(status: int) -> ErrorKind:
    """A timeout is as often one of a gateway before the server: asked again, it may answer."""
    kind = kind_of_status(status)
    return ErrorKind.SERVER if kind is ErrorKind.TIMEOUT_FIRST_BYTE else kind


def _kind_of_words(by_class: ErrorKind, status: int, message: str) -> ErrorKind | None:
    """The kind that words show more exactly than the status does, whatever the account is."""
    if by_class is ErrorKind.BAD_REQUEST and _WRONG_KEY.search(message):
        return ErrorKind.AUTH  # at xAI
    if by_class in (ErrorKind.BAD_REQUEST, ErrorKind.SERVER) and _TOO_OFTEN.search(message):
        return ErrorKind.RATE_LIMIT
    says_gone = is_gone if status in _MAYBE_GONE else is_denied
    if status in (*_MAYBE_GONE, 429) and says_gone(message):
        return ErrorKind.MODEL_MISSING
    if status in BARRING_STATUS and is_of_content(message):
        return ErrorKind.BAD_REQUEST
    is_lacking = status == 500 and _LACKS.search(message) is not None
    is_lacking |= status == 410 and message != "" and "model" not in message.lower()  # xAI's search
    if is_lacking or (status == 404 and _NO_HOUSE.search(message)):
        return ErrorKind.UNSUPPORTED
    return ErrorKind.TOO_LARGE if status == 402 and _UNAFFORDABLE.search(message) else None


def _is_of_account(status: int, error: Json, message: str) -> bool:
    """By its code, its type, which gateways have in its place, or its words."""
    return is_of_account(status, error["code"], message) or is_of_account(None, error["type"], "")


def _message(kind: ErrorKind, error: Json, response: httpx.Response, house: House) -> str:
    """What the house says, without the key, on one line and not too long."""
    message = " ".join(error["message"].split())
    if house.secret:
        message = message.replace(house.secret, "***")
    message = _KEY.sub("***", message)[:MAX_MESSAGE]
    if kind is ErrorKind.AUTH:
        words = f" ({house.says} says: {message})" if message else ""
        return f"the API key was refused; check {house.key_name}{words}"
    title = page_title(response.content)
    if kind is ErrorKind.ACCOUNT or (kind is ErrorKind.BAD_RESPONSE and title is not None):
        return told(response.status_code, message, title)
    return message or f"status {response.status_code} without a reason"


def _param(error: Json) -> str | None:
    """OpenAI's name of the parameter at fault: as stated, or as the text quotes it."""
    param = error["param"]
    message = error["message"]
    if not param and ("response_format" in message or "response format" in message):
        return "response_format"
    if not param and "tool calling" in message:
        return "tools"
    if not param and (found := _REASONING_PARAM.search(message)):
        return found[1]
    return param or None


def is_day_quota(
    error: Json, headers: httpx.Headers, now: datetime, limits: LimitHeaders = PER_DAY
) -> bool:
    """True where a limit per day is used up, so that waiting a minute would not help."""
    message = error["message"]
    if is_of_a_day(message) or "PerDay" in str(error.get("details", "")):  # Google's `quotaId`
        return True
    waits = _told_s(error, headers, now, cap_s=2 * MONTH_S)
    if _PER_MINUTE.search(message) or (waits is not None and waits <= LONGEST_MINUTE_WAIT_S):
        return False
    if limits.is_of_a_day and headers.get(limits.remaining_requests) == "0":
        return True
    return waits is not None and waits <= MONTH_S


def wait_s(
    error: Json,
    headers: httpx.Headers,
    now: datetime,
    limits: LimitHeaders = PER_DAY,
    *,
    a_day: bool,
) -> float | None:
    """Seconds to wait: from `retry-after`, from the text, or from the limit that is used up."""
    cap_s = DAY_S if a_day else HOUR_S
    told = _told_s(error, headers, now, cap_s=cap_s)
    if told is not None:
        return told
    for left, reset in (
        (limits.remaining_requests, limits.reset_requests),
        (limits.remaining_tokens, limits.reset_tokens),
    ):
        if headers.get(left) == "0":
            return go_duration_s(headers.get(reset, "") + limits.unit, cap_s=cap_s)
    return None


def _told_s(error: Json, headers: httpx.Headers, now: datetime, *, cap_s: float) -> float | None:
    """The wait that is told: by `retry-after`, in words, or as a time, which OpenRouter repeats."""
    told = retry_after_s(headers, now, cap_s=cap_s)
    if told is None:
        told = told_s(error["message"], now, cap_s=cap_s)
    if told is None:
        told = field_s(error, now, cap_s=cap_s)
    if told is None:
        told = reset_s(headers, now, cap_s=cap_s)
    match error.get("metadata"):
        case {"headers": dict(repeated)} if told is None:
            named = {name.lower(): value for name, value in repeated.items()}
            return reset_s(named, now, cap_s=cap_s)
        case dict(metadata) if told is None:
            return field_s(metadata, now, cap_s=cap_s)
    return told
