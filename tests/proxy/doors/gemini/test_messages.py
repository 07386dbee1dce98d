"""Contents as messages: turns, calls and their results, media, and what only Google reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.base import Json
from proxy.errors import ApiError
from tests.proxy.doors.gemini.kit import asked, call, messages, model, result, user

PNG = {"inlineData": {"mimeType": "image/png", "data": "aGVsbG8_"}}
SIGNATURE = "c2lnbmVkOi8r"


def _pairs(found: Any) -> list[tuple[str, str]]:
    """Which call's id each result has, and its text."""
    return [(one["tool_call_id"], one["content"]) for one in found if one["role"] == "tool"]


def test_a_talk_is_turns_of_text() -> None:
    for role in ({"role": "user"}, {}, {"role": None}):
        talk = [{**role, "parts": [{"text": "Hi"}]}, model("Hel", "lo"), user("One", "Two")]
        assert messages(*talk) == [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}],
            },
        ]


def test_what_clients_leave_out_is_understood() -> None:
    for contents in ("Hi", {"parts": {"text": "Hi"}}, ["Hi"], [{"parts": ["Hi"]}]):
        assert asked(contents=contents).messages == [{"role": "user", "content": "Hi"}]


def test_instructions_come_first_in_any_form() -> None:
    for spelled in ("systemInstruction", "system_instruction"):
        for told in ("Be brief.", {"parts": [{"text": "Be brief."}]}, {"text": "Be brief."}):
            found = asked(**{spelled: told}).messages
            assert found[0] == {"role": "system", "content": "Be brief."}


def test_results_find_their_calls_by_id_by_name_and_by_place() -> None:
    calls = model(call("a", id="1"), call("b", id="2"), call("a", id="3"))
    for results in (
        [result("a", {"output": "x"}, id="1"), result("a", {"output": "z"}, id="3"),
         result("b", {"output": "y"}, id="2")],
        [result("a", {"output": "x"}), result("a", {"output": "z"}), result("b", {"output": "y"})],
        [result("", {"output": "x"}), result("?", {"output": "y"}), result("", {"output": "z"})],
    ):  # fmt: skip
        found = messages(user("Go"), calls, user(*results))
        assert sorted(_pairs(found)) == [("1", "x"), ("2", "y"), ("3", "z")]


def test_calls_without_ids_get_ones_that_stay_the_same() -> None:
    talk = [user("Go"), model(call("f"), call("f")), user(result("f", {"output": "x"}),
            result("f", {"output": "y"}))]  # fmt: skip
    first, again = messages(*talk), messages(*talk, model("Done"), user("More"))
    ids = [one["id"] for one in first[1]["tool_calls"]]

    assert len({*ids}) == 2 and list(again[: len(first)]) == list(first)
    assert _pairs(first) == [(ids[0], "x"), (ids[1], "y")]


def test_results_may_come_in_several_contents_and_beside_words() -> None:
    calls = model("I look.", call("a"), call("b"))
    talks = [
        [user("Go"), calls, user(result("a", {"r": 1})), user(result("b", {"r": 2})), user("So?")],
        [user("Go"), calls, {"role": "function", "parts": [result("a", {"r": 1})]},
         user("So?", result("b", {"r": 2}))],
    ]  # fmt: skip
    for talk in talks:
        found = messages(*talk)
        assert [one["role"] for one in found] == ["user", "assistant", "tool", "tool", "user"]
        assert [text for _, text in _pairs(found)] == ['{"r":1}', '{"r":2}']


def test_a_result_belongs_to_the_newest_call_of_its_name() -> None:
    talk = [user("Go"), model(call("f", id="old")), user("No."), model(call("f", id="new"))]
    found = messages(*talk, user(result("f", {"output": "x"})))

    assert _pairs(found) == [("new", "x")]


def test_a_result_of_no_call_is_refused() -> None:
    for talk in ([user(result("f", {}))], [model(call("f")), user(*[result("f", {})] * 2)]):
        with pytest.raises(ApiError, match="function call turn") as caught:
            messages(user("Go"), *talk)
        assert caught.value.status == 400 and "functionResponse" in str(caught.value.param)


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ({"output": "warm"}, "warm"),
        ({"result": "warm"}, "warm"),
        ({"content": "warm"}, "warm"),
        ({"name": "f", "content": "warm"}, "warm"),
        ({"name": "f", "content": {"t": 20}}, '{"t":20}'),
        ({"error": "no"}, '{"error":"no"}'),
        ({"t": 20}, '{"t":20}'),
        ({}, "{}"),
    ],
)
def test_a_result_is_taken_out_of_its_wrapping_but_for_google(response: Json, text: str) -> None:
    told = messages(user("Go"), model(call("f")), user(result("f", response)))[2]

    assert told["content"] == text
    assert told["extra_content"] == {"google": {"response": response}}


