"""What we send is what botocore's serialiser makes, what we read is what its parser reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.parsers import create_parser
from botocore.regions import EndpointRulesetResolver
from botocore.serialize import create_serializer
from botocore.session import Session
from botocore.validate import ParamValidator

from adapters.base import ChatRequest, Json, ResponseFormat, Thinking
from adapters.bedrock.adapter import BedrockAdapter
from adapters.bedrock.settings import endpoint
from tests.adapters.bedrock.kit import ASK, CLAUDE, NOVA, BedrockKit, native, signing
from tests.adapters.kit import (
    ANSWERS,
    TOOL,
    Answer,
    DictMemory,
    FakeUpstream,
    a_request,
    answers,
    ask,
    collect,
    counted,
    fold,
    modes,
    reply_to,
)
from tests.fakes.bedrock_rules import params_of, problems, service

pytestmark = pytest.mark.anyio

KIT = BedrockKit()
PNG = "data:image/png;base64,iVBORw0KGgo="
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-6-v1"
CALL: Json = {
    "id": "call with spaces",
    "type": "function",
    "function": {"name": "look.up", "arguments": '{"city":"Köln"}'},
}
HISTORY: list[Json] = [
    {"role": "system", "content": "Be brief."},
    {"role": "assistant", "content": "Hello."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "See:"},
            {"type": "image_url", "image_url": {"url": PNG}},
            {"type": "input_audio", "input_audio": {"format": "wav", "data": "UklGRg=="}},
            {"type": "file", "file": {"filename": "a/b: c.pdf", "file_data": "JVBERi0="}},
            {"type": "file", "file": {"filename": "b_c.md", "file_data": "data:text/plain,hi"}},
        ],
    },
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": CALL["id"], "content": "rain", "is_error": True},
    {"role": "user", "content": "And?"},
]
ODD_TOOL: Json = {
    "type": "function",
    "function": {"name": "look.up", "description": "", "parameters": None, "strict": True},
}
SCHEMA: Json = {"type": "object", "properties": {"a": {"type": "integer"}}}
ASKED: dict[str, Json] = {
    "plain": {},
    "a whole history": {"messages": HISTORY, "tools": [TOOL, ODD_TOOL]},
    "a history without tools": {"messages": HISTORY, "stream": True},
    "a forced tool": {"tools": [TOOL], "tool_choice": "required", "forced_tool": "weather"},
    "any tool": {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False},
    "bounds": {
        "max_tokens": 50,
        "stop": ("x",),
        "params": {"temperature": 1.7, "top_p": 0.5, "service_tier": "flex", "seed": 3},
    },
    "a schema": {"response_format": ResponseFormat(SCHEMA, "out", "what comes")},
    "JSON": {"response_format": ResponseFormat()},
    "thinking by tokens": {"thinking": Thinking(budget_tokens=2000), "stream": True},
    "thinking by effort": {"model": ARN, "thinking": Thinking(effort="high")},
    "in its own words": {
        "model": NOVA,
        "extensions": {
            "bedrock": {
                "guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "1"},
                "performanceConfig": {"latency": "optimized"},
                "additionalModelRequestFields": {"inferenceConfig": {"topK": 3}},
                "requestMetadata": {"team": "blue"},
            }
        },
    },
}


# What goes out


@pytest.mark.parametrize("fields", ASKED.values(), ids=ASKED.keys())
def test_a_body_is_what_the_sdk_writes_of_the_same_parameters(fields: Json) -> None:
    call = native(**fields)
    operation = service().operation_model("ConverseStream" if call.stream else "Converse")
    model = fields.get("model", CLAUDE)
    params = params_of({"modelId": model, **call.body}, operation.input_shape)
    serializer = create_serializer("rest-json", include_validation=True)

    theirs = serializer.serialize_to_request(params, operation)

    assert json.loads(theirs["body"]) == call.body
    assert (theirs["method"], theirs["url_path"]) == (call.method, call.path)
    assert not ParamValidator().validate(params, operation.input_shape).has_errors()
    assert list(problems(params, operation.input_shape)) == []


@pytest.fixture(scope="module")
def session() -> Session:
    session = Session()
    session.set_credentials("AKIDEXAMPLE", "secret-example", "token-example")
    return session


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body

    def read(self) -> bytes:
        return self._body


OF_THE_SDK_ALONE = {
    *("user-agent", "amz-sdk-invocation-id", "amz-sdk-request", "content-length"),
    *("accept-encoding", "connection", "host", "x-pointsman-hop", "accept"),
}


@pytest.mark.parametrize("base_url", [None, "http://gateway.example:8080/aws"])
@modes
async def test_our_request_is_the_sdks(
    session: Session, monkeypatch: pytest.MonkeyPatch, stream: bool, base_url: str | None
) -> None:
    theirs: list[Any] = []

    def send(request: Any, **_: Any) -> AWSResponse:
        theirs.append(request)
        return AWSResponse(request.url, 200, {"content-type": "application/json"}, _Raw(b"{}"))

    client = session.create_client("bedrock-runtime", "us-east-1", endpoint_url=base_url)
    client.meta.events.register("before-send.bedrock-runtime.*", send)
    call = native(model=ARN, stream=stream)
    ours = FakeUpstream(reply_to(KIT, ANSWERS["plain text"], stream))
    own = signing(session_token="token-example", base_url=base_url)
    adapter = BedrockAdapter(own, ours.upstream, DictMemory())
    monkeypatch.setattr("botocore.serialize.json.dumps", lambda value: call_text(value))
    operation = client.converse_stream if stream else client.converse
    operation(modelId=ARN, messages=call.body["messages"])
    with monkeypatch.context() as now:
        stamp = theirs[0].headers["X-Amz-Date"].decode()
        now.setattr("botocore.auth.get_current_datetime", lambda: _time(stamp))
        await collect(adapter, ChatRequest(model=ARN, messages=ASK, stream=stream))

    [our] = ours.requests
    assert (our.method, str(our.url)) == (theirs[0].method, theirs[0].url)
    assert our.content == theirs[0].body
    assert _headers(our.headers) == _headers(theirs[0].headers)
    assert our.headers["accept-encoding"] == "identity"


def call_text(value: Any) -> str:
    """As both write it, so that both sign the same bytes."""
    return json.JSONEncoder(separators=(",", ":")).encode(value)


def _time(stamp: str) -> datetime:
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def _headers(headers: Any) -> Json:
    read = {
        name.lower(): value.decode() if isinstance(value, bytes) else value
        for name, value in headers.items()
    }
    return {name: value for name, value in read.items() if name not in OF_THE_SDK_ALONE}


def test_every_region_is_where_the_sdk_has_it(session: Session) -> None:
    loader = session.get_component("data_loader")
    partitions = loader.load_data("partitions")
    for service_name in ("bedrock-runtime", "bedrock"):
        resolver = EndpointRulesetResolver(
            endpoint_ruleset_data=loader.load_service_model(service_name, "endpoint-rule-set-1"),
            partition_data=partitions,
            service_model=service(),
            builtins={},
            client_context=None,
            event_emitter=None,
        )
        for region in (name for one in partitions["partitions"] for name in one["regions"]):
            if not region.startswith("aws-"):
                params = {"Region": region, "UseFIPS": False, "UseDualStack": False}
                theirs = resolver._provider.resolve_endpoint(**params)
                assert endpoint(service_name, region) == theirs.url


# What comes back


def _read(body: bytes, stream: bool) -> Any:
    """An answer as the SDK's parser reads it."""
    operation = service().operation_model("ConverseStream" if stream else "Converse")
    response = {"headers": {}, "status_code": 200, "context": {}}
    response["body"] = _Raw(body) if stream else body
    parser = create_parser("rest-json")
    parsed = parser.parse(response, operation.output_shape)
    return list(parsed["stream"]) if stream else parsed


