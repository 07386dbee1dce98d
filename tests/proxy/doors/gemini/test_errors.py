"""google.rpc.Status with its details, as Google's clients read them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.base import AdapterError, ErrorKind
from proxy.doors.gemini.errors import GeminiErrors, error_object
from proxy.errors import ApiError, from_adapter


def _details(error: ApiError) -> dict[str, Any]:
    found = error_object(error)["error"].get("details", [])
    return {one["@type"].rpartition(".")[2]: one for one in found}


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [
        *((400, 400, "INVALID_ARGUMENT"), (401, 401, "UNAUTHENTICATED")),
        *((403, 403, "PERMISSION_DENIED"), (404, 404, "NOT_FOUND"), (405, 404, "NOT_FOUND")),
        *((413, 413, "INVALID_ARGUMENT"), (415, 400, "INVALID_ARGUMENT")),
        *((429, 429, "RESOURCE_EXHAUSTED"), (500, 500, "INTERNAL"), (502, 502, "INTERNAL")),
        *((501, 501, "UNIMPLEMENTED"), (503, 503, "UNAVAILABLE"), (504, 504, "DEADLINE_EXCEEDED")),
    ],
)
def test_each_status_has_its_word(status: int, code: int, word: str) -> None:
    reply = GeminiErrors().refusal(ApiError(status, "No."))

    told = json.loads(reply.body)["error"]
    assert reply.status == code
    assert (told["code"], told["message"], told["status"]) == (code, "No.", word)


def test_a_limit_tells_when_to_come_back_and_whether_it_is_the_days() -> None:
    for code, span in (("rate_limit_exceeded", "PerMinute"), ("insufficient_quota", "PerDay")):
        error = ApiError(429, "Slow down.", code=code, retry_after_s=12.3)
        found = _details(error)
        assert found["RetryInfo"]["retryDelay"] == "12.3s"
        [violation] = found["QuotaFailure"]["violations"]
        assert span in violation["quotaId"]
        assert error_object(error)["error"]["message"] == "Slow down. Please retry in 12.3s."
        assert (b"retry-after", b"13") in GeminiErrors().refusal(error).headers


def test_what_is_wrong_is_named() -> None:
    [violation] = _details(ApiError(400, "Bad.", param="tools[0]"))["BadRequest"]["fieldViolations"]
    assert violation == {"field": "tools[0]", "description": "Bad."}
    [violation] = _details(ApiError(400, "Bad.", param="messages[3].content"))["BadRequest"][
        "fieldViolations"
    ]
    assert violation["field"] == "contents"
    assert _details(ApiError(401, "Bad."))["ErrorInfo"]["reason"] == "API_KEY_INVALID"
    assert _details(ApiError(500, "Bad.", param="x")) == {}


def test_what_google_has_found_wrong_is_handed_on_by_its_fields() -> None:
    told = AdapterError(
        ErrorKind.BAD_REQUEST,
        "refused",
        provider="north",
        violations=[("contents[0].parts[1].file_data", "No such file."), ("", "Too much.")],
    )

    assert _details(from_adapter(told))["BadRequest"]["fieldViolations"] == [
        {"field": "contents[0].parts[1].file_data", "description": "No such file."},
        {"description": "Too much."},
    ]


@pytest.mark.parametrize(
    ("param", "field"),
    [
        ("logprobs", "generationConfig.responseLogprobs"),
        ("messages[0].content[1]", "contents"),
        ("web_search_options", "tools"),
        ("cached_content", "cachedContent"),
    ],
)
def test_what_a_provider_lacks_is_told_by_the_field_of_this_protocol(
    param: str, field: str
) -> None:
    [violation] = _details(ApiError(400, "No.", param=param))["BadRequest"]["fieldViolations"]
    assert violation["field"] == field
