"""Everything else of a request: tools, how to answer, what goes to Google alone."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from adapters.base import Json, Thinking
from adapters.translation.cached_content import CACHE
from proxy.doors import request_at
from proxy.doors.gemini.read import model_name, parse_request
from proxy.doors.gemini.schema import in_camels, json_schema
from proxy.errors import ApiError
from tests.proxy.doors.gemini.kit import HELLO, asked, parsed

SCHEMA: Json = {
    "type": "OBJECT",
    "properties": {
        "min_items": {"type": "STRING", "format": "enum", "enum": ["a", "b"], "nullable": True},
        "list": {"type": "ARRAY", "items": {"type": "INTEGER", "minimum": 1}, "min_items": "3"},
        "any": {"any_of": [{"type": "NUMBER"}, {"type": "STRING", "maxLength": "5"}]},
    },
    "property_ordering": ["any", "list"],
    "required": ["any"],
    "example": {"any": 1},
}
WEATHER = {"name": "weather", "description": "Tells it.", "parameters": SCHEMA}
TIME = {"name": "time", "parametersJsonSchema": {"type": "object", "properties": {}}}


def test_a_schema_is_json_schema_in_the_order_that_is_told() -> None:
    found = json_schema(SCHEMA)

    assert found == {
        "type": "object",
        "properties": {
            "any": {"anyOf": [{"type": "number"}, {"type": "string", "maxLength": 5}]},
            "list": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 3},
            "min_items": {"type": ["string", "null"], "enum": ["a", "b", None]},
        },
        "required": ["any"],
    }
    assert list(found["properties"]) == ["any", "list", "min_items"]
    assert json_schema(found) == found
    assert in_camels(SCHEMA)["propertyOrdering"] == ["any", "list"]
    assert in_camels(SCHEMA)["properties"]["list"]["minItems"] == "3"
    assert "min_items" in in_camels(SCHEMA)["properties"]
    numbered = {"type": 6, "properties": {"type": {"type": 5, "items": {"type": 3}}}}
    items = {"type": "ARRAY", "items": {"type": "INTEGER"}}
    worded = {"type": "OBJECT", "properties": {"type": items}}
    assert in_camels(numbered) == worded and json_schema(numbered) == json_schema(worded)


def test_functions_are_what_all_have_and_what_google_was_to_have() -> None:
    for spelled in ("functionDeclarations", "function_declarations"):
        weather, time = asked(tools=[{spelled: [WEATHER, TIME]}, {spelled: []}]).tools
        assert weather["function"]["parameters"] == json_schema(SCHEMA)
        assert time["function"] == {"name": "time", "parameters": TIME["parametersJsonSchema"]}
        native = weather["extra_content"]["google"]["declaration"]
        assert native == WEATHER | {"parameters": in_camels(SCHEMA)}


@pytest.mark.parametrize(
    ("mode", "allowed", "expected"),
    [
        ("AUTO", [], ("auto", None, 2)),
        ("auto", [], ("auto", None, 2)),
        (2, [], ("required", None, 2)),
        ("NONE", [], ("none", None, 2)),
        ("ANY", [], ("required", None, 2)),
        ("ANY", ["time"], ("required", "time", 1)),
        ("ANY", ["time", "weather"], ("required", None, 2)),
        ("VALIDATED", ["time"], ("auto", None, 1)),
        ("MODE_UNSPECIFIED", [], ("auto", None, 2)),
    ],
)
def test_how_tools_may_be_used(mode: Any, allowed: list[str], expected: Any) -> None:
    calling = {"mode": mode, "allowed_function_names": allowed}
    found = asked(
        tools=[{"functionDeclarations": [WEATHER, TIME]}],
        tool_config={"function_calling_config": calling},
    )

    assert (found.tool_choice, found.forced_tool, len(found.tools)) == expected
    own = found.extensions.get("gemini")
    assert own == (
        {"toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}}}
        if mode == "VALIDATED"
        else None
    )


def test_a_search_is_for_all_and_other_tools_are_for_google() -> None:
    for name in ("googleSearch", "google_search", "googleSearchRetrieval"):
        assert asked(tools=[{name: {}}]).params == {"web_search_options": {}}
    for mode, extensions in (("AUTO", {"tools.web_search": {}}), ("ANY", {})):
        beside = asked(
            tools=[{"googleSearch": {}}, {"functionDeclarations": [TIME]}],
            toolConfig={"functionCallingConfig": {"mode": mode}},
        )
        assert (beside.params, beside.extensions) == ({}, extensions)
    found = asked(tools=[{"codeExecution": {}}, {"url_context": {}}])
    assert found.extensions == {
        "gemini": {"tools": [{"codeExecution": {}}, {"urlContext": {}}]},
        "tools.codeExecution": True,
        "tools.urlContext": True,
    }


def test_how_to_answer_in_both_spellings() -> None:
    for config in (
        {"topP": 0.5, "maxOutputTokens": 9, "stopSequences": ["x", ""], "candidateCount": 2},
        {"top_p": "0.5", "max_output_tokens": "9", "stop_sequences": ["x"], "candidate_count": 2.0},
    ):
        found = asked(generationConfig={**config, "topK": 64.0, "seed": 7, "temperature": 1})
        assert found.params == {"top_p": 0.5, "seed": 7, "temperature": 1}
        assert (found.max_tokens, found.stop, found.n) == (9, ("x",), 2)
        assert found.extensions == {"top_k": 64}


def test_probabilities_and_sound_are_asked_for() -> None:
    config: Json = {"responseLogprobs": True, "logprobs": 3}
    assert asked(generationConfig=config).params == {"logprobs": True, "top_logprobs": 3}
    speech = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}
    found = asked(generationConfig={"responseModalities": ["AUDIO"], "speechConfig": speech})
    assert found.params == {"modalities": ["audio"], "audio": {"format": "pcm16"}}
    assert found.extensions["gemini"] == {"generationConfig": {"speechConfig": speech}}
    assert asked(generationConfig={"responseModalities": ["TEXT"]}).params == {}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, Thinking(include=False)),
        ({}, Thinking(include=False)),
        ({"includeThoughts": True}, Thinking(include=True)),
        ({"thinkingBudget": 0}, Thinking(budget_tokens=0, include=False)),
        ({"thinking_budget": -1}, Thinking(budget_tokens=-1, include=False)),
        ({"thinkingLevel": "low", "include_thoughts": True}, Thinking("low", include=True)),
        ({"thinkingLevel": "XHIGH"}, Thinking("xhigh", include=False)),
        ({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, Thinking(include=False)),
    ],
)
def test_thoughts_are_shown_to_who_asks_for_them(config: Any, expected: Thinking) -> None:
    form = parsed(generationConfig={"thinkingConfig": config})

    assert form.request.thinking == expected
    assert form.thoughts == expected.include


def test_json_is_asked_for_by_a_schema_of_either_kind() -> None:
    kind = {"responseMimeType": "application/json"}
    plain = asked(generationConfig=kind).response_format
    assert plain is not None and plain.schema is None
    for name, schema in (("responseSchema", SCHEMA), ("responseJsonSchema", json_schema(SCHEMA))):
        found = asked(generationConfig={**kind, name: schema})
        assert found.response_format and found.response_format.schema == json_schema(SCHEMA)
        own = found.extensions["gemini"]["generationConfig"]
        assert own == {**kind, name: in_camels(schema)}
    for kind_ in ("application/json", "APPLICATION_JSON"):
        text = {"mimeType": kind_, "schema": json_schema(SCHEMA)}
        found = asked(generationConfig={"responseFormat": {"text": text}})
        assert found.response_format and found.response_format.schema == json_schema(SCHEMA)
    assert asked(generationConfig={"responseMimeType": "text/plain"}).response_format is None


def test_one_word_of_an_enumeration_comes_in_an_object() -> None:
    schema = {"type": "STRING", "enum": ["happy", "sad"]}
    form = parsed(generationConfig={"responseMimeType": "text/x.enum", "responseSchema": schema})

    wanted = form.request.response_format
    assert form.is_word and wanted
    assert wanted.schema["properties"] == {"value": {"type": "string", "enum": ["happy", "sad"]}}


def test_what_google_alone_understands_is_dropped_by_name_elsewhere() -> None:
    found = asked(
        safety_settings=[{"category": "X", "threshold": "OFF"}],
        generationConfig={"mediaResolution": "MEDIA_RESOLUTION_LOW", "newThing": 1},
        labels={"a": "b"},
        service_tier="SERVICE_TIER_FLEX",
        keep_alive="5m",
    )
    assert found.extensions == {
        "gemini": {
            "safetySettings": [{"category": "X", "threshold": "OFF"}],
            "generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"},
        },
        "safetySettings": True,
        "generationConfig.mediaResolution": True,
        "generationConfig.newThing": True,
        "keep_alive": "5m",
    }
    assert found.params == {"service_tier": "flex"}


def test_kept_contents_are_named_to_whoever_keeps_them() -> None:
    for spelled in ("cachedContent", "cached_content"):
        assert asked(**{spelled: "cachedContents/1"}).extensions == {CACHE: "cachedContents/1"}
        assert asked(**{spelled: None}).extensions == {}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"cachedContent": {"name": "cachedContents/1"}}, "cachedContent"),
        ({"generationConfig": 1}, "generationConfig"),
        ({"generationConfig": {"temperature": 3}}, "generationConfig.temperature"),
        ({"generationConfig": {"topP": True}}, "generationConfig.topP"),
        ({"generationConfig": {"seed": 1.5}}, "generationConfig.seed"),
        ({"generationConfig": {"seed": "x" * 99}}, "generationConfig.seed"),
        ({"generationConfig": {"candidateCount": 5}}, "generationConfig.candidateCount"),
        ({"generationConfig": {"stopSequences": list("abcdef")}}, "generationConfig.stopSequences"),
        ({"generationConfig": {"responseMimeType": "a/b"}}, "generationConfig.responseMimeType"),
        ({"generationConfig": {"responseSchema": {}}}, "generationConfig.responseMimeType"),
        ({"generationConfig": {"thinkingConfig": {"thinkingLevel": "?"}}},
         "generationConfig.thinkingConfig.thinkingLevel"),
        ({"tools": [1]}, "tools[0]"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
        ({"tools": [{"functionDeclarations": [TIME]}],
          "toolConfig": {"functionCallingConfig": {"mode": "SOME"}}},
         "toolConfig.functionCallingConfig.mode"),
        ({"tools": [{"functionDeclarations": [TIME]}],
          "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["x"]}}},
         "toolConfig.functionCallingConfig.allowedFunctionNames"),
        ({"systemInstruction": 1}, "systemInstruction"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_its_name(body: Json, param: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_request(HELLO | body, "m")
    assert (caught.value.status, caught.value.param) == (400, param)


def test_a_models_name_stands_in_the_path() -> None:
    for path in ("models/a/b:8b", "a/b:8b", "publishers/google/models/a/b:8b"):
        assert model_name(path) == "a/b:8b"
    for path in ("", "models/", "models/..", "models/a//b", "models/\n", "models/" + "x" * 200):
        with pytest.raises(ApiError, match="is not found for API version") as caught:
            model_name(path)
        assert caught.value.status == 404


def test_a_request_is_explained_by_the_doors_name() -> None:
    body = {**HELLO, "model": "models/gemini-2.5-flash"}
    for given, name in ((body, "gemini-2.5-flash"), (HELLO, "default")):
        assert request_at("gemini", orjson.dumps(given)).model == name
    path = "/v1beta/models/a/b:8b:streamGenerateContent"
    assert request_at(path, orjson.dumps(HELLO)).model == "a/b:8b"
