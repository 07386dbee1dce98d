"""What is mended and sent once more after Gemini refused it."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.base import AdapterError, ErrorKind, Json, ResponseFormat, Thinking, Warn
from adapters.gemini.messages import SKIP_SIGNATURE
from tests.adapters.gemini.kit import GeminiKit, adapter, chunk
from tests.adapters.kit import FakeUpstream, Reply, a_request, collect, json_reply

pytestmark = pytest.mark.anyio

KIT = GeminiKit()


def refused(message: str) -> Reply:
    return json_reply({"error": {"message": message, "status": "INVALID_ARGUMENT"}}, 400)


async def resent(message: str, **fields: Any) -> tuple[Json, list[Warn]]:
    """The second body, and the warnings, of a request that was refused once."""
    fake = FakeUpstream(refused(message), json_reply(chunk([{"text": "{}"}], finish="STOP")))
    events = await collect(adapter(fake.upstream), a_request(KIT, **fields))
    assert len(fake.requests) == 2
    return fake.sent, [event for event in events if isinstance(event, Warn)]


SCHEMA = ResponseFormat(schema={"type": "object", "properties": {"a": {"type": "string"}}})


async def test_a_schema_that_is_refused_goes_into_the_instruction() -> None:
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    body, warned = await resent(
        "Invalid value at 'generation_config.response_json_schema': too complex",
        response_format=SCHEMA,
        messages=messages,
        max_tokens=9,
    )
    assert body["generationConfig"] == {
        "maxOutputTokens": 9, "responseMimeType": "application/json",
    }  # fmt: skip
    kind, instruction = (part["text"] for part in body["systemInstruction"]["parts"])
    assert kind == "Be kind."
    assert '"properties":{"a":{"type":"string"}}' in instruction
    assert warned == [Warn("emulated=response_format")]


@pytest.mark.parametrize("wanted", [SCHEMA, ResponseFormat()])
async def test_json_beside_functions_goes_into_the_instruction(wanted: ResponseFormat) -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    body, warned = await resent(
        "Function calling with a response mime type: 'application/json' is unsupported",
        model="gemini-flash-latest",
        response_format=wanted,
        tools=[tool],
    )
    assert body["generationConfig"] == {}
    assert "JSON" in body["systemInstruction"]["parts"][0]["text"]
    assert body["tools"] == [{"functionDeclarations": [{"name": "f"}]}]
    assert warned == [Warn("emulated=response_format")]


async def test_penalties_that_are_refused_are_left_out() -> None:
    body, warned = await resent(
        "Penalty is not enabled for this model",
        params={"frequency_penalty": 1, "presence_penalty": 1, "top_p": 0.5},
    )
    assert body["generationConfig"] == {"topP": 0.5}
    assert warned == [Warn("dropped=frequency_penalty"), Warn("dropped=presence_penalty")]


async def test_sampling_that_is_refused_is_left_out_and_named() -> None:
    body, warned = await resent(
        "`temperature` and other sampling parameters are deprecated for this model.",
        params={"temperature": 1, "top_p": 0.5, "seed": 3},
    )
    assert body["generationConfig"] == {"seed": 3}
    assert warned == [Warn("dropped=temperature"), Warn("dropped=top_p")]


async def test_the_least_thinking_that_is_refused_is_raised() -> None:
    body, warned = await resent(
        "THINKING_LEVEL_MINIMAL is not supported for this model. Allowed values are: low, high.",
        model="gemini-3.1-flash-lite",
        thinking=Thinking(effort="minimal", include=False),
    )
    assert body["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "LOW"}
    assert warned == [Warn("changed=reasoning_effort")]


async def test_a_history_that_may_not_end_with_the_model_is_closed_in_any_words() -> None:
    body, warned = await resent(
        "The last message has to come from somebody else.",
        messages=[{"role": "user", "content": "?"}, {"role": "assistant", "content": "Rain"}],
    )
    assert [content["role"] for content in body["contents"]] == ["user", "model", "user"]
    assert warned == [Warn("emulated=prefill")]


async def test_an_array_of_anything_becomes_one_of_texts_where_that_is_refused() -> None:
    steps = {"type": "object", "properties": {"steps": {"type": "array"}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": steps}}
    body, warned = await resent("properties[steps].items: missing field.", tools=[tool])
    [declared] = body["tools"][0]["functionDeclarations"]
    assert declared["parametersJsonSchema"]["properties"]["steps"]["items"] == {"type": "string"}
    assert warned == [Warn("changed=schema.items")]


async def test_google_search_beside_functions_is_said_where_it_must_be() -> None:
    body, warned = await resent(
        "Please enable tool_config.include_server_side_tool_invocations to use Built-in tools.",
        params={"web_search_options": {}},
        tools=[{"type": "function", "function": {"name": "f"}}],
    )
    assert body["toolConfig"] == {"includeServerSideToolInvocations": True}
    assert warned == [Warn("changed=web_search_options")]


async def test_thinking_that_is_refused_is_left_out() -> None:
    body, warned = await resent(
        "Thinking level is not supported for this model", thinking=Thinking(effort="low")
    )
    assert body["generationConfig"] == {}
    assert warned == [Warn("dropped=reasoning_effort")]


@pytest.mark.parametrize(
    ("message", "more"),
    [
        ("Function call is missing a thought_signature in functionCall parts", {}),
        (
            "Corrupted thought signature.",
            {"extra_content": {"google": {"thought_signature": "QUJD"}}},
        ),
    ],
)
async def test_a_signature_that_is_missed_or_broken_is_skipped(message: str, more: Json) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}, **more}
    body, warned = await resent(
        message,
        messages=[
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "ok"},
        ],
    )
    assert body["contents"][1]["parts"] == [
        {"thoughtSignature": SKIP_SIGNATURE, "functionCall": {"name": "f", "args": {}}}
    ]
    assert warned == [Warn("emulated=thought_signature")]


async def test_a_resolution_that_is_refused_is_left_out() -> None:
    image = {"url": "data:image/png;base64,AAAA", "detail": "low"}
    body, warned = await resent(
        "Unknown name \"mediaResolution\" at 'contents[0].parts[0]': Cannot find field.",
        model="gemini-3-flash-preview",
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": image}]}],
    )
    assert body["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    ]
    assert warned == [Warn("dropped=image_url.detail")]


async def test_instructions_that_a_model_has_no_place_for_go_before_the_first_words() -> None:
    body, warned = await resent(
        "Developer instruction is not enabled for models/gemma-3-27b-it",
        model="gemma-3-27b-it",
        messages=[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}],
    )
    assert "systemInstruction" not in body
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Be kind."}, {"text": "Hi"}]}]
    assert warned == [Warn("emulated=system")]


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("Request contains an invalid argument.", {"response_format": SCHEMA}),
        ("function_declarations[0]: schema is wrong", {"response_format": SCHEMA}),
        ("the schema is wrong", {"response_format": ResponseFormat()}),
        ("the schema is wrong", {}),
        ("Penalty is not enabled", {}),
        ("thought_signature is missing", {}),
        ("mediaResolution is unknown", {}),
        ("the system instruction is wrong", {}),
    ],
)
async def test_what_cannot_be_mended_is_an_error_at_once(message: str, fields: Json) -> None:
    fake = FakeUpstream(refused(message))
    with pytest.raises(AdapterError) as caught:
        await collect(adapter(fake.upstream), a_request(KIT, **fields))
    assert caught.value.kind is ErrorKind.BAD_REQUEST
    assert len(fake.requests) == 1


async def test_a_call_is_mended_once_only() -> None:
    fake = FakeUpstream(refused("Penalty is not enabled"))
    with pytest.raises(AdapterError):
        await collect(adapter(fake.upstream), a_request(KIT, params={"frequency_penalty": 1}))
    assert len(fake.requests) == 2


async def test_what_a_model_cannot_do_is_asked_of_it_once() -> None:
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    good = json_reply(chunk([{"text": "{}"}], finish="STOP"))
    for message, fields, lasts in (
        ("Developer instruction is not enabled for models/gemma-3", {"messages": messages}, True),
        ("JSON mode is not enabled for models/gemma-3", {"response_format": SCHEMA}, True),
        ("Penalty is not enabled for this model", {"params": {"presence_penalty": 1}}, True),
        ("the schema is too complex", {"response_format": SCHEMA}, False),
        ("penalty must be in [-2, 2)", {"params": {"presence_penalty": 1}}, False),
    ):
        fake = FakeUpstream(refused(message), good)
        one, request = adapter(fake.upstream), a_request(KIT, model="gemma-3", **fields)
        first, second = [await collect(one, request) for _ in range(2)]
        told, again = fake.requests[1], fake.requests[2]
        assert (told.content == again.content) is lasts, message
        warned = [event for event in second if isinstance(event, Warn)]
        assert (warned == [event for event in first if isinstance(event, Warn)]) is lasts
        plain = await collect(one, a_request(KIT, model="gemma-3"))
        assert not any(isinstance(event, Warn) for event in plain)


async def test_what_was_learnt_holds_for_what_comes_of_later_lessons_too() -> None:
    no_system = refused("Developer instruction is not enabled for models/gemma-3")
    no_json = refused("JSON mode is not enabled for models/gemma-3")
    good = json_reply(chunk([{"text": "{}"}], finish="STOP"))
    fake = FakeUpstream(no_system, good, no_json, no_system, good)
    one = adapter(fake.upstream)
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    await collect(one, a_request(KIT, model="gemma-3", messages=messages))
    for _ in range(2):
        await collect(one, a_request(KIT, model="gemma-3", response_format=SCHEMA))
    assert len(fake.requests) == 6, "the third request is as the model takes it"
    assert fake.requests[5].content == fake.requests[4].content
