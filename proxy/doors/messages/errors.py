"""How Anthropic's protocol reports a failure. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import orjson

from adapters.base import Json
from proxy.doors.writing.whole import JSON_TYPE
from proxy.errors import ApiError, bad_request
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
    def refusal(self, error: ApiError) -> Reply:
        body = orjson.dumps(error_object(error))
        return Reply(_status(error.status), (JSON_TYPE, *error.headers()), body)

    def identified(self, reply: Reply, request_id: bytes) -> Reply:
        """The same with the id in a header of Anthropic's own, and in the body of an error."""
        body = reply.body
        if reply.status >= 400:
            body = b'%b,"request_id":%b}' % (body[:-1], orjson.dumps(request_id.decode("latin-1")))
        return Reply(reply.status, (*reply.headers, (b"request-id", request_id)), body)

    def cut(self, error: ApiError) -> bytes:
        return b"event: error\ndata: %b\n\n" % orjson.dumps(error_object(error))


def _status(status: int) -> int:
    return {405: 404, 415: 400, 503: OVERLOADED}.get(status, status)


def error_object(error: ApiError) -> Json:
    kind = TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
    told: Json = {"type": kind, "message": _message(error)}
    if error.code == NO_THREADS:
        told["details"] = {"error_code": NO_THREADS, "unsupported": []}
    return {"type": "error", "error": told}


def _message(error: ApiError) -> str:
    """The sentence. Agents make their talk shorter where these words tell them to."""
    return (
        f"{TOO_LONG}: {error.message}" if error.code == "context_length_exceeded" else error.message
    )


TOO_LONG = "prompt is too long"
NO_THREADS = "thread_unsupported_request"


def thread_unsupported() -> ApiError:
    """400 by which the tool runners of the SDKs know that they must send the whole history."""
    return bad_request("Threads are not kept here.", param="thread", code=NO_THREADS)
