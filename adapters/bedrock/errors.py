"""What Bedrock's errors mean: the name of an exception, a status, a message -> AdapterError. Pure.

Sources: the API reference (Converse, "Common errors"), and refusals as people have reported them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson

from adapters.bedrock.settings import KIND
from adapters.errors import AdapterError, ErrorKind, Phase, Scope, first_words, not_promised
from adapters.events import Json
from adapters.refusals.account import is_of_account, page_refusal, quoted
from adapters.refusals.cannot import lacking
from adapters.refusals.length import is_too_long
from adapters.refusals.status import SCOPES_OF_MODELS, USUAL_WORDS, kind_of_status
from adapters.refusals.waits import retry_after_s

KIND_OF_NAME: Mapping[str, ErrorKind] = {
    "AccessDeniedException": ErrorKind.AUTH,
    "ExpiredTokenException": ErrorKind.ACCOUNT,
    "IncompleteSignatureException": ErrorKind.AUTH,
    "InternalServerException": ErrorKind.SERVER,
    "InvalidSignatureException": ErrorKind.AUTH,
    "MissingAuthenticationTokenException": ErrorKind.AUTH,
    "ModelErrorException": ErrorKind.SERVER,
    "ModelNotReadyException": ErrorKind.OVERLOADED,
    "ModelStreamErrorException": ErrorKind.SERVER,
    "ModelTimeoutException": ErrorKind.TIMEOUT_FIRST_BYTE,
    "OptInRequiredException": ErrorKind.ACCOUNT,
    "RequestEntityTooLargeException": ErrorKind.TOO_LARGE,
    "RequestExpiredException": ErrorKind.ACCOUNT,
    "ResourceNotFoundException": ErrorKind.MODEL_MISSING,
    "ServiceQuotaExceededException": ErrorKind.RATE_LIMIT,
    "ServiceUnavailableException": ErrorKind.OVERLOADED,
    "ThrottlingException": ErrorKind.RATE_LIMIT,
    "TooManyRequestsException": ErrorKind.RATE_LIMIT,
    "UnrecognizedClientException": ErrorKind.AUTH,
    "ValidationException": ErrorKind.BAD_REQUEST,
}
_STATUS_OF_NAME: Mapping[str, int] = {
    "InternalServerException": 500,
    "ModelStreamErrorException": 424,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "ValidationException": 400,
}
"""Of those that come inside a stream: the status that they would have had."""
_SCOPES: Mapping[ErrorKind, Scope] = {**SCOPES_OF_MODELS, ErrorKind.SERVER: Scope.MODEL}
WORDS: Mapping[ErrorKind, str] = {
    **USUAL_WORDS,
    ErrorKind.AUTH: "AWS refused the credentials; check BEDROCK_API_KEY, or your login to AWS",
    ErrorKind.ACCOUNT: "AWS refused the account or its login",
    ErrorKind.MODEL_MISSING: "there is no such model, or not for this account and region",
    ErrorKind.RATE_LIMIT: "the account's rate for this model is reached; try again later",
    ErrorKind.QUOTA_DAY: "the account's tokens of the day for this model are used up",
}
_SILENT = frozenset({ErrorKind.SERVER, ErrorKind.BAD_RESPONSE})
"""Of these the message is nobody's business."""
_NO_MODEL = re.compile(
    r"model identifier is invalid|could not resolve the foundation model|end of its life"
    r"|on-demand throughput isn.t supported|access to (the|this) model|model access is denied"
    r"|use case details|not authorized to perform: bedrock:\w+ on resource|legacy model"
    r"|don.t have access to (this|the) model",
    re.IGNORECASE,
)
_KEY = re.compile(r"authentication failed|bearer token|api key|security token", re.IGNORECASE)
_CLOCK = re.compile(r"signature (expired|not yet current)", re.IGNORECASE)
_PER_DAY = re.compile(r"per day|daily", re.IGNORECASE)
_ACCOUNT_ID = re.compile(r"(?<!\d)\d{12}(?!\d)")
_PRINCIPAL = re.compile(r"\b(user|principal): arn:\S+", re.IGNORECASE)


