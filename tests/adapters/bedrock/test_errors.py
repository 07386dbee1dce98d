"""What Bedrock's refusals mean, and what a refused call becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.base import AdapterError, ErrorKind, Event, Json, ResponseFormat, Scope, Text, Warn
from adapters.bedrock.errors import KIND_OF_NAME
from tests.adapters.bedrock.kit import CLAUDE, BedrockKit, adapter, whole_of
from tests.adapters.kit import (
    ANSWERS,
    TOOL,
    FakeUpstream,
    Reply,
    a_request,
    collect,
    failure,
    json_reply,
)
from tests.fakes.bedrock_rules import service

pytestmark = pytest.mark.anyio

KIT = BedrockKit()


def refused(name: str, text: str, status: int = 400) -> Reply:
    return json_reply({"message": text}, status, x_amzn_ErrorType=f"{name}:http://internal/")


def test_every_exception_of_the_service_model_has_its_meaning() -> None:
    shapes = [
        shape.name
        for name in ("Converse", "ConverseStream")
        for shape in service().operation_model(name).error_shapes
    ]
    assert set(shapes) <= set(KIND_OF_NAME)


ON_RESOURCE = (
    "User: arn:aws:iam::123456789012:user/bob is not authorized to perform: bedrock:InvokeModel"
    " on resource: arn:aws:bedrock:us-east-1::foundation-model/x"
)
TABLE: tuple[tuple[int, str, str, ErrorKind, Scope], ...] = (
    (429, "ThrottlingException", "Too many requests", ErrorKind.RATE_LIMIT, Scope.MODEL),
    (429, "ThrottlingException", "Too many tokens per day, wait", ErrorKind.QUOTA_DAY, Scope.MODEL),
    (429, "ModelNotReadyException", "not ready", ErrorKind.OVERLOADED, Scope.MODEL),
    (503, "ServiceUnavailableException", "busy", ErrorKind.OVERLOADED, Scope.MODEL),
    (500, "InternalServerException", "oh", ErrorKind.SERVER, Scope.MODEL),
    (424, "ModelErrorException", "oh", ErrorKind.SERVER, Scope.MODEL),
    (408, "ModelTimeoutException", "slow", ErrorKind.TIMEOUT_FIRST_BYTE, Scope.MODEL),
    (400, "ServiceQuotaExceededException", "quota", ErrorKind.RATE_LIMIT, Scope.MODEL),
    (404, "ResourceNotFoundException", "This version has reached the end of its life.",
     ErrorKind.MODEL_MISSING, Scope.MODEL),
    (400, "ValidationException", "The provided model identifier is invalid.",
     ErrorKind.MODEL_MISSING, Scope.MODEL),
    (400, "ValidationException",
     "Invocation of model ID x with on-demand throughput isn\u2019t supported. Retry",
     ErrorKind.MODEL_MISSING, Scope.MODEL),
    (403, "AccessDeniedException", "You don't have access to the model with the specified ID.",
     ErrorKind.MODEL_MISSING, Scope.MODEL),
    (403, "AccessDeniedException", ON_RESOURCE, ErrorKind.MODEL_MISSING, Scope.MODEL),
    (403, "AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.",
     ErrorKind.AUTH, Scope.KEY),
    (403, "UnrecognizedClientException", "The security token included is invalid.",
     ErrorKind.AUTH, Scope.KEY),
    (403, "InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than",
     ErrorKind.ACCOUNT, Scope.PROVIDER),
    (403, "InvalidSignatureException", "The request signature we calculated does not match",
     ErrorKind.AUTH, Scope.KEY),
    (403, "ExpiredTokenException", "The security token included in the request is expired",
     ErrorKind.ACCOUNT, Scope.PROVIDER),
    (400, "ValidationException", "Operation not allowed", ErrorKind.ACCOUNT, Scope.PROVIDER),
    (400, "ValidationException", "Input is too long for requested model.",
     ErrorKind.CONTEXT, Scope.REQUEST),
    (400, "ValidationException", "prompt is too long: 208310 tokens > 200000 maximum",
     ErrorKind.CONTEXT, Scope.REQUEST),
    (400, "ValidationException", "This model doesn't support images.",
     ErrorKind.UNSUPPORTED, Scope.MODEL),
    (400, "ValidationException", "A conversation must start with a user message.",
     ErrorKind.BAD_REQUEST, Scope.REQUEST),
    (418, "", "tea", ErrorKind.BAD_REQUEST, Scope.REQUEST),
)  # fmt: skip


@pytest.mark.parametrize(("status", "name", "text", "kind", "scope"), TABLE)
async def test_a_refusal_means_what_its_name_and_words_say(
    status: int, name: str, text: str, kind: ErrorKind, scope: Scope
) -> None:
    error = await failure(KIT, refused(name, text, status), a_request(KIT))
    assert (error.kind, error.scope, error.status) == (kind, scope, status)
    assert error.upstream_code == (name or None)


async def test_no_account_is_named_to_an_app() -> None:
    error = await failure(KIT, refused("AccessDeniedException", ON_RESOURCE, 403), a_request(KIT))
    assert "123456789012" not in error.message
    assert "bob" not in error.message
    assert "bedrock:InvokeModel" in error.message


@pytest.mark.parametrize("key", ["__type", "code"])
async def test_the_name_may_stand_in_the_body(key: str) -> None:
    body = {key: "com.amazon.coral.service#ThrottlingException", "Message": "slow"}
    error = await failure(KIT, json_reply(body, 400), a_request(KIT))
    assert error.kind is ErrorKind.RATE_LIMIT


# Second tries


async def asked_twice(refusal: Reply, **fields: Any) -> tuple[list[Json], list[Event]]:
    """Both bodies, and what came of the second."""
    fake = FakeUpstream(refusal, json_reply(KIT.whole(ANSWERS["plain text"])))
    events = await collect(adapter(fake.upstream), a_request(KIT, **fields))
    return [json.loads(one.content) for one in fake.requests], events


def lacks(field: str) -> Reply:
    text = f"This model doesn't support the {field} field. Remove {field} and try again."
    return refused("ValidationException", text)


SCHEMA: Json = {"type": "object", "properties": {"temperature": {"type": "integer"}}}


async def test_a_field_that_a_model_lacks_is_left_out_and_nothing_else() -> None:
    tool = {"type": "function", "function": {"name": "x", "parameters": SCHEMA}}
    [first, second], events = await asked_twice(
        lacks("stopSequences"), stop=("x",), tools=[tool], params={"temperature": 0.5}
    )
    assert first["inferenceConfig"] == {"temperature": 0.5, "stopSequences": ["x"]}
    assert second == {**first, "inferenceConfig": {"temperature": 0.5}}
    assert Warn("dropped=stop") in events
    [first, second], _ = await asked_twice(
        lacks("temperature"), tools=[tool], params={"temperature": 0.5}
    )
    assert second["toolConfig"] == first["toolConfig"]
    assert second["inferenceConfig"] == {}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            "`temperature` and `top_p` cannot both be specified for this model.",
            {"temperature": 0.5},
        ),
        ("`temperature` is deprecated for this model.", {"topP": 0.1}),
    ],
)
async def test_what_does_not_go_together_or_any_more_is_left_out(text: str, left: Json) -> None:
    text = f"The model returned the following errors: {text}"
    params = {"temperature": 0.5, "top_p": 0.1}
    [_, second], _ = await asked_twice(refused("ValidationException", text), params=params)
    assert second["inferenceConfig"] == left


async def test_a_model_that_cannot_be_made_to_call_is_offered_the_tool_alone() -> None:
    other = {"type": "function", "function": {"name": "other"}}
    [_, second], events = await asked_twice(
        lacks("toolConfig.toolChoice.tool"),
        tools=[TOOL, other],
        tool_choice="required",
        forced_tool="weather",
    )
    assert [one["toolSpec"]["name"] for one in second["toolConfig"]["tools"]] == ["weather"]
    assert "toolChoice" not in second["toolConfig"]
    assert Warn("emulated=tool_choice") in events


async def test_a_schema_becomes_a_tool_whose_call_is_the_answer() -> None:
    use = {"toolUse": {"toolUseId": "t", "name": "json_answer", "input": {"temperature": 3}}}
    fake = FakeUpstream(
        refused("ValidationException", "output_config.format: Extra inputs are not permitted"),
        json_reply(whole_of(use, reason="tool_use")),
    )
    events = await collect(
        adapter(fake.upstream), a_request(KIT, response_format=ResponseFormat(SCHEMA))
    )
    config = fake.sent["toolConfig"]
    assert config["toolChoice"] == {"tool": {"name": "json_answer"}}
    assert config["tools"][0]["toolSpec"]["inputSchema"]["json"] == SCHEMA
    assert "".join(one.text for one in events if isinstance(one, Text)) == '{"temperature":3}'
    assert Warn("emulated=response_format") in events
    assert not any(type(one).__name__ == "ToolCall" for one in events)


async def test_a_schema_is_asked_for_in_words_where_no_tool_can_be_forced() -> None:
    fake = FakeUpstream(
        lacks("outputConfig.textFormat"),
        lacks("toolConfig.toolChoice.tool"),
        json_reply(KIT.whole(ANSWERS["plain text"])),
    )
    events = await collect(
        adapter(fake.upstream), a_request(KIT, response_format=ResponseFormat(SCHEMA))
    )
    assert "toolConfig" not in fake.sent
    assert "JSON Schema" in fake.sent["system"][0]["text"]
    assert Warn("emulated=response_format") in events


async def test_a_model_that_streams_no_calls_is_asked_for_all_at_once() -> None:
    text = "This model doesn't support tool use in streaming mode."
    fake = FakeUpstream(
        refused("ValidationException", text), json_reply(KIT.whole(ANSWERS["two calls"]))
    )
    events = await collect(adapter(fake.upstream), a_request(KIT, stream=True, tools=[TOOL]))
    paths = [one.url.path.rpartition("/")[2] for one in fake.requests]
    assert paths == ["converse-stream", "converse"]
    assert Warn("emulated=stream") in events


@pytest.mark.parametrize(
    ("text", "fields", "warning"),
    [
        (
            "This model does not support assistant message prefill. The conversation must end"
            " with a user message.",
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
            "emulated=prefill",
        ),
        (
            "This model doesn't support system messages. Try again without a system message.",
            {"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]},
            "emulated=system",
        ),
        (
            "thinking.type: adaptive is not supported by this model",
            {"extensions": {"bedrock": {"additionalModelRequestFields": {"thinking": {}}}}},
            "dropped=reasoning_effort",
        ),
    ],
)
async def test_what_a_model_lacks_is_done_in_another_way(
    text: str, fields: Json, warning: str
) -> None:
    bodies, events = await asked_twice(refused("ValidationException", text), **fields)
    assert bodies[0] != bodies[1]
    assert bodies[1]["messages"][-1]["role"] == "user"
    assert Warn(warning) in events


async def test_a_field_that_a_model_lacks_is_asked_of_it_once() -> None:
    fake = FakeUpstream(lacks("stopSequences"), json_reply(KIT.whole(ANSWERS["plain text"])))
    own = adapter(fake.upstream)
    await collect(own, a_request(KIT, stop=("x",)))
    for model, stop, warnings in (
        (CLAUDE, ("x",), ("dropped=stop",)),
        (CLAUDE, (), ()),
        (f"{CLAUDE}x", ("x",), ()),
    ):
        call = own.to_native(a_request(KIT, model=model, stop=stop))
        assert call.warnings == warnings
        assert ("stopSequences" in call.body.get("inferenceConfig", {})) is (model != CLAUDE)


async def test_more_tokens_than_the_model_gives_are_lowered_and_remembered_of_it_alone() -> None:
    text = (
        "The maximum tokens you requested exceeds the model limit of 4096. Try again with a"
        " maximum tokens value that is lower than 4096."
    )
    fake = FakeUpstream(
        refused("ValidationException", text), json_reply(KIT.whole(ANSWERS["plain text"]))
    )
    own = adapter(fake.upstream)
    await collect(own, a_request(KIT, max_tokens=9000))
    assert fake.sent["inferenceConfig"]["maxTokens"] == 4096
    again = own.to_native(a_request(KIT, max_tokens=9000))
    assert again.body["inferenceConfig"]["maxTokens"] == 4096
    other = own.to_native(a_request(KIT, model=f"{CLAUDE}x", max_tokens=9000))
    assert other.body["inferenceConfig"]["maxTokens"] == 9000


async def test_what_cannot_be_mended_is_refused_at_once() -> None:
    fake = FakeUpstream(refused("ValidationException", "The text field is blank."))
    with pytest.raises(AdapterError):
        await collect(adapter(fake.upstream), a_request(KIT))
    assert len(fake.requests) == 1
