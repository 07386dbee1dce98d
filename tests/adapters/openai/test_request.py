"""What a request becomes at each house, by its profile."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.base import AdapterError, ErrorKind, Json, ResponseFormat, Thinking
from adapters.openai.profiles import PRESETS
from tests.adapters.kit import FakeUpstream
from tests.adapters.openai.kit import adapter, added, native

TOOL: Json = {"type": "function", "function": {"name": "turn", "parameters": {"type": "object"}}}
SCHEMA = ResponseFormat({"type": "object", "properties": {}}, name="way")
WIDE = ("openai", "openrouter", "lmstudio")


def test_nothing_is_added_to_the_plainest_request_that_goes_elsewhere() -> None:
    for name, profile in PRESETS.items():
        if not profile.local:
            assert added(name) == ({}, ()), name


def test_at_home_a_plain_answer_comes_as_a_stream_that_shows_work_going_on() -> None:
    for name in ("lmstudio", "llamacpp", "vllm", "jan"):
        assert native(name).stream, name
        assert not native(name, n=2).stream


def test_a_stream_is_asked_to_count_where_that_is_known() -> None:
    for name, profile in PRESETS.items():
        assert added(name, stream=True) == (streamed(name), ()), name
        assert ("stream_options" in streamed(name)) == profile.usage_option
    assert not PRESETS["mistral"].usage_option


def streamed(name: str) -> Json:
    """What asks `name` for a stream."""
    options = {"stream_options": {"include_usage": True}} if PRESETS[name].usage_option else {}
    return {"stream": True, **options}


def test_each_parameter_goes_under_the_houses_own_name_or_is_told_to_be_lost() -> None:
    params: Json = {"temperature": 0.5, "seed": 7, "user": "u", "verbosity": "low"}
    for name, profile in PRESETS.items():
        body, warnings = added(name, params=params, max_tokens=9)
        assert body.pop(profile.max_tokens) == 9, name
        kept = {
            profile.spelled.get(key, key): params[key] for key in params if key in profile.takes
        }
        assert body == kept | (streamed(name) if profile.local else {}), name
        assert set(warnings) == {f"dropped={key}" for key in params.keys() - profile.takes}, name


def test_mistral_has_words_of_its_own() -> None:
    body, _ = added("mistral", params={"seed": 7}, tools=[TOOL], tool_choice="required")

    assert (body["random_seed"], body["tool_choice"]) == (7, "any")
    assert (
        native("groq-like", tools=[TOOL], tool_choice="required").body["tool_choice"] == "required"
    )


def test_ids_of_calls_are_as_long_as_they_must_be_and_stay_a_pair() -> None:
    call = {"id": "call_of_somebody", "type": "function", "function": TOOL["function"]}
    call["function"] = {"name": "turn", "arguments": "{}"}
    messages: list[Json] = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": None, "tool_calls": [call, {**call, "id": "abcdefgh9"}]},
        {"role": "tool", "tool_call_id": "call_of_somebody", "content": "left"},
        {"role": "tool", "tool_call_id": "abcdefgh9", "content": "right"},
    ]
    sent = native("mistral", messages=messages).body["messages"]
    ids = [call["id"] for call in sent[1]["tool_calls"]]

    assert [message["tool_call_id"] for message in sent[2:]] == ids
    assert ids[1] == "abcdefgh9" and len(ids[0]) == 9 and ids[0].isalnum()


@pytest.mark.parametrize(
    ("name", "thinking", "body", "warnings"),
    [
        ("openai", Thinking(effort="high"), {"reasoning_effort": "high"}, ()),
        (
            *("openai", Thinking(budget_tokens=500), {"reasoning_effort": "low"}),
            ("changed=reasoning_effort",),
        ),
        ("openrouter", Thinking(effort="low"), {"reasoning": {"effort": "low"}}, ()),
        (
            *("openrouter", Thinking(budget_tokens=500, include=False)),
            *({"reasoning": {"max_tokens": 500, "exclude": True}}, ()),
        ),
        ("deepseek", Thinking(effort="low"), {"reasoning_effort": "low"}, ()),
        ("deepseek", Thinking(effort="none"), {"thinking": {"type": "disabled"}}, ()),
        ("mistral", Thinking(effort="none"), {"reasoning_effort": "none"}, ()),
    ],
)
def test_effort_goes_as_each_takes_it(
    name: str, thinking: Thinking, body: Json, warnings: tuple[str, ...]
) -> None:
    assert added(name, thinking=thinking) == (body, warnings)


def test_a_schema_goes_along_or_becomes_words() -> None:
    for name in WIDE:
        form = added(name, response_format=SCHEMA)[0]["response_format"]
        assert form["json_schema"] == {"name": "way", "schema": SCHEMA.schema}
    body, warnings = added("deepseek", response_format=SCHEMA)

    assert body["response_format"] == {"type": "json_object"}
    assert "properties" in str(body["messages"][0])
    assert warnings == ("emulated=response_format",)


def test_what_openai_does_not_define_goes_to_those_who_have_more() -> None:
    extensions = {"top_k": 5, "think": True, "groq": {}, "openai": {"seed": 3}}

    body, warnings = added("llamacpp", extensions=extensions)
    assert (body, warnings) == ({"top_k": 5, "seed": 3, **streamed("llamacpp")}, ())
    assert added("openai", extensions=extensions) == ({"seed": 3}, ("dropped=top_k",))


@pytest.mark.parametrize(
    ("name", "param", "fields"),
    [
        (
            "cerebras",
            "web_search_options",
            {"params": {"web_search_options": {"search_context_size": "low"}}},
        ),
        ("lmstudio", "web_search_options", {"params": {"web_search_options": {}}}),
        ("mistral", "logprobs", {"params": {"logprobs": True}}),
        ("openai", "modalities", {"params": {"modalities": ["text", "audio"]}}),
        ("cerebras", "audio", {"params": {"modalities": ["text"], "audio": {"voice": "x"}}}),
        ("deepseek", "messages[0].content[0]", {"messages": "audio"}),
    ],
)
def test_what_would_make_another_answer_is_refused(
    name: str, param: str, fields: dict[str, Any]
) -> None:
    if fields.get("messages") == "audio":
        part = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
        fields = {"messages": [{"role": "user", "content": [part]}]}
    with pytest.raises(AdapterError) as caught:
        native(name, **fields)

    assert (caught.value.kind, caught.value.param) == (ErrorKind.UNSUPPORTED, param)


def test_an_empty_wish_is_left_out_with_a_word() -> None:
    assert added("cerebras", params={"audio": {}}) == ({}, ("dropped=audio",))


def test_pictures_can_be_asked_of_a_house_that_makes_them() -> None:
    wanted = {"modalities": ["image", "text"]}

    assert added("openrouter", params=wanted)[0] == wanted


def test_several_choices_go_in_one_call_where_they_can() -> None:
    assert added("openai", n=3)[0] == {"n": 3}
    assert added("deepseek", n=3)[0] == {}


def test_a_file_of_text_goes_as_text_to_any_server() -> None:
    file = {"filename": "a.txt", "file_data": "data:text/plain;base64,aGk="}
    message = {"role": "user", "content": [{"type": "file", "file": file}]}
    for name in ("lmstudio", "cerebras"):
        body = native(name, messages=[message]).body
        assert body["messages"] == [{"role": "user", "content": "a.txt:\nhi"}]
        assert adapter(FakeUpstream().upstream, name).capabilities("m").files


def test_audio_files_and_names_go_as_they_are_where_they_are_taken() -> None:
    parts: list[Json] = [
        {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,QQ=="}},
    ]
    message = {"role": "user", "content": parts, "name": "ann"}

    assert native("openai", messages=[message]).body["messages"] == [message]
