"""The fakes answer the providers' own SDKs, refuse what the providers refuse, and fail as told."""

from __future__ import annotations

import base64
import json
from typing import Any

import groq
import httpx
import ollama
import pytest
from google import genai
from google.genai import errors as genai_errors, types as genai_types

from tests.fakes import GEMINI_KEY, GROQ_KEY, GeminiFake, GroqFake, OllamaFake
from tests.fakes.gemini_rules import SKIP_SIGNATURE
from tests.fakes.model import THOUGHT

Json = dict[str, Any]
SAY = "Grüße 🎉 \u2028 end"
PNG = base64.b64encode(b"\x89PNG fake").decode()
CITIES = 'What is the weather in "Paris" and "Rome"?'
SUN = "weather says sun"
CITY: Json = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
TOOL: Json = {"type": "function", "function": {"name": "weather", "parameters": CITY}}
USER: Json = {"role": "user", "content": "hello"}
CALL: Json = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Paris"}'},
}


def post_groq(fake: GroqFake, body: Json, key: str = GROQ_KEY) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    url = f"{fake.url}/openai/v1/chat/completions"
    return httpx.post(url, json=body, headers=headers, trust_env=False)


def post_gemini(
    fake: GeminiFake, body: Json, *, model: str = "gemini-2.5-flash", key: str = GEMINI_KEY
) -> httpx.Response:
    url = f"{fake.url}/v1beta/models/{model}:generateContent"
    return httpx.post(url, json=body, headers={"x-goog-api-key": key}, trust_env=False)


def post_ollama(fake: OllamaFake, body: Json) -> httpx.Response:
    body = {"model": "llama3.2", "stream": False, **body}
    return httpx.post(f"{fake.url}/api/chat", json=body, trust_env=False)


# -- the SDKs of the providers understand them ------------------------------------------------


def test_the_groq_sdk_gets_a_text_and_a_stream(groq_fake: GroqFake) -> None:
    with groq.Groq(api_key=GROQ_KEY, base_url=groq_fake.url) as client:
        messages: Any = [{"role": "user", "content": SAY}]
        model = "openai/gpt-oss-20b"
        whole = client.chat.completions.create(model=model, messages=messages)
        chunks = list(client.chat.completions.create(model=model, messages=messages, stream=True))
    assert whole.choices[0].message.content == f"You said: {SAY}"
    assert whole.choices[0].message.reasoning == THOUGHT
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(delta.content or "" for delta in deltas) == f"You said: {SAY}"
    assert "".join(delta.reasoning or "" for delta in deltas) == THOUGHT
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_the_groq_sdk_runs_a_loop_of_two_parallel_calls(groq_fake: GroqFake) -> None:
    messages: list[Any] = [{"role": "user", "content": CITIES}]
    ask: Any = {"model": "llama-3.3-70b-versatile", "tools": [TOOL]}
    with groq.Groq(api_key=GROQ_KEY, base_url=groq_fake.url) as client:
        first = client.chat.completions.create(messages=messages, **ask)
        calls = first.choices[0].message.tool_calls or []
        messages += [{"role": "assistant", "tool_calls": [call.model_dump() for call in calls]}]
        messages += [{"role": "tool", "tool_call_id": call.id, "content": "sun"} for call in calls]
        last = client.chat.completions.create(messages=messages, **ask)
    cities = [json.loads(call.function.arguments)["city"] for call in calls]
    assert (first.choices[0].finish_reason, cities) == ("tool_calls", ["Paris", "Rome"])
    assert (
        last.choices[0].message.content == "The tools are done: weather says sun; weather says sun"
    )


def gemini_client(fake: GeminiFake) -> genai.Client:
    options = genai_types.HttpOptions(base_url=fake.url, timeout=10_000)
    return genai.Client(api_key=GEMINI_KEY, http_options=options)


