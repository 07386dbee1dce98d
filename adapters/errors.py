"""What an adapter raises: one error type, and how finely it says what went wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Self

MAX_MESSAGE = 1000
MAX_WORD = 100
MAX_SAID = 4000
"""Of a refusal, for patterns to look through: there are many, and a megabyte would take seconds."""


class ErrorCode(StrEnum):
    """The five codes that a client reads in `error.provider_code`."""

    RATE_LIMIT_EXCEEDED = "RATE_LIMIT_EXCEEDED"
    AUTHENTICATION_FAILED = "AUTHENTICATION_FAILED"
    NETWORK_ERROR = "NETWORK_ERROR"
    INVALID_REQUEST = "INVALID_REQUEST"
    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"


class ErrorKind(StrEnum):
    """What went wrong, as finely as retry and rotation need to know it."""

    RATE_LIMIT = "rate_limit"
    QUOTA_DAY = "quota_day"
    OVERLOADED = "overloaded"  # busy, short: 498, 529, Ollama's "server busy"
    LOADING = "loading"  # its model is on its way into memory: nothing is wrong with it
    SERVER = "server"
    NETWORK = "network"  # no connection came about: nothing was sent
    BROKEN = "broken"  # the connection broke with a request or an answer under way
    TLS = "tls"
    TIMEOUT_CONNECT = "timeout_connect"
    TIMEOUT_FIRST_BYTE = "timeout_first_byte"
    STALL = "stall"
    BAD_RESPONSE = "bad_response"  # not what the provider's API promises: HTML, cut, no end mark
    MALFORMED_ANSWER = "malformed_answer"  # the model wrote a tool call that nobody can read
    MISMATCH = "schema_mismatch"  # JSON was asked for in words, and what came is none
    EMPTY = "empty_answer"  # a good end, and nothing before it
    RESPONSE_TOO_LARGE = "response_too_large"
    AUTH = "auth"
    ACCOUNT = "account"  # its place, plan, spending or address: no fault of the key or the request
    MODEL_MISSING = "model_missing"
    CONTEXT = "context"
    BAD_REQUEST = "bad_request"
    UNSUPPORTED = "unsupported"  # this provider or model cannot do it, another one may
    TOO_LARGE = "too_large"  # 413: waiting never helps, another provider may


CODE_OF_KIND: Mapping[ErrorKind, ErrorCode] = {
    **dict.fromkeys(ErrorKind, ErrorCode.PROVIDER_UNAVAILABLE),
    **dict.fromkeys((ErrorKind.RATE_LIMIT, ErrorKind.QUOTA_DAY), ErrorCode.RATE_LIMIT_EXCEEDED),
    **dict.fromkeys((ErrorKind.AUTH, ErrorKind.ACCOUNT), ErrorCode.AUTHENTICATION_FAILED),
    **dict.fromkeys(
        (
            *(ErrorKind.NETWORK, ErrorKind.BROKEN, ErrorKind.TLS, ErrorKind.STALL),
            *(ErrorKind.TIMEOUT_CONNECT, ErrorKind.TIMEOUT_FIRST_BYTE),
        ),
        ErrorCode.NETWORK_ERROR,
    ),
    **dict.fromkeys(
        (
            *(ErrorKind.MODEL_MISSING, ErrorKind.CONTEXT, ErrorKind.BAD_REQUEST),
            *(ErrorKind.UNSUPPORTED, ErrorKind.TOO_LARGE),
        ),
        ErrorCode.INVALID_REQUEST,
    ),
}


UNSENT_KINDS = frozenset({ErrorKind.NETWORK, ErrorKind.TLS, ErrorKind.TIMEOUT_CONNECT})
"""No connection came about, so that the provider knows nothing of the request."""

LOST_KINDS = frozenset(
    {
        ErrorKind.BROKEN,
        ErrorKind.TIMEOUT_FIRST_BYTE,
        ErrorKind.STALL,
        ErrorKind.BAD_RESPONSE,
        ErrorKind.MALFORMED_ANSWER,
        ErrorKind.MISMATCH,
        ErrorKind.RESPONSE_TOO_LARGE,
    }
)
"""The answer was lost or is of no use; the work may have been done, and counted, all the same."""


OUR_WORDS_KINDS = UNSENT_KINDS | {
    ErrorKind.BROKEN,
    ErrorKind.TIMEOUT_FIRST_BYTE,
    ErrorKind.STALL,
    ErrorKind.MISMATCH,
    ErrorKind.EMPTY,
    ErrorKind.RESPONSE_TOO_LARGE,
}
"""What no provider says: where it has given no status either, the message is ours."""

GISTS: Mapping[ErrorKind, str] = {
    ErrorKind.RATE_LIMIT: "a limit is reached",
    ErrorKind.QUOTA_DAY: "the quota for the day is spent",
    ErrorKind.OVERLOADED: "too busy",
    ErrorKind.LOADING: "its model is being loaded",
    ErrorKind.SERVER: "failed with a fault of its own",
    ErrorKind.NETWORK: "cannot connect",
    ErrorKind.TIMEOUT_FIRST_BYTE: "no answer in time",
    ErrorKind.BAD_RESPONSE: "the answer is not what the provider's API promises",
    ErrorKind.MALFORMED_ANSWER: "the model wrote a tool call that nobody can read",
    ErrorKind.AUTH: "refuses the key",
    ErrorKind.ACCOUNT: "refuses the account: its place, plan, spending or address",
    ErrorKind.MODEL_MISSING: "has no such model",
    ErrorKind.CONTEXT: "the request is longer than the model takes",
    ErrorKind.BAD_REQUEST: "refuses the request",
    ErrorKind.UNSUPPORTED: "cannot do what was asked for",
    ErrorKind.TOO_LARGE: "the request is too large",
}
"""What is said of a failure where a provider's own words do not belong."""
_CODE = re.compile(r"[A-Za-z0-9_.:/-]{1,64}", re.ASCII)


