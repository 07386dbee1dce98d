"""The stream's grammar, and that it says what the one object says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, strategies as st

from adapters.base import (
    Annotation,
    Event,
    Finish,
    Json,
    Logprobs,
    Media,
    Reasoning,
    Refusal,
    Start,
    Text,
    ToolCall,
    Usage,
    Warn,
)
from proxy.doors.responses.items import Thought, unsealed
from proxy.doors.responses.write import ResponseStream
from proxy.doors.writing import blocks
from proxy.doors.writing.blocks import BlockFold
from proxy.errors import ApiError
from tests.proxy.doors.responses.kit import Grammar, alike, box_of, folded, form, streamed

CITED = {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2}
ANSWERS: Mapping[str, tuple[Sequence[Event], list[str]]] = {
    "text": ([Text("Hel"), Text("lo"), Finish("stop")], ["message"]),
    "nothing": ([Finish("stop")], []),
    "thought first": ([Reasoning("Hm"), Reasoning("."), Text("Yes")], ["reasoning", "message"]),
    "refusal": ([Refusal("I can"), Refusal("not")], ["message"]),
    "text, then refusal": ([Text("I "), Refusal("cannot")], ["message"]),
    "one call": ([ToolCall(0, "f", '{"a":1}'), Finish("tool_calls")], ["function_call"]),
    "a call without arguments": ([ToolCall(0, "f")], ["function_call"]),
    "calls in pieces": (
        [
            ToolCall(0, "f", '{"a"'),
            ToolCall(1, "g", "{"),
            ToolCall(0, "", ":1}"),
            ToolCall(1, "", "}"),
        ],
        ["function_call", "function_call"],
    ),
    "whole calls": ([ToolCall(n, "f", "{}") for n in range(3)], ["function_call"] * 3),
    "text and a call": ([Text("So:"), ToolCall(0, "f", "{}")], ["message", "function_call"]),
    "cited": (
        [Text("Hi"), Annotation({"type": "url_citation", "url_citation": CITED})],
        ["message"],
    ),
    "a picture": ([Text("Look"), Media("image/png", "AAAA")], ["message", "image_generation_call"]),
    "probable": ([Text("Hi"), Logprobs([{"token": "Hi", "logprob": -1.0}])], ["message"]),
    "warned": ([Warn("rescued=tool_calls"), Text("Hi")], ["message"]),
}


def test_a_large_call_that_is_not_whole_is_read_once_however_much_waits_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[int] = []
    monkeypatch.setattr(blocks, "are_whole", lambda pieces: read.append(len(pieces)))
    events = [ToolCall(0, "f", '{"a":"'), *[ToolCall(1, "g", " ")] * 100, ToolCall(0, "", '"}')]

    response = folded(events)

    assert read == [1]
    assert [item["arguments"] for item in response["output"]] == ['{"a":""}', " " * 100]


@pytest.mark.parametrize("name", ANSWERS)
def test_the_stream_and_the_object_say_the_same(name: str) -> None:
    events, kinds = ANSWERS[name]
    begun = [Start(model="real"), *events, Usage(3, 5, reasoning=2, cached=1)]
    stream, response = streamed(begun), folded(begun)

    assert [item["type"] for item in stream.output] == kinds
    assert alike(stream.response) == alike(response)
    assert response["status"] == "completed" and response["model"] == "real"
    assert response["usage"] == {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 8,
    }


EVENTS = st.one_of(
    st.text(max_size=3).map(Text),
    st.text(max_size=3).map(Reasoning),
    st.text(max_size=3).map(Refusal),
    st.builds(ToolCall, st.integers(0, 2), st.just("f"), st.sampled_from(["", "{", "}", "{}"])),
    st.sampled_from(["stop", "length", "tool_calls", "content_filter"]).map(Finish),
    st.just(Annotation({"type": "url_citation", "url_citation": CITED})),
    st.just(Media("image/png", "AAAA")),
    st.just(Usage(1, 2)),
)


@given(st.lists(EVENTS, max_size=12), st.booleans())
def test_whatever_comes_the_grammar_holds(events: list[Event], seals: bool) -> None:
    assert alike(streamed(events, form(seals=seals)).response) == alike(
        folded(events, form(seals=seals))
    )


@pytest.mark.parametrize(
    ("reason", "word"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
def test_an_answer_that_is_cut_short_is_incomplete(reason: str, word: str) -> None:
    response = streamed([Text("Hal"), Finish(reason)]).response

    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": word})
    assert response["output"][-1]["status"] == "incomplete"


def test_a_failure_on_the_way_is_told_in_both_forms_and_ends_the_response() -> None:
    stream = ResponseStream(form())
    data = stream.feed([Text("Hal")])
    data += stream.fail(ApiError(502, "It broke.", type_="api_error", code="upstream_error"))
    read = Grammar(data)

    assert [error["code"] for error in read.errors] == ["upstream_error"]
    assert read.response["status"] == "failed"
    assert read.response["error"] == {"code": "upstream_error", "message": "It broke."}
    assert read.output[-1]["content"][0]["text"] == "Hal"
    assert read.output[-1]["status"] == "incomplete"


CALLS: Mapping[str, tuple[Json, Json, Json]] = {
    "custom": (
        {"type": "custom", "name": "run"},
        {"input": "ls -l"},
        {"type": "custom_tool_call", "name": "run", "input": "ls -l"},
    ),
    "local_shell": (
        {"type": "local_shell"},
        {"command": ["ls"]},
        {"type": "local_shell_call", "action": {"type": "exec", "env": {}, "command": ["ls"]}},
    ),
    "shell": (
        {"type": "shell", "environment": {"type": "local"}},
        {"commands": ["ls"]},
        {
            "type": "shell_call",
            "action": {"commands": ["ls"], "timeout_ms": None, "max_output_length": None},
        },
    ),
    "apply_patch": (
        {"type": "apply_patch"},
        {"type": "delete_file", "path": "a"},
        {"type": "apply_patch_call", "operation": {"type": "delete_file", "path": "a"}},
    ),
    "tool_search": (
        {"type": "tool_search", "execution": "client", "description": "Finds."},
        {"query": "a"},
        {"type": "tool_search_call", "execution": "client", "arguments": {"query": "a"}},
    ),
    "namespace": (
        {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}]},
        {"a": 1},
        {"type": "function_call", "name": "f", "namespace": "n", "arguments": '{"a": 1}'},
    ),
}


@pytest.mark.parametrize("kind", CALLS)
def test_a_call_comes_back_as_the_tool_that_its_function_stands_for(kind: str) -> None:
    tool, arguments, expected = CALLS[kind]
    box = box_of(tool)
    [function] = [one["function"]["name"] for one in box.functions]
    call = ToolCall(0, function, json.dumps(arguments), id="call_9")
    [item] = streamed([call], form(box)).output

    known = ("id", "status")
    assert {name: value for name, value in item.items() if name not in known} == {
        "call_id": "call_9",
        **expected,
    }


def test_a_custom_tool_that_is_given_plain_text_gets_that_text() -> None:
    box = box_of({"type": "custom", "name": "run"})
    [item] = streamed([ToolCall(0, "run", "ls -l")], form(box)).output

    assert item["input"] == "ls -l"


def test_a_signature_travels_with_the_thought_before_its_call() -> None:
    extra: dict[str, Any] = {"extra_content": {"google": {"thought_signature": "sig"}}}
    events = [Reasoning("Hm."), ToolCall(0, "f", "{}", extra=extra), ToolCall(1, "f", "{}")]
    thought, *calls = streamed(events, form(seals=True)).output

    assert unsealed(thought["encrypted_content"]) == Thought("Hm.", extra)
    assert [call["type"] for call in calls] == ["function_call"] * 2
    bare, _ = streamed([ToolCall(0, "f", "{}", extra=extra)], form(seals=True)).output
    assert (bare["type"], bare["summary"]) == ("reasoning", [])
    assert unsealed(bare["encrypted_content"]) == Thought("", extra)


def test_that_the_web_was_searched_shows_in_an_item_of_its_own() -> None:
    box = box_of({"type": "web_search"})
    cited = Annotation({"type": "url_citation", "url_citation": CITED})
    message, search = streamed([Text("Hi"), cited], form(box)).output

    assert message["content"][0]["annotations"] == [{"type": "url_citation", **CITED}]
    assert (search["type"], search["status"]) == ("web_search_call", "completed")
    assert search["action"]["sources"] == [{"type": "url", "url": CITED["url"]}]


def test_what_is_there_when_time_is_up_is_an_incomplete_answer() -> None:
    for before in ([], [ToolCall(0, "f", "{}")]):
        fold = BlockFold(form())
        fold.feed([*before, Text("Hal")])

        assert fold.cut()
        assert json.loads(fold.end())["incomplete_details"] == {"reason": "max_output_tokens"}


@pytest.mark.parametrize("events", [[], [Reasoning("Hm")], [Text("So"), ToolCall(0, "f", "{")]])
def test_neither_a_thought_nor_a_call_alone_is_an_answer(events: list[Event]) -> None:
    fold = BlockFold(form())
    fold.feed(events)

    assert not fold.cut()


def test_a_limit_tells_in_words_when_to_come_back() -> None:
    stream = ResponseStream(form())
    error = ApiError(429, "Slow down.", code="rate_limit_exceeded", retry_after_s=1.5)
    read = Grammar(stream.fail(error))

    assert read.response["error"] == {
        "code": "rate_limit_exceeded",
        "message": "Slow down. Please try again in 1.5s.",
    }
    assert read.errors[0]["message"] == read.response["error"]["message"]
