"""Refusals in the words in which people have met them: what is too long, and how long to wait."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from adapters.base import ChatRequest, ErrorKind, Phase, ResponseFormat, Warn
from adapters.compatible.errors import House, error_object, refusal, status_of
from adapters.refusals.length import is_too_long
from adapters.refusals.waits import field_s, reset_s, told_s
from tests.adapters.gemini.kit import GeminiKit
from tests.adapters.kit import FakeUpstream, collect, json_reply
from tests.adapters.openai.kit import ASK, adapter

TOO_LONG = (
    "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4000 "
    "in the messages, 1000 in the completion). Please reduce the length of the messages.",
    "This model's maximum context length is 262144 tokens. However, you requested 0 output tokens "
    "and your prompt contains at least 262145 input tokens",
    "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
    "the request exceeds the available context size, try increasing it",
    "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded "
    "with context length of only 4096 tokens, which is not enough.",
    "Reached context length of 4096 tokens with model (arch: qwen2) that does not currently "
    "support mid-generation context overflow.",
    "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum "
    "context length",
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000",
    "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000",
    "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
    "Input is too long for requested model.",
    "Invalid request: Your request exceeded model token limit: 8192",
    "Range of input length should be [1, 129024]",
    "prompt token count of 140000 exceeds the limit of 128000",
    "Input length 131393 exceeds the maximum allowed input length of 131040 tokens.",
    "Input length (265330) exceeds model's maximum context length (262144).",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "prompt is too long: 208310 tokens > 200000 maximum",
    "Please reduce the length of the messages or completion.",
)
ANOTHER_MATTER = (
    "`max_tokens` must be less than or equal to `32768`, the maximum value for `max_tokens` is "
    "less than the `context_window` for this model",
    "max_tokens is too large: 100000. This model supports at most 16384 completion tokens.",
    "max_tokens (100000) exceeds the model's context window",
    "Request too large for model `x` on tokens per minute (TPM): Limit 8000, Requested 12000, "
    "please reduce your message size and try again.",
    "Invalid 'user': string too long. Expected a string with maximum length 64.",
    "The image is too large: at most 20 MB.",
    "Unknown parameter: 'context_length'.",
)
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def refused(
    status: int, error: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> tuple[ErrorKind, float | None]:
    request = httpx.Request("POST", "http://127.0.0.1/")
    response = httpx.Response(status, json={"error": error}, headers=headers, request=request)
    met = refusal(House("openai", "A", "A_API_KEY"), response, Phase.BEFORE_CONTENT)
    return met.kind, met.retry_after_s


def test_a_prompt_that_is_too_long_is_told_from_all_else() -> None:
    assert [one for one in TOO_LONG if not is_too_long(one)] == []
    assert [one for one in ANOTHER_MATTER if is_too_long(one)] == []


def test_it_is_too_long_whichever_status_and_code_stand_beside_it() -> None:
    for status in (400, 413, 422, 500):
        for code in (None, 400, "400", "invalid_parameter_error", "model_max_prompt_tokens"):
            met = refused(status, {"message": TOO_LONG[0], "code": code})
            assert met == (ErrorKind.CONTEXT, None), (status, code)
    assert refused(429, {"message": TOO_LONG[0]})[0] is ErrorKind.RATE_LIMIT


def test_waits_are_read_from_words() -> None:
    for words, seconds in {
        "Please try again in 2m59.56s.": 179.56,
        "Please try again in 590ms.": 0.59,
        "Please try again in 12 seconds.": 12,
        "Rate limit of 10 per 60s exceeded. Please wait 42 seconds before retrying.": 42,
        "Please retry after 17 seconds.": 17,
        "Too many requests, wait 1 minute": 60,
        "Your limit resets in 2 hours": 7200,
        "Please try again in a while.": None,
        "Wait 5 stars": None,
        "Weekly limit reached. Resets in 1hr 29min.": 5340,
        "Limit reached. Resets in 1 hour and 5 minutes.": 3900,
        "Your quota will reset after 2h1m1s.": 7261,
        "All accounts have exhausted their quota (reset after 5m)": 300,
        "Monthly usage limit reached. Resets in 13 days.": 10_000,
        "Limit resets at: 2026-11-01 12:00:50 UTC": 50,
        "It will reset at 2026-11-01 21:00:00 +0800 CST.": 3600,
        "You will regain access on 2026-11-01 at 13:00 UTC.": 3600,
        "Your limit will reset at 2026-11-01 21:00:00": 3600,  # in China
        "您的限额将在 2026-11-01 21:00:00 重置。": 3600,
        "Your limit will reset at 2026-11-01 12:30:00": 1800,  # there it is over
        "usage limit reached, resets at 2026-11-01T13:00:00Z (2056)": 3600,
        "Your limit will reset at 2026-11-01 03:00:00": None,
        "Your limit will reset at 2026-13-01 03:00:00": None,
        "Out of call volume quota. Quota will be replenished in 01:02:03.": 3723,
        "Out of call volume quota. Quota will be replenished in 5.01:02:03.": 10_000,
    }.items():
        found = told_s(words, NOW, cap_s=10_000)
        assert found == (None if seconds is None else pytest.approx(seconds)), words


def test_waits_are_read_from_times() -> None:
    at = NOW.timestamp() + 40
    for value in ("40", str(int(at)), str(int(at * 1000))):
        assert reset_s({"x-ratelimit-reset": value}, NOW) == pytest.approx(40), value
    for value in ("", "soon", "-5", "nan", str(int(at) - 60)):
        assert reset_s({"x-ratelimit-reset": value}, NOW) is None, value
    assert reset_s({"ratelimit-reset": "23"}, NOW) == 23


def test_waits_are_read_from_fields() -> None:
    for fields, seconds in (
        ({"retry_after": 17}, 17),
        ({"retryAfter": "21s"}, 21),
        ({"retry_after_ms": 2500}, 2.5),
        ({"reset_seconds": "742", "reset_time": "12m22s"}, 742),
        ({"resets_at": NOW.timestamp() + 60}, 60),
        ({"resets_at": "2026-11-01T12:30:00Z"}, 1800),
        ({"retry_after": None, "resets_in_seconds": -1, "reset_at": [1]}, None),
        ({"retry_after": "soon", "retry_after_seconds": True}, None),
    ):
        assert field_s(fields, NOW) == (None if seconds is None else pytest.approx(seconds)), fields


def test_a_wait_that_stands_in_the_error_alone_is_kept_to() -> None:
    repeated = {"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "33"}}
    for metadata, seconds in ((repeated, 33), ({"retry_after_seconds": 12}, 12)):
        met = refused(429, {"message": "slow", "metadata": metadata})
        assert met == (ErrorKind.RATE_LIMIT, seconds)
    met = refused(429, {"message": "Please wait 56789 seconds before retrying."})
    assert met == (ErrorKind.QUOTA_DAY, 56789)


def test_what_is_wrong_is_told_wherever_it_stands() -> None:
    rows = [{"loc": ["body", "messages"], "msg": "bad order", "type": "value_error"}]
    for body, words in (
        ({"detail": rows}, "body.messages: bad order"),
        (
            {"object": "error", "message": {"detail": rows}, "code": None},
            "body.messages: bad order",
        ),
        ({"success": False, "errors": [{"code": 5006, "message": "a"}, {"message": "b"}]}, "a; b"),
        ({"detail": {"error": "bad"}}, "bad"),
        ({"error": {"error": {"message": "inner"}}}, "inner"),
        ({"errors": {"messages": ["too short"]}}, "too short"),
        ({"code": 400, "msg": "bad"}, "bad"),
        ({"error_code": 336003, "error_msg": "odd number"}, "odd number"),
        ({"error": "invalid_request", "error_description": "no scope"}, "no scope"),
        ({"Message": "bad", "__type": "ValidationException"}, "bad"),
        ({"statusCode": 400, "error": "Bad Request", "message": "n must be 1"}, "n must be 1"),
        ({"error": {"message": "A", "metadata": {"raw": '{"error":{"message":"b"}}'}}}, "A: b"),
        ({"error": {"message": "A", "metadata": {"raw": "<html>b</html>"}}}, "A"),
        ("Bad Request: model_not_supported", "Bad Request: model_not_supported"),
    ):
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        assert error_object(content).get("message") == words, body
    told = error_object(b'{"error": null, "message": "slow", "code": "rate_limit_exceeded"}')
    assert (told["message"], told["code"]) == ("slow", "rate_limit_exceeded")
    for content in (
        b"<html><title>x</title>",
        b"<p>x",
        b"a\x1b[2J",
        b"\xff\xfe",
        b"x" * 501,
        b"",
        b"7",
        b"[]",
    ):
        assert not error_object(content).get("message"), content


def test_whose_fault_a_refusal_is() -> None:
    for status, error, kind in (
        (402, {"message": "top up please"}, ErrorKind.ACCOUNT),
        (402, {}, ErrorKind.ACCOUNT),
        (400, {"message": "Budget has been exceeded! Max budget: 0.5"}, ErrorKind.ACCOUNT),
        (400, {"message": "Access denied", "code": "Arrearage"}, ErrorKind.ACCOUNT),
        (400, {"message": "The model has crashed without more information."}, ErrorKind.SERVER),
        (400, {"message": 'Failed to load model "x". Error: stopped'}, ErrorKind.SERVER),
        (405, {"message": "Method Not Allowed"}, ErrorKind.BAD_RESPONSE),
        (413, {"message": "Request body too large. Max size: 8000 tokens."}, ErrorKind.CONTEXT),
        (422, {"message": "bad order"}, ErrorKind.BAD_REQUEST),
    ):
        assert refused(status, error)[0] is kind, error


def test_an_error_inside_a_good_status_has_the_status_that_its_code_names() -> None:
    for error, status in (({"code": 429}, 429), ({"code": 7}, 500), ({"status_code": 404}, 404)):
        assert status_of(error) == status


@pytest.mark.anyio
async def test_json_that_a_server_has_no_parameter_for_is_asked_for_in_words() -> None:
    choice = {"index": 0, "message": {"content": "{}"}, "finish_reason": "stop"}
    good = json_reply({"choices": [choice]})
    for words in (
        "'response_format.type' must be 'json_schema' or 'text'",
        "This response_format type is unavailable now",
    ):
        wire = FakeUpstream(json_reply({"error": words}, 400), good)
        asked = ChatRequest("m", ASK, response_format=ResponseFormat())
        events = await collect(adapter(wire.upstream), asked)

        assert "response_format" not in wire.sent
        assert "JSON" in wire.sent["messages"][0]["content"]
        assert [one.word for one in events if type(one) is Warn] == ["emulated=response_format"]


@pytest.mark.anyio
async def test_gemma_is_asked_for_json_without_json_mode_and_without_instructions() -> None:
    answer = {"candidates": [{"content": {"parts": [{"text": "{}"}]}, "finishReason": "STOP"}]}
    refusals = [
        json_reply(
            {"error": {"code": 400, "message": f"{what} is not enabled for models/gemma"}}, 400
        )
        for what in ("JSON mode", "Developer instruction")
    ]
    wire = FakeUpstream(*refusals, json_reply(answer))
    asked = ChatRequest("gemma-3-27b-it", ASK, response_format=ResponseFormat())
    events = await collect(GeminiKit().adapter(wire.upstream), asked)

    assert wire.sent["generationConfig"] == {} and "systemInstruction" not in wire.sent
    assert "JSON" in wire.sent["contents"][0]["parts"][0]["text"]
    words = [one.word for one in events if type(one) is Warn]
    assert words == ["emulated=response_format", "emulated=system"]
