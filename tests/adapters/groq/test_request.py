"""What each parameter of OpenAI becomes at Groq."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from groq.types.chat.completion_create_params import CompletionCreateParams
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from adapters.base import SEARCH, AdapterError, ChatRequest, ErrorKind, Json, Phase, ResponseFormat
from adapters.groq.adapter import GroqSettings
from adapters.groq.request import to_native
from tests.adapters.groq.kit import ASK, LLAMA, OSS, added, native

COMPOUND = "groq/compound"
FUNCTION: Json = {"name": "steer", "parameters": {"type": "object", "properties": {}}}
TOOL: Json = {"type": "function", "function": FUNCTION}
SCHEMA: Json = {"type": "object", "properties": {"way": {"enum": ["left", "right"]}}}
AS_SCHEMA = ResponseFormat(schema=SCHEMA, name="way", strict=True)
PARAMS = TypeAdapter(with_config(ConfigDict(extra="forbid"))(CompletionCreateParams))


def params(**values: Any) -> Json:
    return {"params": values}


ROWS: dict[str, tuple[Json, Json, tuple[str, ...]]] = {
    "nothing": ({}, {}, ()),
    "stream": ({"stream": True}, {"stream": True}, ()),
    "stream_options": (
        params(**{"stream_options.include_obfuscation": True}),
        {},
        ("dropped=stream_options.include_obfuscation",),
    ),
    "max_tokens": ({"max_tokens": 64}, {"max_completion_tokens": 64}, ()),
    "temperature": (params(temperature=0), {"temperature": 0}, ()),
    "top_p": (params(top_p=0.3), {"top_p": 0.3}, ()),
    "n": ({"n": 3}, {}, ()),
    "stop": ({"stop": ("a", "b")}, {"stop": ["a", "b"]}, ()),
    "stop, too many": ({"stop": tuple("abcde")}, {"stop": list("abcd")}, ("dropped=stop",)),
    "seed": (params(seed=9), {"seed": 9}, ()),
    "frequency_penalty": (params(frequency_penalty=1), {}, ("dropped=frequency_penalty",)),
    "frequency_penalty 0": (params(frequency_penalty=0), {}, ()),
    "presence_penalty": (params(presence_penalty=-1), {}, ("dropped=presence_penalty",)),
    "presence_penalty 0": (params(presence_penalty=0.0), {}, ()),
    "logit_bias": (params(logit_bias={"5": 1}), {}, ("dropped=logit_bias",)),
    "logprobs off": (params(logprobs=False), {}, ()),
    "response_format json_object": (
        {"response_format": ResponseFormat(), "messages": [{"role": "user", "content": "JSON!"}]},
        {
            "response_format": {"type": "json_object"},
            "messages": [{"role": "user", "content": "JSON!"}],
        },
        (),
    ),
    "response_format json_schema": (
        {"response_format": AS_SCHEMA, "model": OSS},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "way", "schema": SCHEMA, "strict": True},
            }
        },
        (),
    ),
    "response_format json_schema, described": (
        {"response_format": ResponseFormat(SCHEMA, description="A way"), "model": OSS},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "response", "schema": SCHEMA, "description": "A way"},
            }
        },
        (),
    ),
    "response_format json_schema in a stream": (
        {"response_format": ResponseFormat(SCHEMA), "model": OSS, "stream": True},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "response", "schema": SCHEMA},
            }
        },
        ("emulated=stream",),
    ),
    "tools": (
        {"tools": [{**TOOL, "x": 1, "function": {**FUNCTION, "strict": True, "y": 2}}]},
        {"tools": [{"type": "function", "function": {**FUNCTION, "strict": True}}]},
        (),
    ),
    "tools with nulls": (
        {"tools": [{"type": "function", "function": {"name": "go", "description": None}}]},
        {"tools": [{"type": "function", "function": {"name": "go"}}]},
        (),
    ),
    **{
        f"tool_choice {choice}": (
            {"tools": [TOOL], "tool_choice": choice},
            {"tools": [TOOL], "tool_choice": choice},
            (),
        )
        for choice in ("auto", "none", "required")
    },
    "tool_choice of a function": (
        {"tools": [TOOL], "tool_choice": "required", "forced_tool": "steer"},
        {
            "tools": [TOOL],
            "tool_choice": {"type": "function", "function": {"name": "steer"}},
        },
        (),
    ),
    "tool_choice without tools": ({"tool_choice": "none"}, {}, ()),
    "parallel_tool_calls": (
        {"tools": [TOOL], "parallel_tool_calls": False},
        {"tools": [TOOL], "parallel_tool_calls": False},
        (),
    ),
    "parallel_tool_calls without tools": ({"parallel_tool_calls": True}, {}, ()),
    "verbosity": (params(verbosity="low"), {}, ("dropped=verbosity",)),
    "modalities": (params(modalities=["text"]), {}, ()),
    "prediction": (params(prediction={"type": "content"}), {}, ("dropped=prediction",)),
    "web_search_options at Compound": (
        {
            "model": COMPOUND,
            "params": {
                "web_search_options": {
                    "user_location": {"approximate": {"country": "Norway"}},
                    "filters": {"allowed_domains": ["a.example"]},
                    "search_context_size": "low",
                }
            },
        },
        {"search_settings": {"country": "norway", "include_domains": ["a.example"]}},
        ("dropped=web_search_options.search_context_size",),
    ),
    "web_search_options with a country code": (
        {
            "model": COMPOUND,
            "params": {
                "web_search_options": {
                    "user_location": {"approximate": {"country": "NO"}},
                    "filters": {"blocked_domains": ["b.example"]},
                }
            },
        },
        {"search_settings": {"exclude_domains": ["b.example"]}},
        ("dropped=web_search_options.user_location",),
    ),
    "a search that may be left out, at gpt-oss": (
        {"model": OSS, "tools": [TOOL], "extensions": {SEARCH: {}}},
        {"tools": [TOOL, {"type": "browser_search"}]},
        (),
    ),
    "a search that may be left out, at another model": (
        {"tools": [TOOL], "extensions": {SEARCH: {}}},
        {"tools": [TOOL]},
        ("dropped=tools.web_search",),
    ),
    "web_search_options at gpt-oss": (
        {"model": OSS, "tools": [TOOL], "params": {"web_search_options": {}}},
        {"tools": [TOOL, {"type": "browser_search"}]},
        (),
    ),
    **{
        f"service_tier {tier}": (params(service_tier=tier), {"service_tier": native_tier}, words)
        for tier, native_tier, words in (
            ("auto", "auto", ()),
            ("flex", "flex", ()),
            ("default", "on_demand", ("changed=service_tier",)),
            ("priority", "performance", ("changed=service_tier",)),
            ("fast", "performance", ("changed=service_tier",)),
        )
    },
    "service_tier scale": (params(service_tier="scale"), {}, ("dropped=service_tier",)),
    "user": (params(user="u-1"), {"user": "u-1"}, ()),
    "safety_identifier": (params(safety_identifier="s"), {}, ("dropped=safety_identifier",)),
    "metadata": (params(metadata={"a": "b"}), {}, ("dropped=metadata",)),
    "store": (params(store=True), {}, ("dropped=store",)),
    "store off": (params(store=False), {}, ()),
    "prompt_cache_key": (params(prompt_cache_key="k"), {}, ("dropped=prompt_cache_key",)),
    "prompt_cache_options": (
        params(prompt_cache_options={}),
        {},
        ("dropped=prompt_cache_options",),
    ),
    "prompt_cache_retention": (
        params(prompt_cache_retention="24h"),
        {},
        ("dropped=prompt_cache_retention",),
    ),
    "moderation": (params(moderation={"model": "m"}), {}, ("dropped=moderation",)),
    "Groq's own names": (
        {
            "extensions": {
                "reasoning_format": "hidden",
                "search_settings": {"include_images": True},
                "documents": [],
                "citation_options": "enabled",
                "compound_custom": {"models": {}},
                "disable_tool_validation": True,
            }
        },
        {
            "reasoning_format": "hidden",
            "search_settings": {"include_images": True},
            "documents": [],
            "citation_options": "enabled",
            "compound_custom": {"models": {}},
            "disable_tool_validation": True,
        },
        (),
    ),
    "include_reasoning": (
        {"extensions": {"include_reasoning": False}},
        {"include_reasoning": False},
        (),
    ),
    "names of others": (
        {
            "extensions": {
                "gemini": {"a": 1},
                "ollama": {},
                "pointsman": {"fallback": False},
                "num_ctx": 9,
                "keep_alive": "5m",
            }
        },
        {},
        (),
    ),
    "what changes an answer elsewhere": (
        {"extensions": {"options": {"mirostat": 1}, "format": "json"}},
        {},
        ("dropped=options", "dropped=format"),
    ),
    "names of nobody": (
        {"extensions": {"top_k": 5, "a\r\nb": 1, "gone": None}},
        {},
        ("dropped=top_k", "dropped=extension"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "body", "words"), ROWS.values(), ids=ROWS.keys())
def test_a_parameter_becomes(fields: Json, body: Json, words: tuple[str, ...]) -> None:
    assert added(**fields) == (body, words)


@pytest.mark.parametrize("fields", [row[0] for row in ROWS.values()], ids=ROWS.keys())
def test_the_sdk_knows_every_key_of_the_body(fields: Json) -> None:
    body = native(**fields).body
    body["tools"] = [tool for tool in body.get("tools", ()) if tool["type"] == "function"]
    PARAMS.validate_python(body)


def test_the_sdks_type_would_show_a_key_too_many() -> None:
    with pytest.raises(ValidationError):
        PARAMS.validate_python({**native().body, "verbosity": "low"})


@pytest.mark.parametrize("model", ["compound", "compound-mini"])
def test_groqs_own_models_get_their_name_back(model: str) -> None:
    assert native(model=model).body["model"] == f"groq/{model}"
    assert native(model=f"groq/{model}").body["model"] == f"groq/{model}"


REFUSED = {
    "logprobs": params(logprobs=True),
    "audio": params(audio={"voice": "x"}),
    "modalities": params(modalities=["text", "audio"], audio={"voice": "x"}),
    "modalities, an image": params(modalities=["text", "image"]),
    "moderation, input": params(moderation={"policy": {"input": {"mode": "block"}}}),
    "moderation, output": params(moderation={"policy": {"output": {"mode": "block"}}}),
    "web_search_options": params(web_search_options={}),
    "tools": {"tools": [TOOL] * 129},
}


@pytest.mark.parametrize(("case", "fields"), REFUSED.items(), ids=REFUSED.keys())
def test_what_cannot_be_left_out_is_refused(case: str, fields: Json) -> None:
    with pytest.raises(AdapterError) as caught:
        native(**fields)
    error = caught.value
    assert (error.kind, error.param) == (ErrorKind.UNSUPPORTED, case.partition(",")[0])
    assert error.phase is Phase.BEFORE_SEND


def test_settings_stand_in_for_what_is_not_given() -> None:
    settings = GroqSettings(temperature=0.2, max_tokens=99)
    body = to_native(ChatRequest(model=LLAMA, messages=ASK), settings).body
    assert (body["temperature"], body["max_completion_tokens"]) == (0.2, 99)
    request = ChatRequest(model=LLAMA, messages=ASK, max_tokens=5, params={"temperature": 1})
    body = to_native(request, settings).body
    assert (body["temperature"], body["max_completion_tokens"]) == (1, 5)


def test_the_groq_block_is_merged_last_and_deeply() -> None:
    block = {"search_settings": {"country": "peru"}, "temperature": 0.9, "tools": [{"type": "x"}]}
    extensions = {"groq": block, "search_settings": {"include_images": False}}
    before = copy.deepcopy(extensions)
    body, words = added(params={"temperature": 0.1}, extensions=extensions)
    assert body["search_settings"] == {"include_images": False, "country": "peru"}
    assert (body["temperature"], body["tools"]) == (0.9, [{"type": "x"}])
    assert words == ()
    assert extensions == before


def test_the_groq_block_decides_on_streaming() -> None:
    assert native(stream=True, extensions={"groq": {"stream": False}}).stream is False
    assert native(stream=True, extensions={"groq": "not an object"}).stream is True


@pytest.mark.parametrize(
    ("model", "thinks"), [(OSS, True), ("qwen/qwen3-32b", True), (LLAMA, False)]
)
def test_a_model_that_thinks_does_not_go_on_from_its_own_words(model: str, thinks: bool) -> None:
    began = {"role": "assistant", "content": "Rain"}
    made = native(model=model, messages=[*ASK, began])
    assert made.body["messages"][-1] == began
    assert made.warnings == (("emulated=prefill",) if thinks else ())
