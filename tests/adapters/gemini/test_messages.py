"""What messages and their parts become at Gemini."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from google.genai import types

from adapters.base import AdapterError, Json
from adapters.gemini.messages import SKIP_SIGNATURE, own_id_key
from adapters.memory import LruMemory
from tests.adapters.gemini.kit import native

PIXEL = base64.b64encode(b"not really a picture").decode()
IMAGE = f"data:image/png;base64,{PIXEL}"
NEW = "gemini-3-flash-preview"


def user(*content: Any) -> Json:
    return {"role": "user", "content": content[0] if len(content) == 1 else list(content)}


def called(*names: str, text: str | None = None, arguments: str = "{}") -> Json:
    calls = [
        {"id": f"c-{name}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for name in names
    ]
    return {"role": "assistant", "content": text, "tool_calls": calls}


def result(name: str, content: Any = "ok") -> Json:
    return {"role": "tool", "tool_call_id": f"c-{name}", "content": content}


def turn(role: str, *parts: Json) -> Json:
    return {"role": role, "parts": list(parts)}


def said(text: str) -> Json:
    return {"text": text}


def call(name: str, **args: Any) -> Json:
    return {"functionCall": {"name": name, "args": args}}


def response(name: str, **value: Any) -> Json:
    return {"functionResponse": {"name": name, "response": value}}


ASKED = turn("user", said("?"))
CONVERSATIONS: dict[str, tuple[list[Json], list[Json]]] = {
    "one word": ([user("?")], [ASKED]),
    "consecutive roles": (
        [user("a"), user("b"), {"role": "assistant", "content": "c"}, user("d")],
        [turn("user", said("a"), said("b")), turn("model", said("c")), turn("user", said("d"))],
    ),
    "an empty answer": ([user("?"), {"role": "assistant", "content": ""}], [ASKED]),
    "an answer of nothing": ([user("?"), {"role": "assistant", "content": None}], [ASKED]),
    "empty texts": (
        [user({"type": "text", "text": ""}, {"type": "text", "text": "?"})],
        [ASKED],
    ),
    "only a system message": ([{"role": "system", "content": "s"}], [turn("user", said(" "))]),
    "the model speaks first": (
        [{"role": "assistant", "content": "Hi"}, user("?")],
        [turn("user", said(" ")), turn("model", said("Hi")), ASKED],
    ),
    "a refusal": (
        [user("?"), {"role": "assistant", "content": None, "refusal": "No."}],
        [ASKED, turn("model", said("No."))],
    ),
    "one user with a name": ([{**user("?"), "name": "ann"}], [ASKED]),
    "two users": (
        [{**user("a"), "name": "ann"}, {**user("b"), "name": "bob"}],
        [turn("user", said("ann: a"), said("bob: b"))],
    ),
    "a call": (
        [user("?"), called("f", arguments='{"a": 1}'), result("f")],
        [ASKED, turn("model", call("f", a=1)), turn("user", response("f", output="ok"))],
    ),
    "text before a call": (
        [user("?"), called("f", text="Let me see."), result("f")],
        [
            ASKED,
            turn("model", said("Let me see."), call("f")),
            turn("user", response("f", output="ok")),
        ],
    ),
    "results in another order": (
        [user("?"), called("f", "g"), result("g"), result("f"), user("!")],
        [
            ASKED,
            turn("model", call("f"), call("g")),
            turn("user", response("f", output="ok"), response("g", output="ok")),
            turn("user", said("!")),
        ],
    ),
    "a result that comes late": (
        [user("?"), called("f", "g"), result("f"), user("!"), result("g")],
        [
            ASKED,
            turn("model", call("f"), call("g")),
            turn("user", response("f", output="ok"), response("g", output="ok")),
            turn("user", said("!")),
        ],
    ),
    "an id that comes twice": (
        [user("?"), called("f"), result("f", "1"), called("f"), result("f", "2")],
        [
            ASKED,
            turn("model", call("f")),
            turn("user", response("f", output="1")),
            turn("model", call("f")),
            turn("user", response("f", output="2")),
        ],
    ),
}


@pytest.mark.parametrize(("messages", "contents"), CONVERSATIONS.values(), ids=CONVERSATIONS.keys())
def test_a_conversation_becomes_turns(messages: list[Json], contents: list[Json]) -> None:
    made = native(messages=messages)
    assert made.body["contents"] == contents
    named = {one["name"] for one in messages if "name" in one}
    lost = {1: ("dropped=messages.name",), 2: ("changed=messages.name",)}
    assert made.warnings == lost.get(len(named), ())
    for content in contents:
        types.Content.model_validate(content)


def test_system_texts_are_joined_in_order() -> None:
    body = native(
        messages=[
            {"role": "system", "content": "a"},
            user("?"),
            {"role": "system", "content": [{"type": "text", "text": "b"}]},
            {"role": "system", "content": ""},
        ]
    ).body
    assert body["systemInstruction"] == {"parts": [said("a"), said("b")]}
    assert body["contents"] == [ASKED]


def test_a_call_without_a_result_gets_an_error_for_one() -> None:
    made = native(messages=[user("?"), called("f", "g"), result("g"), user("!")])
    assert made.body["contents"][2]["parts"][:2] == [
        response("f", error="no result supplied"),
        response("g", output="ok"),
    ]
    assert made.warnings == ("emulated=tool_result",)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ('{"a": [1]}', {"a": [1]}),
        ("{}", {}),
        ("[1, 2]", {"output": "[1, 2]"}),
        ("7", {"output": "7"}),
        ("", {"output": ""}),
        ("{broken", {"output": "{broken"}),
        ('{"$ref": "#/$defs/X"}', {"output": '{"$ref": "#/$defs/X"}'}),
        ('{"a": [{"$ref": "x"}]}', {"output": '{"a": [{"$ref": "x"}]}'}),
        ([{"type": "text", "text": '{"a":'}, {"type": "text", "text": "1}"}], {"a": 1}),
        ("[" * 200 + "]" * 200, {"output": "[" * 200 + "]" * 200}),
        ('{"a":' * 200 + "1" + "}" * 200, {"output": '{"a":' * 200 + "1" + "}" * 200}),
    ],
)
def test_a_result_is_an_object(content: Any, wanted: Json) -> None:
    body = native(messages=[user("?"), called("f"), result("f", content)]).body
    assert body["contents"][2]["parts"] == [response("f", **wanted)]


def test_a_result_that_failed_is_an_error() -> None:
    failed = {**result("f", '{"a":1}'), "is_error": True}
    body = native(messages=[user("?"), called("f"), failed]).body
    assert body["contents"][2]["parts"] == [response("f", error='{"a":1}')]


def test_an_image_in_a_result_follows_it() -> None:
    content = [{"type": "text", "text": "ok"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
    body = native(messages=[user("?"), called("f"), result("f", content)]).body
    image = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
    assert body["contents"][2:] == [turn("user", response("f", output="ok")), turn("user", image)]


@pytest.mark.parametrize(
    ("model", "is_closed"),
    [
        ("gemini-2.5-flash", False),
        ("gemini-3.1-pro-preview", False),
        ("gemini-3.6-flash", True),
        ("gemini-4-pro", True),
        ("gemini-flash-latest", True),
        ("gemma-3-27b-it", False),
    ],
)
def test_a_history_that_ends_with_the_assistant_is_closed_where_it_must_be(
    model: str, is_closed: bool
) -> None:
    began = {"role": "assistant", "content": "Rain"}
    made = native(model=model, messages=[user("A title?"), began])
    assert [content["role"] for content in made.body["contents"]] == [
        "user", "model", *(["user"] if is_closed else []),
    ]  # fmt: skip
    assert made.warnings == (("emulated=prefill",) if is_closed else ())


@pytest.mark.parametrize(
    ("arguments", "args", "warned"),
    [
        ("", {}, False),
        (" ", {}, False),
        ("null", {}, False),
        ("[1]", {"value": [1]}, False),
        ('{"a": "\\u2028"}', {"a": "\u2028"}, False),
        ("{broken", {"_raw": "{broken"}, True),
        ("NaN", {"_raw": "NaN"}, True),
    ],
)
def test_arguments_are_an_object(arguments: str, args: Json, warned: bool) -> None:
    made = native(messages=[user("?"), called("f", arguments=arguments), result("f")])
    assert made.body["contents"][1]["parts"] == [call("f", **args)]
    assert (made.warnings == ("changed=tool_calls.function.arguments",)) == warned


def with_signature(message: Json, signature: str) -> Json:
    first, *others = message["tool_calls"]
    carried = {**first, "extra_content": {"google": {"thought_signature": signature}}}
    return {**message, "tool_calls": [carried, *others]}


def signatures(model: str, memory: LruMemory, *messages: Json) -> list[str | None]:
    contents = native(memory, model=model, messages=[user("?"), *messages]).body["contents"]
    parts = [part for content in contents for part in content["parts"]]
    return [part.get("thoughtSignature") for part in parts if "functionCall" in part]


def test_a_signature_comes_from_the_message_before_the_memory() -> None:
    memory = LruMemory()
    memory.put("c-f", "remembered")
    message = with_signature(called("f"), "carried")
    assert signatures(NEW, memory, message, result("f")) == ["carried"]
    assert signatures(NEW, memory, called("f"), result("f")) == ["remembered"]


def test_a_signature_may_come_within_the_id() -> None:
    message = called("f")
    message["tool_calls"][0]["id"] = "c-f__sig__QUJD"
    answer = {**result("f"), "tool_call_id": "c-f__sig__QUJD"}
    assert signatures(NEW, LruMemory(), message, answer) == ["QUJD"]


def test_a_lost_signature_is_skipped_on_the_first_call_of_each_turn() -> None:
    history = [called("f", "g"), result("f"), result("g"), called("h"), result("h")]
    assert signatures(NEW, LruMemory(), *history) == [SKIP_SIGNATURE, None, SKIP_SIGNATURE]


def test_older_models_are_sent_no_placeholder() -> None:
    assert signatures("gemini-2.5-pro", LruMemory(), called("f"), result("f")) == [None]


def test_a_known_signature_goes_to_older_models_as_well() -> None:
    message = with_signature(called("f"), "carried")
    assert signatures("gemini-2.5-pro", LruMemory(), message, result("f")) == ["carried"]


@pytest.mark.parametrize(
    "extra", [None, "x", {"google": None}, {"google": {"thought_signature": 7}}]
)
def test_an_odd_extra_content_is_no_signature(extra: Any) -> None:
    message = called("f")
    message["tool_calls"][0]["extra_content"] = extra
    assert signatures(NEW, LruMemory(), message, result("f")) == [SKIP_SIGNATURE]


def test_only_ids_that_gemini_made_go_back_to_it() -> None:
    memory = LruMemory()
    memory.put(own_id_key("c-g"), "gemini")
    contents = native(
        memory, messages=[user("?"), called("f", "g"), result("f"), result("g")]
    ).body["contents"]
    calls = [part["functionCall"] for part in contents[1]["parts"]]
    results = [part["functionResponse"] for part in contents[2]["parts"]]
    assert [one.get("id") for one in calls] == [None, "c-g"]
    assert [one.get("id") for one in results] == [None, "c-g"]


def inline(mime_type: str, data: str = PIXEL) -> Json:
    return {"inlineData": {"mimeType": mime_type, "data": data}}


def file(**fields: str) -> Json:
    return {"type": "file", "file": fields}


HOST = "https://generativelanguage.googleapis.com/v1beta"
PARTS: dict[str, tuple[Json, Json]] = {
    "text": ({"type": "text", "text": "t", "prompt_cache_breakpoint": {}}, said("t")),
    "image": ({"type": "image_url", "image_url": {"url": IMAGE}}, inline("image/png")),
    "image/jpg": (
        {"type": "image_url", "image_url": {"url": f"data:image/jpg;base64,{PIXEL}"}},
        inline("image/jpeg"),
    ),
    "image with a parameter": (
        {"type": "image_url", "image_url": {"url": f"data:image/png;name=a;base64,{PIXEL}"}},
        inline("image/png"),
    ),
    "image in per cent": (
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml,%3Csvg/%3E"}},
        inline("image/svg+xml", base64.b64encode(b"<svg/>").decode()),
    ),
    "image of any detail": (
        {"type": "image_url", "image_url": {"url": IMAGE, "detail": "auto"}},
        inline("image/png"),
    ),
    "wav": (
        {"type": "input_audio", "input_audio": {"data": PIXEL, "format": "wav"}},
        inline("audio/wav"),
    ),
    "mp3": (
        {"type": "input_audio", "input_audio": {"data": PIXEL, "format": "mp3"}},
        inline("audio/mp3"),
    ),
    "pdf": (file(file_data=f"data:application/pdf;base64,{PIXEL}"), inline("application/pdf")),
    "a file by its name": (file(file_data=PIXEL, filename="a.txt"), inline("text/plain")),
    "plain text, whatever its name": (
        file(file_data=f"data:text/plain;base64,{PIXEL}", filename="a.sql"),
        inline("text/plain"),
    ),
    "a text that is named as a document": (
        file(file_data=f"data:;base64,{PIXEL}", filename="a.pdf"),
        inline("text/plain"),
    ),
    "what does not say what it is": (
        file(file_data=f"data:application/octet-stream;base64,{PIXEL}", filename="a.pdf"),
        inline("application/pdf"),
    ),
    "a file without a name": (file(file_data=PIXEL), inline("application/pdf")),
    "an uploaded file": (file(file_id="files/a-1"), {"fileData": {"fileUri": f"{HOST}/files/a-1"}}),
    "its address": (
        file(file_id=f"{HOST}/files/a-1"),
        {"fileData": {"fileUri": f"{HOST}/files/a-1"}},
    ),
}


@pytest.mark.parametrize(("piece", "part"), PARTS.values(), ids=PARTS.keys())
def test_each_part_of_a_message_becomes(piece: Json, part: Json) -> None:
    body = native(messages=[user(said_with("?"), piece)]).body
    assert body["contents"] == [turn("user", said("?"), part)]
    types.Content.model_validate(body["contents"][0])


def said_with(text: str) -> Json:
    return {"type": "text", "text": text}


@pytest.mark.parametrize(
    ("piece", "param"),
    [
        ({"type": "image_url", "image_url": {"url": "https://a.example/a.png"}}, "image_url"),
        (
            {"type": "input_audio", "input_audio": {"data": "", "format": "amr"}},
            "input_audio.format",
        ),
        (file(file_id="file-abc"), "file.file_id"),
        (file(file_data="data:application/zip;base64,AA=="), "file.file_data"),
        (file(file_data="nonsense", filename="a.docx"), "file.file_data"),
        ({"type": "video_url", "video_url": {}}, "type"),
    ],
)
def test_a_part_that_gemini_cannot_take_is_refused_by_place(piece: Json, param: str) -> None:
    with pytest.raises(AdapterError) as caught:
        native(messages=[user("?"), user(said_with("?"), piece)])
    assert caught.value.param == f"messages[1].content[1].{param}"


@pytest.mark.parametrize("detail", ["low", "high", "original"])
def test_an_images_detail_is_told_to_the_models_that_know_it(detail: str) -> None:
    piece = {"type": "image_url", "image_url": {"url": IMAGE, "detail": detail}}
    messages = [user(said_with("?"), piece)]
    part = native(model=NEW, messages=messages).body["contents"][0]["parts"][1]
    level = "MEDIA_RESOLUTION_LOW" if detail == "low" else "MEDIA_RESOLUTION_HIGH"
    assert part == {**inline("image/png"), "mediaResolution": {"level": level}}
    older = native(messages=messages)
    assert older.body["contents"][0]["parts"][1] == inline("image/png")
    assert older.warnings == ("dropped=image_url.detail",)