class Scope(StrEnum):
    """How far an error reaches: what else would fail in the same way."""

    REQUEST = "request"
    MODEL = "model"
    PROVIDER = "provider"
    KEY = "key"


class Phase(StrEnum):
    """How far the exchange had come when it failed."""

    BEFORE_SEND = "before_send"
    BEFORE_CONTENT = "before_content"
    AFTER_CONTENT = "after_content"


# For every chunk: an Enum's own attribute takes twenty times as long to look up, up to Python 3.11.
BEFORE_CONTENT, AFTER_CONTENT = Phase.BEFORE_CONTENT, Phase.AFTER_CONTENT


class UnchangedError(Exception):
    """An error that stays as it was made, whoever passes it on; `but` makes another of it."""

    def but(self, **changes: Any) -> Self:
        """The same, with some of its attributes changed."""
        other = type(self).__new__(type(self))
        vars(other).update(vars(self) | changes)
        other.args = (str(other),)
        return other


class Cannot(NamedTuple):
    """What a model has said that it cannot do.

    `what` is a field of `Capabilities`, a picture's media type, `image_size`, or `schema` for one
    that is too intricate; `lasts` that it holds for other requests as well, `is_limit` that it can,
    but not so much of it.
    """

    what: str
    param: str
    lasts: bool = False
    is_limit: bool = False


class AdapterError(UnchangedError):
    """The one error an adapter raises. `message` is for the client: no key, no prompt in it.

    `status` is the upstream's HTTP status if there was one; `retry_after_s` the wait it told,
    None if it told none; `param` the name of OpenAI's parameter at fault; `upstream_code` the
    provider's own error code or status word, `cannot` what the model was told to be unable to,
    `violations` what it finds wrong in which field of the request, in its own words for both.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        provider: str,
        status: int | None = None,
        retry_after_s: float | None = None,
        scope: Scope = Scope.REQUEST,
        phase: Phase = Phase.BEFORE_CONTENT,
        param: str | None = None,
        upstream_code: str | None = None,
        cannot: Cannot | None = None,
        violations: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.kind = kind
        self.code = CODE_OF_KIND[kind]
        self.message = message[:MAX_MESSAGE]
        self.provider = provider
        self.status = status
        self.retry_after_s = retry_after_s
        self.scope = scope
        self.phase = phase
        self.param = _word(param)
        self.upstream_code = _word(upstream_code)
        self.cannot = cannot
        self.violations = violations
        super().__init__(str(self))

    def __str__(self) -> str:
        return f"{self.provider}: {self.message}"

    def at(self, name: str) -> Self:
        """The same of the provider `name`, by whose name its settings are called, too."""
        if name == self.provider:
            return self
        ours, theirs = (f"{one.upper().replace('-', '_')}_" for one in (name, self.provider))
        return self.but(provider=name, message=self.message.replace(theirs, ours))

    @property
    def gist(self) -> str:
        """What happened, for logs and pages; no words of the provider, who may quote a prompt."""
        if self.status is None and self.kind in OUR_WORDS_KINDS:
            return self.message
        told = [str(self.status)] if self.status else []
        if self.upstream_code and _CODE.fullmatch(self.upstream_code):
            told.append(self.upstream_code)
        words = GISTS.get(self.kind, self.kind.value)
        return f"{words}: {' '.join(told)}" if told else words

    @property
    def was_sent(self) -> bool:
        """Whether the provider may have got the request."""
        return self.phase is not Phase.BEFORE_SEND and self.kind not in UNSENT_KINDS

    @property
    def maybe_billed(self) -> bool:
        """Whether the provider may count the call, although no whole answer came of it."""
        is_lost = self.phase is Phase.AFTER_CONTENT or self.kind in LOST_KINDS
        return is_lost and self.was_sent


def _word(told: str | None) -> str | None:
    """A provider's word as logs and databases take it: short, on one line, and readable."""
    if not told or (len(told) <= MAX_WORD and told.isascii() and told.isprintable()):
        return told
    return "".join(c if c.isprintable() else " " for c in told[:MAX_WORD])


def first_words(value: Any) -> str:
    """What a provider says of a refusal: its first words, as nobody shows or looks for more."""
    text = value if isinstance(value, str) else ""
    if len(text) <= MAX_SAID:
        return text
    words = text[:MAX_SAID].split()
    if words and len(words[-1]) <= MAX_MESSAGE:
        words.pop()  # it may be the start of a key, which no mask would know
    return " ".join(words)


def unsent(
    provider: str,
    kind: ErrorKind,
    message: str,
    *,
    scope: Scope = Scope.REQUEST,
    param: str | None = None,
) -> AdapterError:
    """The error of a call that is not made at all."""
    return AdapterError(
        kind, message, provider=provider, scope=scope, phase=Phase.BEFORE_SEND, param=param
    )


def not_promised(provider: str, message: str, phase: Phase = Phase.BEFORE_CONTENT) -> AdapterError:
    """The error of an answer that is not what the provider's API promises."""
    kind = ErrorKind.BAD_RESPONSE
    return AdapterError(kind, message, provider=provider, scope=Scope.PROVIDER, phase=phase)


def no_such_model(provider: str) -> AdapterError:
    """The error of a name that no model of the provider's can have; nothing is sent."""
    return unsent(
        provider,
        ErrorKind.MODEL_MISSING,
        "there is no model of this name; /v1/models lists them",
        scope=Scope.MODEL,
        param="model",
    )
