"""Ollama's errors: a status and a plain sentence, of which the sentence is often the only sign."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import httpx
import orjson

from adapters.errors import AdapterError, Cannot, ErrorKind, Phase, Scope, first_words
from adapters.refusals.account import is_of_account, page_refusal, quoted
from adapters.refusals.cannot import cannot
from adapters.refusals.gone import is_gone
from adapters.refusals.length import is_too_long
from adapters.refusals.status import SCOPES, kind_of_status
from adapters.refusals.waits import retry_after_s

NAME = "ollama"
UNTIL_PULLED_S = 10.0
"""A model that is missing may be pulled at any moment, and to ask for it costs nothing."""
WEEK_S, SESSION_S = 6 * 3600.0, 3600.0
"""How long a quota of the cloud's is left alone that does not say when it comes back."""
_CLOUD_MODEL = re.compile(r".*[:-]cloud")
_QUOTA = re.compile(r"\b(usage limit|quota|extra usage)\b")
_LONG = re.compile(r"(dai|day|week|month)\w*")
CURE = "is Ollama running? start it with `ollama serve`"


class _Meaning(NamedTuple):
    kind: ErrorKind
    param: str | None = None


# In this order: the server's own words (server/routes.go, sched.go, prompt.go; Ollama Cloud).
_MEANING_OF_WORDS: Mapping[str, _Meaning] = {
    "does not support tools": _Meaning(ErrorKind.UNSUPPORTED, "tools"),
    "does not support thinking": _Meaning(ErrorKind.UNSUPPORTED, "reasoning_effort"),
    "does not support insert": _Meaning(ErrorKind.UNSUPPORTED, "suffix"),
    "does not support": _Meaning(ErrorKind.UNSUPPORTED, "model"),
    "data required for image input": _Meaning(ErrorKind.UNSUPPORTED, "messages"),
    "think value": _Meaning(ErrorKind.BAD_REQUEST, "reasoning_effort"),
    "server busy": _Meaning(ErrorKind.OVERLOADED),
}
# Only where no status tells it: in a line of a stream that began with 200.
_MEANING_IN_STREAM: Mapping[str, _Meaning] = {
    "try pulling it": _Meaning(ErrorKind.MODEL_MISSING, "model"),
    "unauthorized": _Meaning(ErrorKind.AUTH),
    "too many requests": _Meaning(ErrorKind.RATE_LIMIT),
    "rate limit": _Meaning(ErrorKind.RATE_LIMIT),
}
_NEWER_WANTED = 412
_SCOPE_OF_KIND: Mapping[ErrorKind, Scope] = {
    **SCOPES,
    ErrorKind.QUOTA_DAY: Scope.PROVIDER,
    ErrorKind.RATE_LIMIT: Scope.PROVIDER,
    ErrorKind.TIMEOUT_FIRST_BYTE: Scope.PROVIDER,
    ErrorKind.UNSUPPORTED: Scope.MODEL,
    ErrorKind.SERVER: Scope.MODEL,  # a runner that broke is one model's; others may run
}


def error_text(body: bytes) -> str:
    """The sentence in `{"error": "…"}` or `{"error": {"message": "…"}}`; empty if there is none."""
    try:
        error = orjson.loads(body)["error"]
    except (ValueError, KeyError, TypeError, IndexError):
        return ""
    if isinstance(error, dict):
        error = error.get("message")
    return first_words(error)


def refusal_error(
    text: str,
    status: int | None,
    *,
    model: str,
    secret: str = "",
    retry_after_s: float | None = None,
    phase: Phase = Phase.BEFORE_CONTENT,
) -> AdapterError:
    """The AdapterError that Ollama's `text` means; `status` is None in a stream that began well.

    What the cloud refuses behind a local server is that model's alone: the others go on.
    """
    is_cloud = _CLOUD_MODEL.fullmatch(model or "") is not None or "ollama.com" in text
    kind, param = _meaning(text.lower(), status, is_cloud=is_cloud)
    lacking = _lacking(kind, text)
    if lacking and kind is not ErrorKind.UNSUPPORTED:
        kind, param = ErrorKind.UNSUPPORTED, lacking.param
    scope = _SCOPE_OF_KIND.get(kind, Scope.REQUEST)
    if kind is ErrorKind.MODEL_MISSING:
        retry_after_s = UNTIL_PULLED_S
    elif kind is ErrorKind.QUOTA_DAY and retry_after_s is None:
        retry_after_s = WEEK_S if _LONG.search(text.lower()) else SESSION_S
    return AdapterError(
        kind,
        _message(kind, param, model, quoted(text, secret), lacking),
        provider=NAME,
        status=status,
        retry_after_s=retry_after_s,
        scope=Scope.MODEL if is_cloud and scope in (Scope.PROVIDER, Scope.KEY) else scope,
        phase=phase,
        param=param,
        cannot=lacking,
    )


