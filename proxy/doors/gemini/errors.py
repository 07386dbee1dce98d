"""How Gemini's protocol reports a failure: google.rpc.Status, with its details. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import orjson

from adapters.base import Json
from proxy.errors import ApiError
from proxy.reply import Header, Reply

JSON_TYPE: Header = (b"content-type", b"application/json; charset=UTF-8")
RPC = "type.googleapis.com/google.rpc."
WORDS: Mapping[int, str] = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""By status; all others are the client's fault below 500, and ours from there on."""
FIELDS: Mapping[str, str] = {
    "cached_content": "cachedContent",
    "max_tokens": "generationConfig.maxOutputTokens",
    "n": "generationConfig.candidateCount",
    "logprobs": "generationConfig.responseLogprobs",
    "modalities": "generationConfig.responseModalities",
    "response_format": "generationConfig.responseSchema",
    "reasoning_effort": "generationConfig.thinkingConfig",
    "stop": "generationConfig.stopSequences",
    "web_search_options": "tools",
}
"""By the names of the neutral request; all others are the same."""


class GeminiErrors:
    def refusal(self, error: ApiError) -> Reply:
        body = orjson.dumps(error_object(error))
        return Reply(status_of(error), (JSON_TYPE, *error.headers()), body)

    def cut(self, error: ApiError) -> bytes:
        """An event as all others, and nothing after it."""
        return b"data: %b\r\n\r\n" % orjson.dumps(error_object(error))


def status_of(error: ApiError) -> int:
    return {405: 404, 415: 400}.get(error.status, error.status)


def error_object(error: ApiError) -> Json:
    """The envelope; clients go by its `status`, and some by what is in `details`."""
    status = status_of(error)
    told: Json = {
        "code": status,
        "message": _message(error),
        "status": WORDS.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT"),
    }
    if details := list(_details(error)):
        told["details"] = details
    return {"error": told}


def _message(error: ApiError) -> str:
    if error.status != 429 or error.retry_after_s is None:
        return error.message
    return f"{error.message.rstrip('.')}. Please retry in {_wait_s(error):.9g}s."


def _wait_s(error: ApiError) -> float:
    """To the millisecond, never less than the wait."""
    return math.ceil(((error.retry_after_s or 0) + error.later_s) * 1000) / 1000


def field_of(param: str) -> str:
    """The field of this protocol that the neutral request's `param` came from."""
    return "contents" if param.startswith("messages") else FIELDS.get(param, param)


def _violations(error: ApiError) -> Iterator[Json]:
    """What is wrong, by field: in Google's own words where it was Google who refused."""
    for field, description in error.violations:
        yield {**({"field": field} if field else {}), "description": description}
    if error.param and not error.violations:
        yield {"field": field_of(error.param), "description": error.message}


def _details(error: ApiError) -> Iterator[Json]:
    if error.status == 401:
        yield {"@type": f"{RPC}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
    if error.status == 400 and (violations := list(_violations(error))):
        yield {"@type": f"{RPC}BadRequest", "fieldViolations": violations}
    if error.status == 429:
        span = "Day" if error.code == "insufficient_quota" else "Minute"
        yield {
            "@type": f"{RPC}QuotaFailure",
            "violations": [
                {
                    "quotaMetric": "generativelanguage.googleapis.com/generate_requests",
                    "quotaId": f"GenerateRequestsPer{span}PerProjectPerModel",
                }
            ],
        }
    if error.retry_after_s is not None:
        yield {"@type": f"{RPC}RetryInfo", "retryDelay": f"{_wait_s(error):.9g}s"}