def test_the_gemini_sdk_gets_a_text_and_a_stream(gemini_fake: GeminiFake) -> None:
    thinking = genai_types.ThinkingConfig(include_thoughts=True)
    config = genai_types.GenerateContentConfig(thinking_config=thinking)
    ask: Any = {"model": "gemini-2.5-flash", "contents": "hello 🎉", "config": config}
    with gemini_client(gemini_fake) as client:
        whole = client.models.generate_content(**ask)
        chunks = list(client.models.generate_content_stream(**ask))
    assert whole.text == "You said: hello 🎉"
    assert "".join(chunk.text or "" for chunk in chunks) == "You said: hello 🎉"
    assert chunks[-1].candidates
    assert chunks[-1].candidates[0].finish_reason == genai_types.FinishReason.STOP


def test_the_gemini_sdk_runs_a_loop_of_two_parallel_calls(gemini_fake: GeminiFake) -> None:
    declaration = genai_types.FunctionDeclaration(name="weather", parameters_json_schema=CITY)
    config = genai_types.GenerateContentConfig(
        tools=[genai_types.Tool(function_declarations=[declaration])]
    )
    contents: list[Any] = [genai_types.UserContent(CITIES)]
    ask: Any = {"model": "gemini-3-flash-preview", "config": config, "contents": contents}
    with gemini_client(gemini_fake) as client:
        first = client.models.generate_content(**ask)
        assert first.function_calls and first.candidates
        assert [call.args for call in first.function_calls] == [{"city": "Paris"}, {"city": "Rome"}]
        contents.append(first.candidates[0].content)
        contents.append(
            genai_types.UserContent(
                [
                    genai_types.Part.from_function_response(
                        name="weather", response={"output": "sun"}
                    )
                    for _ in first.function_calls
                ]
            )
        )
        last = client.models.generate_content(**ask)
    assert last.text == f"The tools are done: {SUN}; {SUN}"


def test_the_gemini_sdk_reads_its_errors(gemini_fake: GeminiFake) -> None:
    with gemini_client(gemini_fake) as client, pytest.raises(genai_errors.ClientError) as caught:
        client.models.generate_content(model="gemini-9", contents="hello")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


def test_the_ollama_sdk_gets_a_text_and_a_stream(ollama_fake: OllamaFake) -> None:
    client = ollama.Client(host=ollama_fake.url)
    messages = [{"role": "user", "content": "hello 🎉"}]
    whole = client.chat(model="qwen3:4b", messages=messages)
    parts = list(client.chat(model="qwen3:4b", messages=messages, stream=True))
    client.close()  # type: ignore[no-untyped-call] # so in the SDK
    assert (whole.message.content, whole.message.thinking) == ("You said: hello 🎉", THOUGHT)
    assert "".join(part.message.content or "" for part in parts) == "You said: hello 🎉"
    assert (parts[-1].done, parts[-1].done_reason) == (True, "stop")


def test_the_ollama_sdk_runs_a_loop_of_two_parallel_calls(ollama_fake: OllamaFake) -> None:
    client = ollama.Client(host=ollama_fake.url)
    messages: list[Any] = [{"role": "user", "content": CITIES}]
    first = client.chat(model="llama3.2", messages=messages, tools=[TOOL])
    messages += [first.message, *[{"role": "tool", "tool_name": "weather", "content": "sun"}] * 2]
    last = client.chat(model="llama3.2", messages=messages, tools=[TOOL])
    shown = client.show("gemma3:4b")
    client.close()  # type: ignore[no-untyped-call] # so in the SDK
    calls = [call.function.arguments for call in first.message.tool_calls or ()]
    assert calls == [{"city": "Paris"}, {"city": "Rome"}]
    assert last.message.content == f"The tools are done: {SUN}; {SUN}"
    assert shown.capabilities == ["completion", "vision"]


