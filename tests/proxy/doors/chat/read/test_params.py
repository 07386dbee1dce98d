"""Each parameter, given rightly: what it is to the adapters."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.base import ChatRequest, Json, ResponseFormat
from proxy.doors.chat.read import Parsed, parse_request
from proxy.errors import ApiError
from tests.proxy.doors.chat.read.kit import SCHEMA, USER, parsed, refusal, request


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0),
        ("temperature", 2),
        ("top_p", 1),
        ("frequency_penalty", -2),
        ("presence_penalty", 1.5),
        ("seed", -(2**63)),
        ("seed", 0),
        ("logit_bias", {"50256": -100}),
        ("logprobs", True),
        ("user", "u-1"),
        ("safety_identifier", "s-1"),
        ("metadata", {"k": "v"}),
        ("store", False),
        ("service_tier", "flex"),
        ("verbosity", "low"),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "ash", "format": "wav"}),
        ("prediction", {"type": "content", "content": "x"}),
        ("web_search_options", {}),
        ("prompt_cache_key", "k"),
        ("prompt_cache_retention", "24h"),
        ("moderation", {"mode": "block"}),
    ],
    ids=str,
)
def test_what_adapters_act_on_by_name_is_kept_in_params(name: str, value: Any) -> None:
    found = request(**{name: value})

    assert found.params == {name: value}
    assert found.extensions == {}


def test_defaults_are_openais() -> None:
    found = parsed()

    assert found == Parsed(
        ChatRequest(model="zoo", messages=[USER], tools=[]),
        include_usage=False,
        legacy_functions=False,
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({"max_tokens": 5, "max_completion_tokens": 6}, 6),
        ({"max_tokens": 5, "max_completion_tokens": None}, 5),
    ],
    ids=str,
)
def test_the_newer_name_of_max_tokens_wins(fields: Json, expected: int) -> None:
    assert request(**fields).max_tokens == expected


@pytest.mark.parametrize(
    ("stop", "expected"),
    [("x", ("x",)), (["a", "b"], ("a", "b")), ([], ()), (list("abcdefgh"),) * 2],
)
def test_stop_is_one_string_or_several(stop: Any, expected: Any) -> None:
    assert request(stop=stop).stop == tuple(expected)


@pytest.mark.parametrize("stream", [True, False])
def test_usage_is_included_only_where_a_stream_asks_for_it(*, stream: bool) -> None:
    assert parsed(stream=stream, stream_options={"include_usage": True}).include_usage is stream
    assert not parsed(stream=stream, stream_options={"include_usage": False}).include_usage


def test_obfuscation_asked_for_is_told_to_the_adapter() -> None:
    found = request(stream=True, stream_options={"include_obfuscation": True})

    assert found.params == {"stream_options.include_obfuscation": True}
    assert request(stream=True, stream_options={"include_obfuscation": False}).params == {}


def test_top_logprobs_need_logprobs() -> None:
    assert refusal(top_logprobs=2).param == "top_logprobs"
    assert refusal(top_logprobs=2, logprobs=False).param == "top_logprobs"
    assert request(top_logprobs=2, logprobs=True).params == {"top_logprobs": 2, "logprobs": True}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, ResponseFormat()),
        ({"type": "json_object", "schema": None}, ResponseFormat()),
        ({"type": "json_object", "schema": SCHEMA}, ResponseFormat(schema=SCHEMA)),
        ({"type": "json_schema", "schema": SCHEMA, "name": "n"}, ResponseFormat(SCHEMA, "n")),
        (
            {"type": "json_object", "json_schema": {"schema": SCHEMA, "strict": True}},
            ResponseFormat(schema=SCHEMA, strict=True),
        ),
        (
            {"type": "json_schema", "json_schema": {"schema": SCHEMA}},
            ResponseFormat(schema=SCHEMA),
        ),
        (
            {
                "type": "json_schema",
                "json_schema": {"schema": SCHEMA, "name": "n", "description": "d", "strict": True},
            },
            ResponseFormat(schema=SCHEMA, name="n", description="d", strict=True),
        ),
    ],
    ids=["text", "json", "none", "beside", "flat", "inner", "bare schema", "schema"],
)
def test_a_response_format_is_taken_out_of_its_wrapping(
    value: Json, expected: ResponseFormat | None
) -> None:
    assert request(response_format=value).response_format == expected


@pytest.mark.parametrize(
    ("wrapped", "param"),
    [
        (None, "response_format.json_schema"),
        ({}, "response_format.json_schema"),
        ({"schema": []}, "response_format.json_schema"),
        ({"schema": SCHEMA, "name": 5}, "response_format.json_schema.name"),
        ({"schema": SCHEMA, "description": {}}, "response_format.json_schema.description"),
        ({"schema": SCHEMA, "strict": "yes"}, "response_format.json_schema.strict"),
    ],
    ids=str,
)
def test_a_wrong_json_schema_is_refused(wrapped: Any, param: str) -> None:
    error = refusal(response_format={"type": "json_schema", "json_schema": wrapped})

    assert (error.status, error.param) == (400, param)


def test_a_schema_beside_plain_json_that_is_none_is_refused() -> None:
    error = refusal(response_format={"type": "json_object", "schema": "{}"})

    assert (error.status, error.param) == (400, "response_format.schema")


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_minus_one_is_no_limit(name: str) -> None:
    assert request(**{name: -1}).max_tokens is None


def test_a_whole_number_may_be_written_as_a_fraction() -> None:
    found = request(max_tokens=3000.0, seed=7.0, n=1.0)

    assert (found.max_tokens, found.n, found.params) == (3000, 1, {"seed": 7})
    assert type(found.max_tokens) is type(found.n) is type(found.params["seed"]) is int


def test_what_belongs_to_another_address_is_sent_there() -> None:
    with pytest.raises(ApiError, match="/v1/responses") as caught:
        parse_request({"model": "zoo", "input": "Hello."})
    assert caught.value.param == "messages"