@answers
@modes
async def test_an_answer_means_what_the_sdk_reads_in_it(answer: Answer, stream: bool) -> None:
    reply = reply_to(KIT, answer, stream)
    theirs = _read(reply.body, stream)

    ours = counted(fold(await ask(KIT, reply, a_request(KIT, stream=stream, tools=[TOOL]))))

    blocks, counts = _blocks(theirs) if stream else _whole(theirs)
    assert ours.text == "".join(one.get("text", "") for one in blocks)
    assert ours.reasoning == "".join(one.get("reasoning", "") for one in blocks)
    assert ours.calls == [one["call"] for one in blocks if "call" in one]
    read = counts["cacheReadInputTokens"]
    assert ours.usage[0].prompt == counts["inputTokens"] + read
    assert (ours.usage[0].completion, ours.usage[0].cached) == (
        counts["outputTokens"],
        read or None,
    )


def _whole(parsed: Any) -> tuple[list[Json], Json]:
    found: list[Json] = []
    for block in parsed["output"]["message"]["content"]:
        match block:
            case {"toolUse": call}:
                found.append({"call": (call["name"], call["input"])})
            case {"reasoningContent": {"reasoningText": {"text": text}}}:
                found.append({"reasoning": text})
            case _:
                found.append(block)
    return found, parsed["usage"]


def _blocks(events: list[Any]) -> tuple[list[Json], Json]:
    found: dict[int, Json] = {}
    counts: Json = {}
    for event in events:
        match event:
            case {"contentBlockStart": {"contentBlockIndex": at, "start": {"toolUse": call}}}:
                found[at] = {"name": call["name"], "input": ""}
            case {"contentBlockDelta": {"contentBlockIndex": at, "delta": delta}}:
                block = found.setdefault(at, {})
                thought = delta.get("reasoningContent", {}).get("text", "")
                pieces = {"text": delta.get("text", ""), "reasoning": thought}
                pieces["input"] = delta.get("toolUse", {}).get("input", "")
                for key, piece in pieces.items():
                    block[key] = block.get(key, "") + piece
            case {"metadata": {"usage": usage}}:
                counts = usage
    for block in found.values():
        if "name" in block:
            block["call"] = (block["name"], json.loads(block["input"] or "{}"))
    return [found[at] for at in sorted(found)], counts
