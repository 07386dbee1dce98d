"""How Anthropic's protocol tells of a failure. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import orjson

from adapters.base import Json
from proxy.doors.openai import JSON_TYPE
from proxy.errors import ApiError
from proxy.reply import Reply

OVERLOADED = 529
TYPES: Mapping[int, str] = MappingProxyType(
    {
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        405: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        503: "overloaded_error",
        504: "timeout_error",
    }
)
"""By our status; all others are the client's fault below 500, and ours from there on."""


class AnthropicErrors:
    """Anthropic's envelope for what has failed."""

    def refusal(self, error: ApiError) -> Reply:
        body = orjson.dumps(error_object(error))
        return Reply(_status(error.status), (JSON_TYPE, *error.headers()), body)

    def cut(self, error: ApiError) -> bytes:
        """An event of its own, and nothing after it."""
        return b"event: error\ndata: %b\n\n" % orjson.dumps(error_object(error))


def _status(status: int) -> int:
    return {405: 404, 415: 400, 503: OVERLOADED}.get(status, status)


def error_object(error: ApiError) -> Json:
    """The envelope."""
    kind = TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": error.message}}
