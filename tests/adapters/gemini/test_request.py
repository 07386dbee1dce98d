"""What every parameter of OpenAI becomes at Gemini, to the last key of the body."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from google.genai import types

from adapters.base import SEARCH, AdapterError, ErrorKind, Json, ResponseFormat, Thinking
from tests.adapters.gemini.kit import native

HI = [{"role": "user", "content": "Hi"}]
CONTENTS: Json = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
LOOKUP: Json = {
    "type": "function",
    "function": {
        "name": "lookup",
        "description": "Looks up",
        "parameters": {"type": "object", "properties": {"q": {"type": "string"}}},
    },
}
DECLARED: Json = {
    "tools": [
        {
            "functionDeclarations": [
                {
                    "name": "lookup",
                    "description": "Looks up",
                    "parametersJsonSchema": {
                        "type": "object",
                        "properties": {"q": {"type": "string"}},
                        "propertyOrdering": ["q"],
                    },
                }
            ]
        }
    ]
}
AGE = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


def calling(**config: Any) -> Json:
    return {**DECLARED, "toolConfig": {"functionCallingConfig": config}}


def generation(**config: Any) -> Json:
    return {"generationConfig": config}


def params(**values: Any) -> Json:
    return {"params": values}


# A row: the request's fields, what the body has besides `contents`, the warnings.
ROWS: dict[str, tuple[Json, Json, tuple[str, ...]]] = {
    "nothing": ({}, {}, ()),
    "max_tokens": ({"max_tokens": 9}, generation(maxOutputTokens=9), ()),
    "temperature": (params(temperature=0.0), generation(temperature=0.0), ()),
    "top_p": (params(top_p=0.5), generation(topP=0.5), ()),
    "n": ({"n": 3}, generation(candidateCount=3), ()),
    "stop": ({"stop": ("a", "b")}, generation(stopSequences=["a", "b"]), ()),
    "too many stops": (
        {"stop": tuple("abcdef")},
        generation(stopSequences=list("abcde")),
        ("dropped=stop",),
    ),
    "seed": (params(seed=7), generation(seed=7), ()),
    "a seed beyond int32": (params(seed=2**31 + 5), generation(seed=5), ("changed=seed",)),
    "penalties": (
        params(frequency_penalty=0.5, presence_penalty=-1),
        generation(frequencyPenalty=0.5, presencePenalty=-1),
        (),
    ),
    "logprobs": (params(logprobs=True), generation(responseLogprobs=True), ()),
    "top_logprobs": (
        params(logprobs=True, top_logprobs=4),
        generation(responseLogprobs=True, logprobs=4),
        (),
    ),
    "no logprobs": (params(logprobs=False), {}, ()),
    "logit_bias": (params(logit_bias={"5": 1}), {}, ("dropped=logit_bias",)),
    "json_object": (
        {"response_format": ResponseFormat()},
        generation(responseMimeType="application/json"),
        (),
    ),
    "json_schema": (
        {"response_format": ResponseFormat(schema=AGE, strict=True)},
        generation(
            responseMimeType="application/json",
            responseJsonSchema={**AGE, "propertyOrdering": ["age"]},
        ),
        (),
    ),
    "json_schema with what is lost": (
        {"response_format": ResponseFormat(schema={"type": "string", "not": {"const": "a"}})},
        generation(responseMimeType="application/json", responseJsonSchema={"type": "string"}),
        ("dropped=schema.not",),
    ),
    "tools": ({"tools": [LOOKUP]}, DECLARED, ()),
    "tool without parameters": (
        {"tools": [{"type": "function", "function": {"name": "now"}}]},
        {"tools": [{"functionDeclarations": [{"name": "now"}]}]},
        (),
    ),
    "strict tool": (
        {"tools": [{"type": "function", "function": {"name": "now", "strict": True}}]},
        {"tools": [{"functionDeclarations": [{"name": "now"}]}]},
        ("dropped=tools.function.strict",),
    ),
    "tool_choice auto": ({"tools": [LOOKUP], "tool_choice": "auto"}, calling(mode="AUTO"), ()),
    "tool_choice none": ({"tools": [LOOKUP], "tool_choice": "none"}, calling(mode="NONE"), ()),
    "tool_choice required": (
        {"tools": [LOOKUP], "tool_choice": "required"},
        calling(mode="ANY"),
        (),
    ),
    "tool_choice by name": (
        {"tools": [LOOKUP], "tool_choice": "required", "forced_tool": "lookup"},
        calling(mode="ANY", allowedFunctionNames=["lookup"]),
        (),
    ),
    "parallel_tool_calls": ({"tools": [LOOKUP], "parallel_tool_calls": True}, DECLARED, ()),
    "no parallel_tool_calls": (
        {"tools": [LOOKUP], "parallel_tool_calls": False},
        DECLARED,
        ("emulated=parallel_tool_calls",),
    ),
    "verbosity": (params(verbosity="low"), {}, ("dropped=verbosity",)),
    "modalities text": (params(modalities=["text"]), {}, ()),
    "prediction": (params(prediction={"type": "content"}), {}, ("dropped=prediction",)),
    "web_search_options": (
        params(web_search_options={"search_context_size": "low"}),
        {"tools": [{"googleSearch": {}}]},
        ("dropped=web_search_options.search_context_size",),
    ),
    "a search that may be left out, beside functions at an old model": (
        {"tools": [LOOKUP], "extensions": {SEARCH: {}}},
        DECLARED,
        ("dropped=tools.web_search",),
    ),
    "a search that may be left out": (
        {"extensions": {SEARCH: {}}},
        {"tools": [{"googleSearch": {}}]},
        (),
    ),
    "web search beside functions": (
        {"tools": [LOOKUP], **params(web_search_options={})},
        {"tools": [*DECLARED["tools"], {"googleSearch": {}}]},
        (),
    ),
    "service_tier auto": (params(service_tier="auto"), {}, ()),
    "service_tier default": (params(service_tier="default"), {"serviceTier": "standard"}, ()),
    "service_tier flex": (params(service_tier="flex"), {"serviceTier": "flex"}, ()),
    "service_tier priority": (params(service_tier="priority"), {"serviceTier": "priority"}, ()),
    "service_tier scale": (params(service_tier="scale"), {}, ("dropped=service_tier",)),
    "user": (params(user="u"), {}, ("dropped=user",)),
    "safety_identifier": (params(safety_identifier="u"), {}, ("dropped=safety_identifier",)),
    "metadata": (params(metadata={"a": "b"}), {}, ("dropped=metadata",)),
    "store": (params(store=True), {}, ("dropped=store",)),
    "no store": (params(store=False), {}, ()),
    "prompt_cache_key": (params(prompt_cache_key="k"), {}, ("dropped=prompt_cache_key",)),
    "prompt_cache_retention": (
        params(prompt_cache_retention="24h"),
        {},
        ("dropped=prompt_cache_retention",),
    ),
    "prompt_cache_options": (
        params(prompt_cache_options={"mode": "implicit"}),
        {},
        ("dropped=prompt_cache_options",),
    ),
    "include_obfuscation": (
        {"params": {"stream_options.include_obfuscation": True}},
        {},
        ("dropped=stream_options.include_obfuscation",),
    ),
    "moderation that scores": (
        params(moderation={"model": "m", "policy": {"input": {"mode": "score"}}}),
        {},
        ("dropped=moderation",),
    ),
    "top_k": ({"extensions": {"top_k": 5}}, generation(topK=5), ()),
    "top_k 0": ({"extensions": {"top_k": 0}}, {}, ("dropped=top_k",)),
    "top_k -1": ({"extensions": {"top_k": -1}}, {}, ("dropped=top_k",)),
    "safety_settings": (
        {
            "extensions": {
                "safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}]
            }
        },
        {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}]},
        (),
    ),
    "cached_content": (
        {"extensions": {"cached_content": "cachedContents/a"}},
        {"cachedContent": "cachedContents/a"},
        (),
    ),
    "Google's own extra_body": (
        {
            "thinking": Thinking(effort="high"),
            "extensions": {
                "extra_body": {
                    "google": {
                        "thinking_config": {"thinking_budget": 99, "include_thoughts": True},
                        "cached_content": "cachedContents/b",
                    }
                }
            },
        },
        {
            "cachedContent": "cachedContents/b",
            **generation(thinkingConfig={"thinkingBudget": 99, "includeThoughts": True}),
        },
        (),
    ),
    "thinking_config": (
        {"extensions": {"thinking_config": {"thinkingBudget": 7}}},
        generation(thinkingConfig={"thinkingBudget": 7}),
        (),
    ),
    "Google's block without its wrapping": (
        {"extensions": {"google": {"thinking_config": {"thinking_level": "low"}, "other": 1}}},
        generation(thinkingConfig={"thinkingLevel": "LOW"}),
        (),
    ),
    "a level for a model from before the levels": (
        {
            "thinking": Thinking(effort="low"),
            "extensions": {"google": {"thinking_config": {"thinking_level": "low"}}},
        },
        generation(thinkingConfig={"thinkingBudget": 1024, "includeThoughts": True}),
        (),
    ),
    "thoughts asked for beside an effort": (
        {
            "thinking": Thinking(effort="low", include=False),
            "extensions": {"thinking_config": {"include_thoughts": True}},
        },
        generation(thinkingConfig={"thinkingBudget": 1024, "includeThoughts": True}),
        (),
    ),
    "blocks that are no objects": (
        {"extensions": {"google": 1, "extra_body": [], "gemini": "x", "thinking_config": 7}},
        {},
        (),
    ),
    "the block for Gemini, last": (
        {
            "max_tokens": 5,
            "extensions": {
                "gemini": {"generationConfig": {"maxOutputTokens": 6, "topK": 1}, "labels": {}},
                "groq": {"x": 1},
            },
        },
        {**generation(maxOutputTokens=6, topK=1), "labels": {}},
        (),
    ),
    "keys of other worlds": (
        {
            "params": {"logit_bias": {}, "metadata": {}},
            "extensions": {
                "min_p": 0.1,
                "reasoning": {},
                "odd\r\nkey": 1,
                "keep_alive": "5m",
                "pointsman": {"fallback": False},
            },
        },
        {},
        ("dropped=min_p", "dropped=extension"),
    ),
}


@pytest.mark.parametrize(("fields", "wanted", "warnings"), ROWS.values(), ids=ROWS.keys())
def test_each_parameter_becomes(fields: Json, wanted: Json, warnings: tuple[str, ...]) -> None:
    before = copy.deepcopy(fields)
    call = native(**fields)
    assert call.body == CONTENTS | wanted
    assert call.warnings == warnings
    assert fields == before


@pytest.mark.parametrize("fields", [row[0] for row in ROWS.values()], ids=ROWS.keys())
def test_the_sdks_types_know_every_key(fields: Json) -> None:
    body = dict(native(**fields).body)
    for content in body.pop("contents"):
        types.Content.model_validate(content)
    config = {**body.pop("generationConfig", {}), **body}
    config.pop("cachedContent", None)
    config.pop("labels", None)
    known = types.GenerateContentConfig.model_validate(config)
    assert known.model_dump(exclude_none=True, by_alias=True).keys() == config.keys()


UNSUPPORTED = {
    "audio from a model that writes": (params(modalities=["text", "audio"]), "modalities"),
    "a voice of a model that writes": (params(audio={"voice": "alloy"}), "audio"),
    "a film": (params(modalities=["text", "video"]), "modalities"),
    "moderation that blocks": (
        params(moderation={"model": "m", "policy": {"output": {"mode": "block"}}}),
        "moderation",
    ),
    "several choices in a stream": ({"n": 2, "stream": True}, "n"),
    "too many functions": (
        {"tools": [{"type": "function", "function": {"name": f"f{i}"}} for i in range(513)]},
        "tools",
    ),
}


@pytest.mark.parametrize(("fields", "param"), UNSUPPORTED.values(), ids=UNSUPPORTED.keys())
def test_what_cannot_be_asked_is_refused_by_name(fields: Json, param: str) -> None:
    with pytest.raises(AdapterError) as caught:
        native(**fields)
    assert (caught.value.kind, caught.value.param) == (ErrorKind.UNSUPPORTED, param)


@pytest.mark.parametrize("field", ["tools", "response_format"])
def test_a_schema_that_nests_for_ever_is_refused(field: str) -> None:
    schema: Json = {"type": "string"}
    for _ in range(300):
        schema = {"type": "array", "items": schema}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    value = [tool] if field == "tools" else ResponseFormat(schema=schema)
    with pytest.raises(AdapterError) as caught:
        native(**{field: value})
    assert caught.value.param is not None
    assert caught.value.param.startswith(field)


def test_settings_stand_in_for_what_a_request_leaves_out() -> None:
    settings = {"temperature": 0.2, "max_tokens": 100}
    assert native(settings=settings).body["generationConfig"] == {
        "temperature": 0.2,
        "maxOutputTokens": 100,
    }
    call = native(settings=settings, max_tokens=5, params={"temperature": 1})
    assert call.body["generationConfig"] == {"temperature": 1, "maxOutputTokens": 5}


@pytest.mark.parametrize(
    "name", ["with space", "9lives", "schnörkel", "a/b", "x" * 65, "a:b", "$ref", "-a"]
)
def test_a_function_name_that_gemini_refuses_is_replaced_everywhere(name: str) -> None:
    tool = {"type": "function", "function": {"name": name}}
    call = {"id": "c", "type": "function", "function": {"name": name, "arguments": "{}"}}
    body = native(
        messages=[
            *HI,
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "ok"},
        ],
        tools=[tool],
        tool_choice="required",
        forced_tool=name,
    ).body
    [declared] = body["tools"][0]["functionDeclarations"]
    [allowed] = body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"]
    called = body["contents"][1]["parts"][0]["functionCall"]["name"]
    answered = body["contents"][2]["parts"][0]["functionResponse"]["name"]
    assert {declared["name"], allowed, called, answered} == {declared["name"]}
    assert declared["name"][0].isascii()
    assert declared["name"][0] == "_"
    assert len(declared["name"]) <= 64


def test_two_names_that_look_alike_stay_two() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("a b", "a/b", "a_b")]
    declared = native(tools=tools).body["tools"][0]["functionDeclarations"]
    assert len({function["name"] for function in declared}) == 3