def is_of_key(message: str) -> bool:
    """Whether it is the key itself that was refused, and not what it may not do."""
    return _KEY.search(message) is not None


def bad_response(message: str, phase: Phase = Phase.BEFORE_CONTENT) -> AdapterError:
    """The error of an answer that is not what the API promises."""
    return not_promised(KIND, message, phase)


def refusal(
    response: httpx.Response, *, secret: str = "", now: datetime | None = None
) -> AdapterError:
    """The error that an answer of status 300 or above means; its body has been read."""
    status = response.status_code
    if page := page_refusal(KIND, status, response.content):
        return page
    body = _body(response.content)
    name = response.headers.get("x-amzn-errortype") or body.get("__type") or body.get("code")
    return failure(
        _bare(name),
        first_words(body.get("message") or body.get("Message")),
        status,
        told_wait_s=retry_after_s(response.headers, now or datetime.now(UTC)),
        secret=secret,
    )


def stream_failure(name: str, payload: bytes, phase: Phase, *, secret: str = "") -> AdapterError:
    """What an exception inside a stream means, which is named in lower case there."""
    bare = name[:1].upper() + name[1:]
    body = _body(payload)
    status = _STATUS_OF_NAME.get(bare, 500)
    message = first_words(body.get("message") or body.get("originalMessage"))
    return failure(_bare(bare), message, status, phase, secret=secret)


def failure(
    name: str,
    message: str,
    status: int,
    phase: Phase = Phase.BEFORE_CONTENT,
    *,
    told_wait_s: float | None = None,
    secret: str = "",
) -> AdapterError:
    """The AdapterError that an exception of this name and message means."""
    kind, lacks = lacking(_kind(name, message, status), message)
    if kind is ErrorKind.TIMEOUT_FIRST_BYTE and phase is Phase.AFTER_CONTENT:
        kind = ErrorKind.STALL
    shown = WORDS[kind]
    if message and kind not in _SILENT:
        words = _PRINCIPAL.sub(r"\1: ***", quoted(message, secret or None))
        shown = f"{shown}: {_ACCOUNT_ID.sub('***', words)}"
    return AdapterError(
        kind,
        shown,
        provider=KIND,
        status=status,
        retry_after_s=told_wait_s,
        scope=_SCOPES.get(kind, Scope.REQUEST),
        phase=phase,
        param=lacks.param if lacks else None,
        upstream_code=name or None,
        cannot=lacks,
    )


def _kind(name: str, message: str, status: int) -> ErrorKind:
    """Bedrock has one name for many things: what is missing, and for whom, only the text says."""
    kind = KIND_OF_NAME.get(name) or kind_of_status(status)
    match kind:
        case ErrorKind.RATE_LIMIT if _PER_DAY.search(message):
            return ErrorKind.QUOTA_DAY
        case ErrorKind.AUTH | ErrorKind.BAD_REQUEST | ErrorKind.MODEL_MISSING:
            return _kind_by_words(kind, message, status)
    return kind


def _kind_by_words(kind: ErrorKind, message: str, status: int) -> ErrorKind:
    if _NO_MODEL.search(message):
        return ErrorKind.MODEL_MISSING
    match kind:
        case ErrorKind.BAD_REQUEST if is_too_long(message):
            return ErrorKind.CONTEXT
        case ErrorKind.BAD_REQUEST if message.strip(" .") == "Operation not allowed":
            return ErrorKind.ACCOUNT
        case ErrorKind.AUTH if _CLOCK.search(message):
            return ErrorKind.ACCOUNT
        case ErrorKind.AUTH if is_of_key(message):
            return kind
    return ErrorKind.ACCOUNT if is_of_account(status, "", message) else kind


def _body(content: bytes) -> Json:
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _bare(name: Any) -> str:
    """`ThrottlingException` of `com.amazon.coral#ThrottlingException:http://…`."""
    return _text(name).partition(":")[0].rpartition("#")[2]
