"""What the status of a refusal means, unless its body says it better, and how far that reaches."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.errors import ErrorKind, Scope

KIND_OF_STATUS: Mapping[int, ErrorKind] = {
    401: ErrorKind.AUTH,
    403: ErrorKind.AUTH,
    404: ErrorKind.MODEL_MISSING,
    405: ErrorKind.BAD_RESPONSE,  # no request is at fault that something else is at the address
    408: ErrorKind.TIMEOUT_FIRST_BYTE,
    410: ErrorKind.MODEL_MISSING,
    413: ErrorKind.TOO_LARGE,
    424: ErrorKind.SERVER,
    429: ErrorKind.RATE_LIMIT,
    498: ErrorKind.OVERLOADED,
    501: ErrorKind.UNSUPPORTED,
    503: ErrorKind.OVERLOADED,
    504: ErrorKind.TIMEOUT_FIRST_BYTE,
    529: ErrorKind.OVERLOADED,
}
SCOPES: Mapping[ErrorKind, Scope] = {
    ErrorKind.AUTH: Scope.KEY,
    ErrorKind.ACCOUNT: Scope.PROVIDER,
    ErrorKind.RATE_LIMIT: Scope.MODEL,
    ErrorKind.QUOTA_DAY: Scope.MODEL,
    ErrorKind.MODEL_MISSING: Scope.MODEL,
    ErrorKind.OVERLOADED: Scope.PROVIDER,
    ErrorKind.LOADING: Scope.PROVIDER,
    ErrorKind.SERVER: Scope.PROVIDER,
    ErrorKind.BAD_RESPONSE: Scope.PROVIDER,
}
"""All else is of the request alone."""
SCOPES_OF_MODELS: Mapping[ErrorKind, Scope] = {
    **SCOPES,
    ErrorKind.UNSUPPORTED: Scope.MODEL,
    ErrorKind.OVERLOADED: Scope.MODEL,
    ErrorKind.TIMEOUT_FIRST_BYTE: Scope.MODEL,
    ErrorKind.STALL: Scope.MODEL,
}
"""The same where each model has servers of its own."""
USUAL_WORDS: Mapping[ErrorKind, str] = {
    ErrorKind.ACCOUNT: "the account was refused",
    ErrorKind.RATE_LIMIT: "the rate limit is reached; try again later",
    ErrorKind.OVERLOADED: "the model is overloaded; try again later",
    ErrorKind.SERVER: "the server failed; try again",
    ErrorKind.TIMEOUT_FIRST_BYTE: "the server took too long; try again",
    ErrorKind.STALL: "the server took too long; try again",
    ErrorKind.CONTEXT: "the prompt is too long for the model",
    ErrorKind.TOO_LARGE: "the request is too large",
    ErrorKind.BAD_RESPONSE: "the answer is not what the API promises",
    ErrorKind.BAD_REQUEST: "the request was refused",
    ErrorKind.UNSUPPORTED: "the model cannot do this",
}
"""What a client is told before, or in place of, a provider's own words."""


def kind_of_status(status: int) -> ErrorKind:
    """What a refusal of this status (300 or above) means."""
    if status in KIND_OF_STATUS:
        return KIND_OF_STATUS[status]
    if status >= 500:
        return ErrorKind.SERVER
    return ErrorKind.BAD_REQUEST if status >= 400 else ErrorKind.BAD_RESPONSE