def test_a_picture_in_a_result_is_part_of_it() -> None:
    told = messages(user("Go"), model(call("f")), user(result("f", {"output": "see"}, parts=[PNG])))

    text, image = told[2]["content"]
    assert text["text"] == "see" and image["image_url"]["url"] == "data:image/png;base64,aGVsbG8/"


def test_chunks_that_were_kept_as_contents_are_one_turn() -> None:
    talk = [user("Go"), model("Hel"), model("lo"), model(call("f", id="1")), model("")]
    found = messages(*talk, user(result("f", {"output": "x"})))

    assert [one["role"] for one in found] == ["user", "assistant", "tool"]
    assert found[1]["content"] == "Hello" and len(found[1]["tool_calls"]) == 1


def test_signatures_stay_with_their_calls_in_the_alphabet_they_came_in() -> None:
    for sent in (SIGNATURE, SIGNATURE.replace("/", "_").replace("+", "-")):
        for spelled in ("thoughtSignature", "thought_signature"):
            [made] = messages(user("Go"), model(call("f") | {spelled: sent}))[1]["tool_calls"]
            assert made["extra_content"] == {"google": {"thought_signature": SIGNATURE}}
    literal = "skip_thought_signature_validator"
    [made] = messages(user("Go"), model(call("f") | {"thoughtSignature": literal}))[1]["tool_calls"]
    assert made["extra_content"]["google"]["thought_signature"] == literal


def test_what_only_google_reads_stays_as_it_came_beside_what_all_can_read() -> None:
    signed = {"text": "Hello", "thoughtSignature": SIGNATURE}
    bare = {"thoughtSignature": SIGNATURE}
    code = {"executableCode": {"language": "PYTHON", "code": "1+1"}}
    said = messages(user("Go"), model(signed, bare, code, PNG, call("f"), "After"))[1]

    assert said["content"] == "Hello\n```python\n1+1\n```\n[image/png]After"
    assert said["extra_content"]["google"]["parts"] == [
        *(signed, bare, code, PNG, {"functionCall": {}}, {"text": "After"})
    ]
    request = asked(contents=[user("Go"), model(PNG), user("And?")])
    assert request.extensions == {"contents.inlineData": True}


def test_thoughts_are_no_text() -> None:
    said = messages(user("Go"), model({"text": "Hm.", "thought": True}, "Yes"))[1]

    assert said == {"role": "assistant", "content": "Yes", "reasoning": "Hm."}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (PNG, {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8/"}}),
        (
            {"inline_data": {"mime_type": "audio/mpeg", "data": "aGk"}},
            {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
        ),
        (
            {"inlineData": {"mimeType": "application/pdf", "data": "aGk=", "displayName": "a.pdf"}},
            {
                "type": "file",
                "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"},
            },
        ),
        (
            {"fileData": {"mimeType": "image/png", "fileUri": "https://example.org/a.png"}},
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        ),
        (
            {"fileData": {"fileUri": "https://youtu.be/x", "mimeType": "video/mp4"}},
            {"type": "file", "file": {"file_id": "https://youtu.be/x", "format": "video/mp4"}},
        ),
        (
            {**PNG, "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}},
            {
                "type": "image_url",
                "image_url": {"url": "data:image/png;base64,aGVsbG8/", "detail": "low"},
            },
        ),
    ],
)
def test_media_are_what_all_doors_have_for_them(part: Json, expected: Json) -> None:
    assert messages(user(part, "What?"))[0]["content"][0] == expected


@pytest.mark.parametrize(
    ("contents", "param"),
    [
        ([], "contents"),
        ([user("")], "contents"),
        (7, "contents"),
        ([7], "contents[0]"),
        ([{"role": "assistant", "parts": []}], "contents[0].role"),
        ([{"parts": [7]}], "contents[0].parts[0]"),
        ([user({"text": 7})], "contents[0].parts[0].text"),
        ([user({"inlineData": {"mimeType": "image/png"}})], "contents[0].parts[0].inlineData"),
        ([user({"inlineData": {"mimeType": "image/png", "data": "!"}})],
         "contents[0].parts[0].inlineData.data"),
        ([user({"fileData": {}})], "contents[0].parts[0].fileData"),
        ([model({"functionCall": {}})], "contents[0].parts[0].functionCall.name"),
        ([model({"functionCall": {"name": "f", "args": []}})],
         "contents[0].parts[0].functionCall.args"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(contents: Any, param: str) -> None:
    with pytest.raises(ApiError) as caught:
        asked(contents=contents)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_many_calls_are_paired_in_the_time_of_few() -> None:
    count = 2000
    found = messages(
        user("Go"), model(*[call("f")] * count), user(*[result("f", {"n": 1})] * count)
    )

    assert len({one["tool_call_id"] for one in found if one["role"] == "tool"}) == count
    assert json.dumps(found[1]["tool_calls"][-1]["id"])
