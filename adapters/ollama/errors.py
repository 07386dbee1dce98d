"""Ollama's errors: a status and a plain sentence, of which the sentence is often the only sign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import orjson

from adapters.base import AdapterError, ErrorKind, Phase, Scope

NAME = "ollama"
MAX_QUOTED_CHARS = 300
UNTIL_PULLED_S = 10.0
"""A model that is missing may be pulled at any moment, and to ask for it costs nothing."""
CURE = "is Ollama running? start it with `ollama serve`"


class _Meaning(NamedTuple):
    kind: ErrorKind
    param: str | None = None


# In this order: the server's own words (server/routes.go, sched.go, prompt.go; Ollama Cloud).
_MEANING_OF_WORDS: Mapping[str, _Meaning] = {
    "does not support tools": _Meaning(ErrorKind.UNSUPPORTED, "tools"),
    "does not support thinking": _Meaning(ErrorKind.UNSUPPORTED, "reasoning_effort"),
    "does not support": _Meaning(ErrorKind.UNSUPPORTED, "model"),
    "data required for image input": _Meaning(ErrorKind.UNSUPPORTED, "messages"),
    "invalid think value": _Meaning(ErrorKind.BAD_REQUEST, "reasoning_effort"),
    "context length": _Meaning(ErrorKind.CONTEXT, "messages"),
    "context size": _Meaning(ErrorKind.CONTEXT, "messages"),
    "prompt too long": _Meaning(ErrorKind.CONTEXT, "messages"),
    "server busy": _Meaning(ErrorKind.OVERLOADED),
}
# Only where no status tells it: in a line of a stream that began with 200.
_MEANING_IN_STREAM: Mapping[str, _Meaning] = {
    "try pulling it": _Meaning(ErrorKind.MODEL_MISSING, "model"),
    "unauthorized": _Meaning(ErrorKind.AUTH),
    "too many requests": _Meaning(ErrorKind.RATE_LIMIT),
    "rate limit": _Meaning(ErrorKind.RATE_LIMIT),
    "usage limit": _Meaning(ErrorKind.RATE_LIMIT),
}
_KIND_OF_STATUS: Mapping[int, ErrorKind] = {
    401: ErrorKind.AUTH,
    403: ErrorKind.AUTH,
    404: ErrorKind.MODEL_MISSING,
    408: ErrorKind.TIMEOUT_FIRST_BYTE,
    413: ErrorKind.TOO_LARGE,
    429: ErrorKind.RATE_LIMIT,
    503: ErrorKind.OVERLOADED,
    504: ErrorKind.TIMEOUT_FIRST_BYTE,
}
_SCOPE_OF_KIND: Mapping[ErrorKind, Scope] = {
    ErrorKind.AUTH: Scope.KEY,
    ErrorKind.MODEL_MISSING: Scope.MODEL,
    ErrorKind.UNSUPPORTED: Scope.MODEL,
    ErrorKind.SERVER: Scope.MODEL,  # a runner that broke is one model's; others may run
    ErrorKind.RATE_LIMIT: Scope.PROVIDER,
    ErrorKind.OVERLOADED: Scope.PROVIDER,
    ErrorKind.TIMEOUT_FIRST_BYTE: Scope.PROVIDER,
    ErrorKind.BAD_RESPONSE: Scope.PROVIDER,
}


def error_text(body: bytes) -> str:
    """The sentence in `{"error": "…"}` or `{"error": {"message": "…"}}`; empty if there is none."""
    try:
        error = orjson.loads(body)["error"]
    except (ValueError, KeyError, TypeError, IndexError):
        return ""
    if isinstance(error, dict):
        error = error.get("message")
    return error if isinstance(error, str) else ""


def refusal_error(
    text: str,
    status: int | None,
    *,
    model: str,
    secret: str = "",
    retry_after_s: float | None = None,
    phase: Phase = Phase.BEFORE_CONTENT,
) -> AdapterError:
    """The AdapterError that Ollama's `text` means; `status` is None in a stream that began well."""
    kind, param = _meaning(text.lower(), status)
    if kind is ErrorKind.MODEL_MISSING:
        retry_after_s = UNTIL_PULLED_S
    return AdapterError(
        kind,
        _message(kind, param, model, _quoted(text, secret)),
        provider=NAME,
        status=status,
        retry_after_s=retry_after_s,
        scope=_SCOPE_OF_KIND.get(kind, Scope.REQUEST),
        phase=phase,
        param=param,
    )


def _meaning(text: str, status: int | None) -> _Meaning:
    if status in (None, 400, 500, 503):
        for words, meaning in _MEANING_OF_WORDS.items():
            if words in text:
                return meaning
    if status is None:
        for words, meaning in _MEANING_IN_STREAM.items():
            if words in text:
                return meaning
        return _Meaning(ErrorKind.SERVER)
    kind = _KIND_OF_STATUS.get(status) or _kind_of_range(status)
    return _Meaning(kind, "model" if kind is ErrorKind.MODEL_MISSING else None)


def _kind_of_range(status: int) -> ErrorKind:
    if status >= 500:
        return ErrorKind.SERVER
    return ErrorKind.BAD_REQUEST if status >= 400 else ErrorKind.BAD_RESPONSE


def _message(kind: ErrorKind, param: str | None, model: str, quoted: str) -> str:
    match kind:
        case ErrorKind.MODEL_MISSING:
            return f"the model {model} is not there: get it with `ollama pull {model}`"
        case ErrorKind.UNSUPPORTED:
            cannot = {"tools": "tools", "reasoning_effort": "thinking", "messages": "images"}
            return f"the model {model} does not support {cannot.get(param or '', 'this request')}"
        case ErrorKind.CONTEXT:
            return f"the prompt is longer than the context of the model {model}"
        case ErrorKind.AUTH:
            return "the key was refused: check OLLAMA_API_KEY"
        case ErrorKind.RATE_LIMIT:
            return "the limit of requests is reached"
        case ErrorKind.OVERLOADED:
            return "the server is busy"
        case ErrorKind.TOO_LARGE:
            return "the request is too large"
        case ErrorKind.TIMEOUT_FIRST_BYTE:
            return "no answer in time"
        case _:
            return f"the server says: {quoted}" if quoted else "the server refused the request"


def _quoted(text: str, secret: str) -> str:
    """The server's sentence, short, on one line and without the key."""
    shown = text.replace(secret, "***") if secret else text
    return " ".join(shown.split())[:MAX_QUOTED_CHARS]