def refusal(response: httpx.Response, *, model: str, secret: str) -> AdapterError:
    """The error that an answer of status 300 or above means; its body has been read."""
    if page := page_refusal(NAME, response.status_code, response.content):
        return page
    return refusal_error(
        error_text(response.content),
        response.status_code,
        model=model,
        secret=secret,
        retry_after_s=retry_after_s(response.headers, datetime.now(UTC)),
    )


def _lacking(kind: ErrorKind, text: str) -> Cannot | None:
    """What the model cannot do; a picture that cannot be read may be a 500."""
    if kind not in (ErrorKind.BAD_REQUEST, ErrorKind.UNSUPPORTED, ErrorKind.SERVER):
        return None
    lacking = cannot(text)
    is_broken = kind is ErrorKind.SERVER
    if lacking is None or (is_broken and not lacking.what.startswith(("image", "audio"))):
        return None
    return lacking


def _meaning(text: str, status: int | None, *, is_cloud: bool) -> _Meaning:
    if status in (None, 402, 403, 429) and _QUOTA.search(text):
        return _Meaning(ErrorKind.QUOTA_DAY)
    if status in (400, 403) and is_gone(text):
        return _Meaning(ErrorKind.MODEL_MISSING, "model")
    if _is_of_account(text, status, is_cloud=is_cloud):
        return _Meaning(ErrorKind.ACCOUNT)
    if status in (None, 400, 500, 501, 503) and (meaning := _by_words(text)):
        return meaning
    if status is None:
        for words, meaning in _MEANING_IN_STREAM.items():
            if words in text:
                return meaning
        return _Meaning(ErrorKind.SERVER)
    kind = ErrorKind.MODEL_MISSING if status == _NEWER_WANTED else kind_of_status(status)
    return _Meaning(kind, "model" if kind is ErrorKind.MODEL_MISSING else None)


def _by_words(text: str) -> _Meaning | None:
    if is_too_long(text):
        return _Meaning(ErrorKind.CONTEXT, "messages")
    found = (meaning for words, meaning in _MEANING_OF_WORDS.items() if words in text)
    return next(found, None)


def _is_of_account(text: str, status: int | None, *, is_cloud: bool) -> bool:
    """A cloud model behind a local server is reached by its owner's account, not by our key."""
    if is_cloud and status in (401, 402, 403):
        return True
    barred = 403 if is_cloud and status is None else status
    return barred in (402, 403) and is_of_account(barred, "", text)


_WORDS: Mapping[ErrorKind, str] = {
    ErrorKind.MODEL_MISSING: "the model {model} is not there: get it with `ollama pull {model}`",
    ErrorKind.CONTEXT: "the prompt is longer than the context of the model {model}",
    ErrorKind.RATE_LIMIT: "the limit of requests is reached",
    ErrorKind.OVERLOADED: "the server is busy",
    ErrorKind.TOO_LARGE: "the request is too large",
    ErrorKind.TIMEOUT_FIRST_BYTE: "no answer in time",
}


_NAMED = ("tools", "images")


def _message(
    kind: ErrorKind, param: str | None, model: str, said: str, lacking: Cannot | None
) -> str:
    if words := _WORDS.get(kind):
        return words.format(model=model)
    match kind:
        case ErrorKind.UNSUPPORTED if lacking and not (lacking.lasts and lacking.what in _NAMED):
            return f"the model {model} cannot do this{_says(said)}"
        case ErrorKind.UNSUPPORTED:
            lost = {"tools": "tools", "reasoning_effort": "thinking", "messages": "images"}
            return f"the model {model} does not support {lost.get(param or '', 'this request')}"
        case ErrorKind.AUTH:
            return f"the key was refused: check OLLAMA_API_KEY{_says(said)}"
        case ErrorKind.ACCOUNT if said.lower() in ("", "unauthorized"):
            return f"the model {model} wants an account: sign in with `ollama signin`"
        case ErrorKind.ACCOUNT:
            return f"the account was refused: {said}"
        case ErrorKind.QUOTA_DAY:
            return f"the quota is used up{_says(said)}"
        case _:
            return f"the server says: {said}" if said else "the server refused the request"


def _says(said: str) -> str:
    return f" (it says: {said})" if said else ""
