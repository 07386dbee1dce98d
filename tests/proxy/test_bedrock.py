"""Bedrock behind the running server: a strict fake that checks signatures, apps by OpenAI's SDK."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from proxy.app import create_app
from proxy.providers import providers_of
from proxy.settings import Settings
from tests.fakes import GROQ_KEY, BedrockFake, Fault, GroqFake
from tests.fakes.bedrock import ARN, CLAUDE, PLAIN_MODEL, PROFILE
from tests.fakes.bedrock_embed import COHERE, COHERE_4, TITAN
from tests.fakes.bedrock_rules import ACCESS_KEY, KEY, REGION, SECRET_KEY
from tests.fakes.bedrock_wire import event, thrown
from tests.fakes.server import Answer, json_answer
from tests.proxy.serving import Host

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "turn",
        "description": "Turns.",
        "parameters": {"type": "object", "properties": {"way": {"type": "string"}}},
    },
}
SCHEMA: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "way",
        "schema": {"type": "object", "properties": {"way": {"type": "string"}}},
    },
}
NOVA = "amazon.nova-lite-v1:0"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
LIMITED = Fault(json_answer({"error": {"message": "slow"}}, 429, headers=(("retry-after", "60"),)))


both = pytest.mark.parametrize("house", ["signed", "by a key"], indirect=True)


@pytest.fixture
def house(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Host, GroqFake, BedrockFake]]:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    pair = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    key = {"AWS_BEARER_TOKEN_BEDROCK": KEY}
    who = key if getattr(request, "param", "signed") == "by a key" else pair
    with contextlib.ExitStack() as stack:
        groq, bedrock = map(stack.enter_context, (GroqFake(), BedrockFake()))
        environment = {
            "POINTSMAN_PROVIDERS": "bedrock",
            "GROQ_API_KEY": GROQ_KEY,
            "GROQ_BASE_URL": groq.url,
            "BEDROCK_BASE_URL": bedrock.url,
            "AWS_REGION": REGION,
            "OLLAMA_BASE_URL": "http://127.0.0.1:9",
            **who,
        }
        settings = Settings(
            providers=providers_of(environment),
            llm_provider="groq",
            fallback=("bedrock",),
            database_url=f"sqlite:///{tmp_path / 'data' / 'x.db'}",
            max_wait_s=0,
        )
        host = stack.enter_context(Host().running())
        with host.serving(create_app(settings)):
            yield host, groq, bedrock


def client_of(host: Host) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{host.base_url}/v1", api_key="x", max_retries=0)


def asked(text: Any) -> list[Any]:
    return [{"role": "user", "content": text}]


@pytest.mark.heavy
@both
def test_vectors_are_made(house: tuple[Host, GroqFake, BedrockFake]) -> None:
    """By Titan text after text, by Cohere 96 at once; as many calls as that takes are counted."""
    host, _, bedrock = house
    some = [f"Text {i}." for i in range(100)]
    with client_of(host) as client:
        for model, texts, calls in (
            (TITAN, some[:3], 3),
            (COHERE, some, 2),
            (COHERE_4, some, 2),
        ):
            before = len(bedrock.requests)
            found = client.embeddings.create(
                model=f"bedrock/{model}", input=texts, encoding_format="float"
            )
            assert len({tuple(one.embedding) for one in found.data}) == len(texts)
            assert found.usage.prompt_tokens >= len(texts)
            assert len(bedrock.requests) - before == calls
        small = client.embeddings.create(model=f"bedrock/{TITAN}", input="x", dimensions=256)
        assert len(small.data[0].embedding) == 256
        with pytest.raises(openai.BadRequestError, match="vectors"):
            client.embeddings.create(model=f"bedrock/{NOVA}", input="x")


@both
def test_apps_are_answered(house: tuple[Host, GroqFake, BedrockFake]) -> None:
    host, _, bedrock = house
    with client_of(host) as client:
        for model in (PROFILE, ARN, NOVA):
            plain = client.chat.completions.create(
                model=f"bedrock/{model}", messages=asked("Hello."), temperature=1.4
            )
            assert plain.choices[0].message.content == "You said: Hello."
            assert (plain.choices[0].finish_reason, plain.model) == ("stop", model)
            assert plain.usage and plain.usage.total_tokens > 7

        stream = client.chat.completions.create(
            model=f"bedrock/{PROFILE}",
            messages=asked("Hello there."),
            stream=True,
            reasoning_effort="low",
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
    told = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in told) == "You said: Hello there."
    thoughts = [(delta.model_extra or {}).get("reasoning_content") or "" for delta in told]
    assert "step by step" in "".join(thoughts)
    assert chunks[-1].usage and chunks[-1].usage.completion_tokens > 5
    assert bedrock.requests[-1].json["additionalModelRequestFields"]["thinking"]


@pytest.mark.parametrize("stream", [False, True])
def test_tools_are_called_and_their_results_told(
    house: tuple[Host, GroqFake, BedrockFake], stream: bool
) -> None:
    host, _, bedrock = house
    messages = asked('Turn "left" and "right".')
    with client_of(host) as client:
        with (
            client.chat.completions.stream(
                model=f"bedrock/{PROFILE}", messages=messages, tools=[TOOL], reasoning_effort="low"
            )
            if stream
            else contextlib.nullcontext() as streamed
        ):
            first = (
                streamed.get_final_completion()
                if streamed
                else client.chat.completions.create(
                    model=f"bedrock/{PROFILE}",
                    messages=messages,
                    tools=[TOOL],
                    reasoning_effort="low",
                )
            )
        calls = first.choices[0].message.tool_calls or []
        ways = [json.loads(call.function.arguments)["way"] for call in calls]  # type: ignore[union-attr]
        assert (ways, first.choices[0].finish_reason) == (["left", "right"], "tool_calls")

        said = first.choices[0].message.model_dump(exclude_none=True)
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": f"{way}!"}
            for call, way in zip(calls, ways, strict=True)
        ]
        last = client.chat.completions.create(
            model=f"bedrock/{PROFILE}",
            messages=[*messages, said, *results],
            tools=[TOOL],
            reasoning_effort="low",
        )
    content = last.choices[0].message.content
    assert content == "The tools are done: turn says left!; turn says right!"
    block = bedrock.requests[-1].json["messages"][1]["content"][0]
    assert block["reasoningContent"]["reasoningText"]["signature"] == "c2lnbmVk"


def test_pictures_and_schemas_go_along(house: tuple[Host, GroqFake, BedrockFake]) -> None:
    host, _, _ = house
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    parts = [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": url}}]
    with client_of(host) as client:
        seen = client.chat.completions.create(model=f"bedrock/{PROFILE}", messages=asked(parts))
        assert seen.choices[0].message.content == (
            f"I see 1 image(s): image/png of {len(PNG)} bytes"
        )
        for model in (PROFILE, PLAIN_MODEL):
            told = client.chat.completions.with_raw_response.create(
                model=f"bedrock/{model}", messages=asked('Go "left".'), response_format=SCHEMA
            )
            assert json.loads(told.parse().choices[0].message.content or "") == {"way": "left"}
            assert ("emulated=response_format" in told.headers.get("x-pointsman-warnings", "")) == (
                model == PLAIN_MODEL
            )


def test_rotation_goes_on_to_it_where_it_is_named(
    house: tuple[Host, GroqFake, BedrockFake],
) -> None:
    host, groq, bedrock = house
    groq.then(LIMITED)
    with client_of(host) as client:
        answer = client.chat.completions.with_raw_response.create(
            model="default", messages=asked("Hello.")
        )
        assert answer.headers["x-pointsman-attempts"] == "groq:429,bedrock:200"
        ids = [model.id for model in client.models.list()]
    assert {f"bedrock/{PROFILE}", f"bedrock/{ARN}", f"bedrock/{NOVA}"} <= {*ids}
    assert f"bedrock/{CLAUDE}" not in ids  # which answers by its profile alone
    assert bedrock.requests


REFUSALS = (
    (NOVA, "InternalServerException", 500, 502, "upstream_error"),
    (ARN, "ModelNotReadyException", 429, 503, "no_provider_available"),
    (PROFILE, "ThrottlingException", 429, 429, "rate_limit_exceeded"),
    (PLAIN_MODEL, "ValidationException", 400, 400, "ValidationException"),
    (PLAIN_MODEL, "UnrecognizedClientException", 403, 502, "upstream_authentication_failed"),
)


def test_refusals_reach_the_app(house: tuple[Host, GroqFake, BedrockFake]) -> None:
    host, _, bedrock = house
    for model, name, status, seen, code in REFUSALS:
        answer = json_answer({"message": "No."}, status, headers=(("x-amzn-errortype", name),))
        bedrock.script.clear()
        bedrock.then(*[Fault(answer)] * 4)
        with client_of(host) as client, pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(model=f"bedrock/{model}", messages=asked("Hello."))
        assert (caught.value.status_code, caught.value.code) == (seen, code), name


def test_an_exception_inside_a_stream_is_an_error_there(
    house: tuple[Host, GroqFake, BedrockFake],
) -> None:
    host, _, bedrock = house
    kind = (("content-type", "application/vnd.amazon.eventstream"),)
    begin = event({"messageStart": {"role": "assistant"}})
    delta = {"contentBlockIndex": 0, "delta": {"text": "You"}}
    end = thrown("throttlingException", "Too many tokens, please wait before trying again.")
    body = begin + event({"contentBlockDelta": delta}) + end
    bedrock.then(Fault(Answer(200, kind, (body,), chunked=True)))
    with client_of(host) as client, pytest.raises(openai.APIError) as caught:
        list(
            client.chat.completions.create(
                model=f"bedrock/{PROFILE}", messages=asked("Hello."), stream=True
            )
        )
    assert caught.value.code == "rate_limit_exceeded"
