"""What a request becomes at Bedrock, and what is lost on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.base import AdapterError, ErrorKind, Json, Phase, ResponseFormat, Thinking
from tests.adapters.bedrock.kit import CLAUDE, NOVA, native
from tests.adapters.kit import TOOL, DictMemory

PNG = "data:image/png;base64,iVBORw0KGgo="


def call(name: str = "a", arguments: str = "{}") -> Json:
    function = {"name": "weather", "arguments": arguments}
    return {"id": name, "type": "function", "function": function}


def turns(*messages: Json, **fields: Any) -> list[Json]:
    found: list[Json] = native(messages=list(messages), **fields).body["messages"]
    return found


def user(content: Any) -> Json:
    return {"role": "user", "content": content}


def refusal(**fields: Any) -> AdapterError:
    with pytest.raises(AdapterError) as caught:
        native(**fields)
    assert caught.value.phase is Phase.BEFORE_SEND
    return caught.value


# Where it goes


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (NOVA, "/model/amazon.nova-lite-v1%3A0/converse"),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.x.y",
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x.y/converse",
        ),
    ],
)
def test_the_models_name_is_one_step_of_the_path(model: str, path: str) -> None:
    assert native(model=model).path == path
    assert native(model=model, stream=True).path == f"{path}-stream"


@pytest.mark.parametrize("model", ["../x", "a b", "a?b", "é", "", "-x", "a#b", "a%2fb"])
def test_what_is_no_models_name_is_not_asked_for(model: str) -> None:
    assert refusal(model=model).kind is ErrorKind.MODEL_MISSING


# Turns


def test_roles_alternate_and_the_users_comes_first() -> None:
    said = {"role": "assistant", "content": "Hm."}
    assert [t["role"] for t in turns(said, user("a"), user("b"), said, said)] == [
        *("user", "assistant", "user", "assistant"),
    ]
    assert turns(user("a"), user(" "), user("b")) == [
        {"role": "user", "content": [{"text": "a"}, {"text": "b"}]}
    ]


def test_results_follow_their_calls_in_their_order_wherever_they_stood() -> None:
    found = turns(
        user("go"),
        {"role": "assistant", "content": None, "tool_calls": [call("a"), call("b")]},
        user("meanwhile"),
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "1"}]},
        tools=[TOOL],
    )
    after = found[2]["content"]
    ids = [block["toolResult"]["toolUseId"] for block in after if "toolResult" in block]
    assert ids == ["a", "b"]
    assert after[0]["toolResult"]["content"] == [{"text": "1"}]
    assert after[2] == {"text": "meanwhile"}


def test_a_call_without_a_result_gets_one() -> None:
    messages = [user("go"), {"role": "assistant", "tool_calls": [call("a")]}]
    sent = native(messages=messages, tools=[TOOL])
    [block] = sent.body["messages"][2]["content"]
    assert block["toolResult"]["content"] == [{"text": "no result supplied"}]
    assert sent.warnings == ("emulated=tool_result",)


def test_a_result_may_hold_pictures_be_an_error_or_nothing() -> None:
    picture = {"type": "image_url", "image_url": {"url": PNG}}
    calls = [call("a"), call("b"), call("c")]
    found = turns(
        user("go"),
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": [picture]},
        {"role": "tool", "tool_call_id": "b", "content": "no", "is_error": True},
        {"role": "tool", "tool_call_id": "c", "content": ""},
        tools=[TOOL],
    )
    first, second, third = (block["toolResult"] for block in found[2]["content"])
    source = {"bytes": "iVBORw0KGgo="}
    assert first["content"] == [{"image": {"format": "png", "source": source}}]
    assert (second["status"], "status" in first) == ("error", False)
    assert third["content"] == [{"text": "(no output)"}]


@pytest.mark.parametrize("fields", [{}, {"tools": [TOOL], "tool_choice": "none"}])
def test_without_tools_at_hand_calls_are_told_as_text(fields: Json) -> None:
    messages = [
        user("go"),
        {"role": "assistant", "tool_calls": [call("a", '{"city":"Oslo"}')]},
        {"role": "tool", "tool_call_id": "a", "content": "rain"},
    ]
    sent = native(messages=messages, **fields)
    assert "toolConfig" not in sent.body
    assert sent.body["messages"][1]["content"] == [
        {"text": '[called weather with {"city":"Oslo"}]'}
    ]
    assert sent.body["messages"][2]["content"] == [{"text": "[weather gave: rain]"}]
    assert sent.warnings == ("changed=messages.tool_calls",)


def test_documents_have_names_of_their_own_and_a_word_beside_them() -> None:
    files = [
        {"type": "file", "file": {"filename": name, "file_data": data}}
        for name, data in (
            ("a/Träum.e .pdf", "JVBERi0="),
            ("a/Träum.e .pdf", "data:application/pdf;base64,JVBERi0="),
            ("x.csv", "data:application/octet-stream;base64,YSxi"),
            ("y.json", "data:application/json,%7B%7D"),
            ("z.csv", "data:,a"),
            ("run.sql", "data:text/plain,a"),
        )
    ]
    sent = native(messages=[user(files)])
    blocks = sent.body["messages"][0]["content"]
    told = [(one["document"]["format"], one["document"]["name"]) for one in blocks[:-1]]
    assert told == [
        *(("pdf", "Tr um e"), ("pdf", "Tr um e (2)"), ("csv", "x"), ("txt", "y")),
        *(("csv", "z"), ("txt", "run")),
    ]
    assert blocks[-1] == {"text": "This is a document."}
    assert sent.warnings == ("changed=messages.content",)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/bmp;base64,AA=="}},
        {"type": "input_audio", "input_audio": {"format": "midi", "data": "AA=="}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"filename": "x.zip", "file_data": "AA=="}},
        {"type": "video", "video": {}},
    ],
)
def test_what_it_does_not_take_is_refused_where_it_stands(part: Json) -> None:
    error = refusal(messages=[user([{"type": "text", "text": "x"}, part])])
    assert error.kind is ErrorKind.UNSUPPORTED
    assert str(error.param).startswith("messages[0].content[1]")


def test_names_and_ids_are_made_fit_and_the_same_ones_stay_the_same() -> None:
    odd = call("id with / spaces")
    odd["function"]["name"] = "files.read it"
    tool = {"type": "function", "function": {"name": "files.read it"}}
    sent = native(
        messages=[
            user("go"),
            {"role": "assistant", "tool_calls": [odd]},
            {"role": "tool", "tool_call_id": "id with / spaces", "content": "x"},
        ],
        tools=[tool],
    )
    used = sent.body["messages"][1]["content"][0]["toolUse"]
    assert used["name"] == sent.body["toolConfig"]["tools"][0]["toolSpec"]["name"]
    assert used["toolUseId"] == sent.body["messages"][2]["content"][0]["toolResult"]["toolUseId"]


def test_the_names_of_several_users_stand_before_their_words() -> None:
    sent = native(messages=[{**user("a"), "name": "Ann"}, {**user("b"), "name": "Bob"}])
    assert sent.body["messages"][0]["content"] == [{"text": "Ann: a"}, {"text": "Bob: b"}]
    assert sent.warnings == ("changed=messages.name",)


# Parameters


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, {"auto": {}}),
        ({"tool_choice": "required"}, {"any": {}}),
        ({"tool_choice": "required", "forced_tool": "weather"}, {"tool": {"name": "weather"}}),
    ],
)
def test_tool_choice(fields: Json, choice: Json | None) -> None:
    config = native(tools=[TOOL], **fields).body["toolConfig"]
    assert config.get("toolChoice") == choice
    assert config["tools"][0]["toolSpec"]["inputSchema"] == {"json": TOOL["function"]["parameters"]}


def test_what_has_no_place_is_named() -> None:
    params = {"seed": 1, "logit_bias": {"1": 2}, "store": False, "temperature": 2}
    sent = native(params=params, extensions={"top_k": 4, "keep_alive": 1, "strange": 1})
    assert sent.warnings == (
        *("changed=temperature", "dropped=seed", "dropped=logit_bias", "dropped=strange"),
    )
    assert sent.body["inferenceConfig"] == {"temperature": 1.0}
    assert sent.body["additionalModelRequestFields"] == {"top_k": 4}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("logprobs", True),
        ("audio", {"voice": "x"}),
        ("web_search_options", {"a": 1}),
        ("modalities", ["text", "audio"]),
        ("moderation", {"policy": {"input": {"mode": "block"}}}),
    ],
)
def test_what_the_answer_would_be_another_one_without_is_refused(name: str, value: Any) -> None:
    error = refusal(params={name: value})
    assert (error.kind, error.param) == (ErrorKind.UNSUPPORTED, name)


def test_json_is_asked_for_by_a_format_or_in_words() -> None:
    schema = {"type": "object"}
    sent = native(response_format=ResponseFormat(schema, "out", "what"))
    wanted = {"schema": '{"type":"object"}', "name": "out", "description": "what"}
    form = {"type": "json_schema", "structure": {"jsonSchema": wanted}}
    assert sent.body["outputConfig"] == {"textFormat": form}
    bare = native(response_format=ResponseFormat())
    assert bare.warnings == ("emulated=response_format",)
    assert "JSON" in bare.body["system"][0]["text"]


# Thinking

ADAPTIVE = {"type": "adaptive"}
FOR_1024_TOKENS = {"type": "enabled", "budget_tokens": 1024}


@pytest.mark.parametrize(
    ("model", "thinking", "fields", "effort", "warnings"),
    [
        (
            CLAUDE,
            Thinking("low"),
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            None,
            (),
        ),
        (
            *("us.anthropic.claude-opus-4-6-v1", Thinking("minimal"), {"thinking": ADAPTIVE}),
            *("low", ()),
        ),
        (
            *("anthropic.claude-next", Thinking(budget_tokens=9000), {"thinking": ADAPTIVE}),
            *("high", ("changed=reasoning_effort",)),
        ),
        (
            *("anthropic.claude-3-5-haiku-20241022-v1:0", Thinking("low"), None, None),
            ("dropped=reasoning_effort",),
        ),
        (
            *("openai.gpt-oss-120b-1:0", Thinking("max"), {"reasoning_effort": "high"}, None),
            ("changed=reasoning_effort",),
        ),
        (
            *("global.amazon.nova-2-lite-v1:0", Thinking("low")),
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}},
            *(None, ()),
        ),
        (NOVA, Thinking("low"), None, None, ("dropped=reasoning_effort",)),
        (CLAUDE, Thinking("none"), None, None, ()),
        (NOVA, Thinking("none"), None, None, ()),
    ],
)
def test_thinking_is_asked_for_as_the_family_wants_it(
    model: str, thinking: Thinking, fields: Json | None, effort: str | None, warnings: Any
) -> None:
    sent = native(model=model, thinking=thinking)
    assert sent.body.get("additionalModelRequestFields") == fields
    assert sent.body.get("outputConfig", {}).get("effort") == effort
    assert sent.warnings == warnings


def test_thinking_gives_way_to_what_does_not_go_with_it() -> None:
    wanted = Thinking("high")
    forced = native(thinking=wanted, tools=[TOOL], tool_choice="required")
    assert "additionalModelRequestFields" not in forced.body
    assert forced.warnings == ("dropped=reasoning_effort",)
    short = native(thinking=wanted, max_tokens=2000, params={"temperature": 0.2})
    budget = short.body["additionalModelRequestFields"]["thinking"]["budget_tokens"]
    assert (budget, short.body["inferenceConfig"]) == (1999, {"maxTokens": 2000})
    assert short.warnings == ("changed=reasoning_effort", "dropped=temperature")
    assert "additionalModelRequestFields" not in native(thinking=wanted, max_tokens=900).body


def test_thoughts_that_led_to_a_call_go_back_with_it_to_the_same_model() -> None:
    thought = {"reasoningContent": {"reasoningText": {"text": "t", "signature": "s"}}}
    kept = {"model": CLAUDE.removeprefix("us."), "blocks": [thought]}
    memory = DictMemory()
    memory.put("bedrock-thoughts:a", json.dumps(kept))
    messages = [user("go"), {"role": "assistant", "content": "So:", "tool_calls": [call("a")]}]
    fields: Json = {"messages": messages, "tools": [TOOL], "thinking": Thinking("low")}
    models = (f"eu{CLAUDE[2:]}", "us.anthropic.claude-opus-4-1-20250805-v1:0")
    same, other = (native(memory, model=one, **fields) for one in models)
    assert same.body["messages"][1]["content"][0] == thought
    assert "thinking" in same.body["additionalModelRequestFields"]
    assert other.body["messages"][1]["content"][0] == {"text": "So:"}
    assert "dropped=reasoning_effort" in other.warnings
