"""What each role and block of a conversation becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.base import Json
from proxy.doors.messages.messages import messages_of, system_of
from proxy.doors.messages.objects import shown_id
from proxy.errors import ApiError

DATA = {"type": "base64", "media_type": "image/png", "data": "aGk="}
IMAGE = {"type": "image", "source": DATA}
SEEN = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "it"}}
CALLED: Json = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {
            "id": "toolu_1",
            "type": "function",
            "function": {"name": "look", "arguments": '{"at":"it"}'},
        }
    ],
}


def text(words: str) -> Json:
    return {"type": "text", "text": words}


def result(content: Any = ..., **more: Any) -> Json:
    given = {} if content is ... else {"content": content}
    return {"type": "tool_result", "tool_use_id": "toolu_1", **given, **more}


def user(*blocks: Any) -> list[Json]:
    return messages_of([{"role": "user", "content": list(blocks)}])


def after_a_call(*blocks: Any) -> list[Json]:
    said = [{"role": "assistant", "content": [CALL]}, {"role": "user", "content": list(blocks)}]
    first, *rest = messages_of(said)
    assert first == CALLED
    return rest


def test_system_is_one_message_without_what_only_the_vendor_reads() -> None:
    billing = text("x-anthropic-billing-header: cc_version=1")
    blocks = [billing, text("Be brief.") | {"cache_control": {"type": "ephemeral"}}, text("Now.")]

    assert system_of("Be brief.") == [{"role": "system", "content": "Be brief."}]
    assert system_of(blocks) == [{"role": "system", "content": "Be brief.\n\nNow."}]
    assert system_of(None) == system_of("") == system_of([billing]) == []


def test_system_may_stand_among_the_messages() -> None:
    talk = [
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": [text("Be brief.")]},
        {"role": "system", "content": "Now."},
    ]

    assert [(one["role"], one["content"]) for one in messages_of(talk)] == [
        ("user", "Hi"),
        ("system", "Be brief."),
        ("system", "Now."),
    ]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (text("Hi"), "Hi"),
        (IMAGE, [SEEN]),
        (
            {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}},
            [{"type": "image_url", "image_url": {"url": "https://x/a.png"}}],
        ),
        (
            {"type": "document", "source": DATA | {"media_type": "application/pdf"}, "title": "T"},
            [
                {
                    "type": "file",
                    "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "T"},
                }
            ],
        ),
        (
            {"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}},
            [{"type": "file", "file": {"file_url": "https://x/a.pdf", "filename": None}}],
        ),
        (
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "words"},
                "title": "T",
                "context": "C",
                "citations": {"enabled": True},
            },
            "T\nC\nwords",
        ),
        (
            {
                "type": "document",
                "source": {"type": "content", "content": [text("words"), IMAGE]},
                "title": None,
            },
            [text("words"), SEEN],
        ),
        (
            {
                "type": "search_result",
                "title": "T",
                "source": "https://x",
                "content": [text("found")],
            },
            "T\nhttps://x\nfound",
        ),
        ({"type": "tool_reference", "tool_name": "f"}, "The tool f can be used."),
        ({"type": "of_tomorrow", "a": 1}, '{"type":"of_tomorrow","a":1}'),
    ],
)
def test_a_block_of_a_user(block: Json, expected: Any) -> None:
    assert user(block) == [{"role": "user", "content": expected}]
    if isinstance(expected, str):
        assert after_a_call(result([block]))[0]["content"] == expected


@pytest.mark.parametrize("kind", ["image", "document"])
@pytest.mark.parametrize(
    "source", [{"type": "file", "file_id": "file_1"}, {"type": "base64"}, {}, {"type": "url"}, 5]
)
def test_a_source_that_cannot_be_had_is_refused(kind: str, source: Any) -> None:
    with pytest.raises(ApiError) as caught:
        user(text("Hi"), {"type": kind, "source": source})

    assert caught.value.status == 400
    assert str(caught.value.param).startswith("messages.0.content.1.source")


def test_results_come_before_the_words_of_the_same_turn() -> None:
    rest = after_a_call(text("And now?"), result([text("fine"), text("thanks")], is_error=False))

    assert rest == [
        {"role": "tool", "tool_call_id": "toolu_1", "content": "fine\nthanks"},
        {"role": "user", "content": "And now?"},
    ]


@pytest.mark.parametrize("content", [..., None, "", []])
def test_a_result_may_be_empty(content: Any) -> None:
    [told] = after_a_call(result(content))

    assert told == {"role": "tool", "tool_call_id": "toolu_1", "content": ""}


def test_a_result_that_failed_says_so() -> None:
    [told] = after_a_call(result("no such file", is_error=True))

    assert told["is_error"] is True and told["content"] == "no such file"


def test_an_image_in_a_result_is_shown_behind_all_results() -> None:
    rest = after_a_call(result([text("a cat"), IMAGE]), text("What is it?"))

    assert rest == [
        {"role": "tool", "tool_call_id": "toolu_1", "content": "a cat"},
        {
            "role": "user",
            "content": [text("What the call toolu_1 has shown:"), SEEN, text("What is it?")],
        },
    ]


def test_a_result_that_nobody_asked_for_is_refused() -> None:
    with pytest.raises(ApiError) as caught:
        user(text("Hi"), result("fine"))

    assert caught.value.param == "messages.0.content.1.tool_use_id"
    assert "toolu_1" in caught.value.message


def test_thoughts_and_calls_of_the_assistant_go_on_to_those_who_take_them() -> None:
    [told] = messages_of(
        [
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "of another"},
                    {"type": "thinking", "thinking": ""},
                    {"type": "redacted_thinking", "data": "x"},
                    text("I look."),
                    CALL,
                    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                    {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
                    text("Then."),
                ],
            }
        ]
    )

    assert told == CALLED | {"content": "I look.\nThen.", "reasoning": "Hm."}


def test_a_turn_that_says_nothing_is_none() -> None:
    talk: list[Json] = [
        {"role": "user", "content": [text("")]},
        {"role": "assistant", "content": []},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm."}]},
    ]

    assert messages_of(talk) == [{"role": "user", "content": "Hi"}]
    with pytest.raises(ApiError):
        messages_of(talk[:2])


def test_an_id_goes_back_to_its_provider_as_it_was() -> None:
    shown = shown_id("functions.f:0")
    call = CALL | {"id": shown}
    said = [
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result("ok") | {"tool_use_id": shown}]},
    ]
    first, second = messages_of(said)

    assert first["tool_calls"][0]["id"] == second["tool_call_id"] == "functions.f:0"
    assert json.loads(first["tool_calls"][0]["function"]["arguments"]) == {"at": "it"}