# -- what they refuse -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"verbosity": "low"},
        {"n": 2},
        {"logprobs": True},
        {"logit_bias": {"50256": 1}},
        {"temperature": "hot"},
        {"stop": ["a", "b", "c", "d", "e"]},
        {"stream_options": {"include_usage": True}},
        {"reasoning_effort": "high"},
        {"messages": []},
        {"messages": [{**USER, "name": "ann"}]},
        {"messages": [{**USER, "role": "critic"}]},
        {"messages": [{"role": "system", "content": [{"type": "text", "text": "x"}]}]},
        {"messages": [USER, {"role": "tool", "tool_call_id": "call_9", "content": "x"}]},
        {"messages": [USER, {"role": "assistant", "content": None}]},
        {"messages": [USER, {"role": "assistant", "content": "x", "annotations": []}]},
        {
            "messages": [
                USER,
                {
                    "role": "assistant",
                    "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {}}}],
                },
            ]
        },
        {"messages": [USER, {"role": "assistant", "tool_calls": [{**CALL, "extra_content": {}}]}]},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": CITY}}},
        {"tool_choice": "required"},
        {"tools": [{**TOOL, "cache_control": {}}]},
    ],
    ids=lambda change: json.dumps(change)[:60],
)
def test_groq_refuses(groq_fake: GroqFake, change: Json) -> None:
    answer = post_groq(groq_fake, {"model": "llama-3.1-8b-instant", "messages": [USER], **change})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


def test_groq_searches_with_gpt_oss_alone(groq_fake: GroqFake) -> None:
    body = {"messages": [USER], "tools": [{"type": "browser_search"}]}
    assert post_groq(groq_fake, {**body, "model": "openai/gpt-oss-20b"}).status_code == 200
    assert post_groq(groq_fake, {**body, "model": "qwen/qwen3-32b"}).status_code == 400


def test_groq_knows_its_key_and_its_models(groq_fake: GroqFake) -> None:
    body = {"model": "gpt-4o", "messages": [USER]}
    assert post_groq(groq_fake, body, key="gsk-other").json()["error"]["code"] == "invalid_api_key"
    assert post_groq(groq_fake, body).json()["error"]["code"] == "model_not_found"


def turn(role: str, *parts: Json) -> Json:
    return {"role": role, "parts": list(parts)}


HELLO = turn("user", {"text": "hello"})
ASKS = turn("model", {"functionCall": {"name": "weather", "args": {"city": "Paris"}}})
TELLS = turn("user", {"functionResponse": {"name": "weather", "response": {"output": "sun"}}})


def declared(parameters: Json) -> Json:
    declaration = {"name": "weather", "parametersJsonSchema": parameters}
    return {"tools": [{"functionDeclarations": [declaration]}]}


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 1},
        {"generationConfig": {"maxTokens": 5}},
        {"generationConfig": {"thinkingConfig": {"effort": "low"}}},
        {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}},
        {"generationConfig": {"responseJsonSchema": CITY}},
        {"generationConfig": {"responseLogprobs": True}},
        {"contents": []},
        {"contents": [turn("assistant", {"text": "hello"})]},
        {"contents": [turn("user")]},
        {"contents": [turn("user", {"text": ""})]},
        {"contents": [turn("user", {"text": "x", "inlineData": {}})]},
        {"contents": [turn("user", {"inlineData": {"mimeType": "image/png", "data": "data:!"}})]},
        {"contents": [HELLO, ASKS]},
        {"contents": [HELLO, ASKS, HELLO]},
        {"contents": [HELLO, ASKS, turn("user", *TELLS["parts"], *TELLS["parts"])]},
        {"contents": [HELLO, turn("model", {"text": "x"}), ASKS, TELLS]},
        {"contents": [HELLO, TELLS]},
        declared({"type": "string"}),
        declared({**CITY, "default": {}}),
        declared({"type": "object", "properties": {"a": {"const": 1}}}),
        declared({"type": "object", "properties": {"a": {"$ref": "#/$defs/missing"}}}),
        declared({"type": "object", "properties": {"a": {"enum": ["x", None]}}}),
        declared({"type": "object", "properties": True}),
        {"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"properties": 1.5}}]}]},
        declared(
            {
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/A", "description": "x"}},
                "$defs": {"A": {"type": "string"}},
            }
        ),
        {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
        {
            **declared(CITY),
            "toolConfig": {
                "functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["weather"]}
            },
        },
    ],
    ids=lambda change: json.dumps(change)[:60],
)
def test_gemini_refuses(gemini_fake: GeminiFake, change: Json) -> None:
    answer = post_gemini(gemini_fake, {"contents": [HELLO], **change})
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_gemini_refuses_a_schema_that_must_be_endless(gemini_fake: GeminiFake) -> None:
    node: Json = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    schema: Json = {**node, "required": ["next"], "$defs": {"Node": {**node, "required": ["next"]}}}
    assert post_gemini(gemini_fake, {"contents": [HELLO], **declared(schema)}).status_code == 400
    schema["$defs"]["Node"].pop("required")
    assert post_gemini(gemini_fake, {"contents": [HELLO], **declared(schema)}).status_code == 200


def test_gemini_knows_its_key(gemini_fake: GeminiFake) -> None:
    refused = post_gemini(gemini_fake, {"contents": [HELLO]}, key="AIza-other").json()["error"]
    assert (refused["code"], refused["details"][0]["reason"]) == (400, "API_KEY_INVALID")


def test_gemini_3_demands_its_signature_on_the_first_call_of_the_turn(
    gemini_fake: GeminiFake,
) -> None:
    body: Json = {**declared(CITY), "contents": [turn("user", {"text": 'In "Paris"?'})]}
    model = "gemini-3-flash-preview"
    first = post_gemini(gemini_fake, body, model=model).json()["candidates"][0]["content"]
    [call] = first["parts"]

    def again(part: Json) -> httpx.Response:
        contents = [*body["contents"], turn("model", part), TELLS]
        return post_gemini(gemini_fake, {**body, "contents": contents}, model=model)

    unsigned = {"functionCall": call["functionCall"]}
    assert again(call).status_code == 200
    assert again({**unsigned, "thoughtSignature": SKIP_SIGNATURE}).status_code == 200
    assert "missing a thought_signature" in again(unsigned).json()["error"]["message"]
    other = {**unsigned, "thoughtSignature": base64.b64encode(b"other").decode()}
    assert again(other).status_code == 400


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"model": "gpt-4o"}, 404),
        ({"messages": [{"role": "developer", "content": "x"}]}, 400),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, 400),
        ({"messages": [{**USER, "images": [f"data:image/png;base64,{PNG}"]}]}, 400),
        ({"messages": [{**USER, "images": [PNG]}]}, 400),
        ({"messages": [USER, {"role": "assistant", "content": "", "tool_calls": [CALL]}]}, 400),
        ({"think": "low"}, 400),
        ({"think": "minimal", "model": "qwen3:4b"}, 400),
        ({"tools": [TOOL], "model": "tinyllama"}, 400),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}, 400),
        ({"options": {"num_ctx": "4096"}}, 400),
        ({"options": {"stop": "x"}}, 400),
        ({"format": "yaml"}, 400),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_ollama_refuses(ollama_fake: OllamaFake, change: Json, status: int) -> None:
    answer = post_ollama(ollama_fake, {"messages": [USER], **change})
    assert answer.status_code == status
    assert isinstance(answer.json()["error"], str)


def test_ollama_drops_the_start_of_a_long_prompt_in_silence(ollama_fake: OllamaFake) -> None:
    body = {
        "messages": [{"role": "user", "content": "word " * 90}, USER],
        "options": {"num_ctx": 64},
    }
    answer = post_ollama(ollama_fake, body)
    assert (answer.status_code, answer.json()["prompt_eval_count"]) == (200, 5)
    assert post_ollama(ollama_fake, {**body, "truncate": False}).status_code == 400
