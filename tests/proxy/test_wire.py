"""Events in, OpenAI's chunks and objects out, and both of them tell the same message."""

from __future__ import annotations

import base64
import copy
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types import Model as OpenAIModel
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from adapters.base import (
    Annotation,
    Event,
    Finish,
    Json,
    Logprobs,
    Media,
    Model,
    RateLimits,
    Reasoning,
    Refusal,
    Start,
    Text,
    ToolCall,
    Usage,
    Warn,
)
from proxy.errors import ApiError
from proxy.wire import (
    DONE,
    ChunkStream,
    Fold,
    Head,
    error_object,
    model_object,
    models_object,
    new_head,
    sse,
    usage_object,
)

AWKWARD = 'é😀\u2028\u2029\u0085\x7f"\\\n\t\x00 </script>'
CITATION: Json = {
    "type": "url_citation",
    "url_citation": {"start_index": 0, "end_index": 1, "title": "t", "url": "https://a.example"},
}
LOGPROB: Json = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}


def head() -> Head:
    return Head(id="chatcmpl-1", created=1_790_000_000, model="zoo")


def stream_of(events: list[Event], *, usage: bool = False, legacy: bool = False) -> bytes:
    stream = ChunkStream(head(), include_usage=usage, legacy_functions=legacy)
    return stream.feed(events) + stream.end()


def payloads(body: bytes) -> list[Any]:
    """What each server-sent event holds; the framing is checked on the way."""
    assert body.endswith(b"\n\n")
    events = body.removesuffix(b"\n\n").split(b"\n\n")
    assert all(event.startswith(b"data: ") and b"\n" not in event for event in events)
    assert events[-1] == b"data: [DONE]"
    return [json.loads(event[6:]) for event in events[:-1]]


def chunks_of(events: list[Event], *, usage: bool = False, legacy: bool = False) -> list[Json]:
    chunks = payloads(stream_of(events, usage=usage, legacy=legacy))
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)
    return chunks


def deltas_of(events: list[Event], *, legacy: bool = False) -> list[Json]:
    chunks = chunks_of(events, legacy=legacy)
    return [choice["delta"] for chunk in chunks for choice in chunk["choices"]]


def object_of(events: list[Event], *, legacy: bool = False) -> Json:
    fold = Fold(head(), legacy_functions=legacy)
    fold.feed(events)
    found: Json = json.loads(fold.end())
    ChatCompletion.model_validate(found)
    return found


def message_of(events: list[Event], *, legacy: bool = False) -> Json:
    message: Json = object_of(events, legacy=legacy)["choices"][0]["message"]
    return message


# The stream


def test_a_stream_of_text_chunk_by_chunk() -> None:
    found = chunks_of([Text("Hel"), Text("lo"), Finish("stop"), Usage(3, 2)])

    same = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": "zoo",
        "system_fingerprint": None,
    }
    quiet = {"index": 0, "logprobs": None, "finish_reason": None}
    assert found == [
        same | {"choices": [quiet | {"delta": {"role": "assistant", "content": ""}}]},
        same | {"choices": [quiet | {"delta": {"content": "Hel"}}]},
        same | {"choices": [quiet | {"delta": {"content": "lo"}}]},
        same | {"choices": [quiet | {"delta": {}, "finish_reason": "stop"}]},
    ]


def test_usage_comes_last_and_alone_where_it_is_asked_for() -> None:
    *others, last = chunks_of([Text("a"), Usage(3, 2), Text("b"), Finish("stop")], usage=True)

    assert last["choices"] == []
    assert last["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert all(chunk["usage"] is None for chunk in others)
    assert {chunk["id"] for chunk in [*others, last]} == {"chatcmpl-1"}


def test_usage_is_nowhere_where_it_is_not_asked_for() -> None:
    assert not any("usage" in chunk for chunk in chunks_of([Text("a"), Finish("stop"), Usage(1)]))


def test_an_answer_without_content_still_tells_its_role_and_end() -> None:
    assert deltas_of([Start(), Finish("stop")]) == [{"role": "assistant", "content": ""}, {}]


def test_nothing_is_sent_for_what_is_no_content() -> None:
    stream = ChunkStream(head(), include_usage=True, legacy_functions=False)

    assert stream.feed([Start(id="x"), RateLimits(), Warn("w"), Usage(1, 1)]) == b""


def test_what_the_provider_says_of_itself_is_in_every_chunk() -> None:
    start = Start(
        id="chatcmpl-up",
        model="m-2",
        created=7,
        system_fingerprint="fp",
        service_tier="default",
        request_id="not for the body",
    )
    found = chunks_of([start, Text("a"), Text("b"), Finish("stop"), Usage(1)], usage=True)

    names = ("id", "model", "created", "system_fingerprint", "service_tier")
    assert len(found) == 5
    assert {tuple(chunk[name] for name in names) for chunk in found} == {
        ("chatcmpl-up", "m-2", 7, "fp", "default")
    }


def test_a_late_start_changes_no_id() -> None:
    found = chunks_of([Text("a"), Start(id="late", model="late"), Text("b"), Finish("stop")])

    assert {(chunk["id"], chunk["model"]) for chunk in found} == {("chatcmpl-1", "zoo")}


def test_calls_are_numbered_over_the_whole_stream_of_each_choice() -> None:
    found = deltas_of(
        [
            ToolCall("x", "f", '{"a"', id="call_x"),
            Text("between"),
            ToolCall(7, "g", "{}", id="call_7"),
            ToolCall("x", arguments=":1}"),
            ToolCall("x", "f", "{}", id="call_other", index=1),
            Finish("tool_calls"),
        ]
    )

    calls = [call for delta in found for call in delta.get("tool_calls", ())]
    assert calls == [
        {
            "index": 0,
            "id": "call_x",
            "type": "function",
            "function": {"name": "f", "arguments": '{"a"'},
        },
        {
            "index": 1,
            "id": "call_7",
            "type": "function",
            "function": {"name": "g", "arguments": "{}"},
        },
        {"index": 0, "function": {"arguments": ":1}"}},
        {
            "index": 0,
            "id": "call_other",
            "type": "function",
            "function": {"name": "f", "arguments": "{}"},
        },
    ]


def test_a_call_without_an_id_gets_one_of_its_own() -> None:
    events: list[Event] = [ToolCall(0, "f", "{}"), ToolCall(1, "f", "{}")]

    streamed = [call["id"] for delta in deltas_of(events) for call in delta.get("tool_calls", ())]
    folded = [call["id"] for call in message_of(events)["tool_calls"]]
    for ids in (streamed, folded):
        assert len(set(ids)) == 2
        assert all(call_id.startswith("call_") and len(call_id) <= 40 for call_id in ids)


def test_what_rides_on_a_call_stands_beside_its_function() -> None:
    extra = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
    events: list[Event] = [ToolCall(0, "f", "{}", id="c", extra=extra), Finish("tool_calls")]

    assert deltas_of(events)[1]["tool_calls"][0]["extra_content"] == extra["extra_content"]
    assert message_of(events)["tool_calls"][0]["extra_content"] == extra["extra_content"]


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter"])
def test_a_choice_finishes_once(reason: str) -> None:
    events: list[Event] = [Text("a"), Finish(reason), Finish("stop"), Finish(reason)]

    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks_of(events)]
    assert reasons == [None, None, reason]
    assert object_of(events)["choices"][0]["finish_reason"] == reason


def test_choices_open_in_their_order_whoever_speaks_first() -> None:
    found = chunks_of([Text("late", 2), Text("a", 0), Finish("stop", 1)])

    opened = [
        choice["index"]
        for chunk in found
        for choice in chunk["choices"]
        if choice["delta"].get("role")
    ]
    assert opened == [0, 1, 2]


def test_the_older_functions_get_their_own_words() -> None:
    events: list[Event] = [
        ToolCall("x", "f", '{"a"', id="call_x"),
        ToolCall("y", "g", "{}", id="call_y"),
        ToolCall("x", arguments=":1}"),
        Finish("tool_calls"),
    ]
    chunks = chunks_of(events, legacy=True)

    assert [chunk["choices"][0]["delta"] for chunk in chunks[1:]] == [
        {"function_call": {"name": "f", "arguments": '{"a"'}},
        {"function_call": {"arguments": ":1}"}},
        {},
    ]
    assert chunks[-1]["choices"][0]["finish_reason"] == "function_call"
    folded = object_of(events, legacy=True)["choices"][0]
    assert folded["message"]["function_call"] == {"name": "f", "arguments": '{"a":1}'}
    assert "tool_calls" not in folded["message"]
    assert folded["finish_reason"] == "function_call"


def test_older_functions_that_are_not_called_finish_as_ever() -> None:
    assert object_of([Finish("stop")], legacy=True)["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("event_class", [Text, Reasoning, Refusal])
def test_text_is_exact(event_class: type[Text | Reasoning | Refusal]) -> None:
    name = {Text: "content", Reasoning: "reasoning_content", Refusal: "refusal"}[event_class]
    events: list[Event] = [event_class(AWKWARD), event_class(AWKWARD), Finish("stop")]

    assert "".join(delta.get(name) or "" for delta in deltas_of(events)) == AWKWARD * 2
    assert message_of(events)[name] == AWKWARD * 2


# Media, annotations, logprobs


def test_images_are_data_urls_with_a_place_in_the_list() -> None:
    events: list[Event] = [Media("image/png", "AAAA"), Media("image/webp", "BBBB"), Finish("stop")]

    def entry(url: str) -> Json:
        return {"type": "image_url", "image_url": {"url": url}}

    expected = [entry("data:image/png;base64,AAAA"), entry("data:image/webp;base64,BBBB")]
    assert message_of(events)["images"] == expected
    assert [delta["images"] for delta in deltas_of(events)[1:3]] == [
        [{"index": i, **image}] for i, image in enumerate(expected)
    ]


def test_pieces_of_audio_are_one_audio() -> None:
    pieces = [b"\x00\x01", b"\x02", b"\x03\x04\x05\x06"]
    events: list[Event] = [
        *(Media("audio/wav", base64.b64encode(piece).decode()) for piece in pieces),
        Finish("stop"),
    ]

    audio = message_of(events)["audio"]
    assert base64.b64decode(audio["data"]) == b"".join(pieces)
    assert message_of(events)["content"] is None
    streamed = [delta["audio"] for delta in deltas_of(events)[1:-1]]
    assert [base64.b64decode(piece["data"]) for piece in streamed] == pieces
    assert [set(piece) for piece in streamed] == [set(audio), {"data"}, {"data"}]


def test_one_piece_of_audio_stays_as_the_provider_wrote_it() -> None:
    assert message_of([Media("audio/wav", "not base64")])["audio"]["data"] == "not base64"


def test_annotations_are_listed() -> None:
    events: list[Event] = [Text("x"), Annotation(CITATION), Annotation(CITATION), Finish("stop")]

    assert message_of(events)["annotations"] == [CITATION, CITATION]
    streamed = [delta["annotations"] for delta in deltas_of(events) if "annotations" in delta]
    assert streamed == [[{"index": 0, **CITATION}], [{"index": 1, **CITATION}]]


def test_what_openai_has_no_annotation_for_stands_apart() -> None:
    other = {"type": "document_citation", "document_citation": {"document_id": "d"}}
    events: list[Event] = [Text("x"), Annotation(other), Finish("stop")]
    message = message_of(events)
    assert message["citations"] == [other]
    assert "annotations" not in message
    assert {"citations": [{"index": 0, **other}]} in deltas_of(events)


def test_logprobs_are_listed() -> None:
    events: list[Event] = [Text("a"), Logprobs([LOGPROB]), Logprobs([LOGPROB]), Finish("stop")]

    found = [chunk["choices"][0]["logprobs"] for chunk in chunks_of(events)]
    assert found == [None, None, *[{"content": [LOGPROB], "refusal": None}] * 2, None]
    assert object_of(events)["choices"][0]["logprobs"]["content"] == [LOGPROB, LOGPROB]


# The single object


def test_the_single_object_of_a_plain_answer() -> None:
    assert object_of([Text("Hi"), Text("!"), Finish("stop"), Usage(3, 2)]) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "zoo",
        "system_fingerprint": None,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi!", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


@pytest.mark.parametrize(
    ("events", "content"),
    [
        ([ToolCall(0, "f", "{}")], None),
        ([Text(""), ToolCall(0, "f", "{}")], None),
        ([Text("x"), ToolCall(0, "f", "{}")], "x"),
        ([Refusal("no")], None),
        ([Media("image/png", "AA==")], None),
        ([Reasoning("hm")], ""),
        ([Finish("length")], ""),
    ],
    ids=str,
)
def test_content_is_null_only_where_something_else_stands(
    events: list[Event], content: str | None
) -> None:
    assert message_of(events)["content"] == content


def test_the_message_holds_no_invented_fields() -> None:
    """LangChain JS reads an empty `images` as parts; clients send such fields back, too."""
    assert set(message_of([Text("x"), Finish("stop")])) == {"role", "content", "refusal"}


def test_choices_come_in_the_order_of_their_index() -> None:
    found = object_of([Text("b", 1), Text("a", 0), Finish("stop", 1), Finish("length", 0)])

    assert [choice["index"] for choice in found["choices"]] == [0, 1]
    assert [choice["message"]["content"] for choice in found["choices"]] == ["a", "b"]
    assert [choice["finish_reason"] for choice in found["choices"]] == ["length", "stop"]


def test_usage_in_openais_sense() -> None:
    assert usage_object(Usage(10, 30, reasoning=20, cached=4, extra={"queue_time": 0.1})) == {
        "queue_time": 0.1,
        "prompt_tokens": 10,
        "completion_tokens": 30,
        "total_tokens": 40,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    assert usage_object(Usage(0, 0, reasoning=0, cached=0))["prompt_tokens_details"] == {
        "cached_tokens": 0
    }


def test_a_new_head_has_an_id_of_its_own() -> None:
    one, other = (new_head(model="zoo", now_s=12.9) for _ in range(2))

    ids = [head.fields("chat.completion")["id"] for head in (one, other, one)]
    assert ids[0].startswith("chatcmpl-")
    assert ids[0] != ids[1]
    assert ids[0] == ids[2]
    assert (one.created, one.model) == (12, "zoo")


# Models and errors


def test_a_model_in_openais_words() -> None:
    entry = model_object("groq/m", Model("m", created=5, owned_by="Meta", context=8192))

    assert entry == {
        "id": "groq/m",
        "object": "model",
        "created": 5,
        "owned_by": "Meta",
        "context_window": 8192,
    }
    OpenAIModel.model_validate(entry)
    assert json.loads(models_object([entry])) == {"object": "list", "data": [entry]}
    assert "context_window" not in model_object("m", Model("m"))


def test_an_error_in_openais_envelope() -> None:
    error = ApiError(
        400, "No.", code="c", param="p", provider="groq", provider_code="INVALID_REQUEST"
    )

    assert error_object(error) == {
        "error": {
            "message": "No.",
            "type": "invalid_request_error",
            "param": "p",
            "code": "c",
            "provider": "groq",
            "provider_code": "INVALID_REQUEST",
        }
    }
    assert sse({"a": 1}) == b'data: {"a":1}\n\n'
    assert DONE == b"data: [DONE]\n\n"


# Whatever events come

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.just(AWKWARD)
INDEXES = st.integers(0, 2)
BYTES = st.integers(0, 3).map(lambda n: base64.b64encode(b"abc" * n).decode())
CONTENT = st.one_of(
    st.builds(Text, TEXTS, INDEXES),
    st.builds(Reasoning, TEXTS, INDEXES),
    st.builds(Refusal, TEXTS, INDEXES),
    st.builds(Annotation, st.just(CITATION), INDEXES),
    st.builds(Logprobs, st.just([LOGPROB]), INDEXES),
    st.builds(Media, st.just("image/png"), BYTES, INDEXES),
    st.builds(Media, st.just("audio/wav"), BYTES, INDEXES),
    st.builds(
        lambda key, arguments, index: ToolCall(
            key, f"f{key}", arguments, id=f"call_{index}_{key}", index=index
        ),
        st.sampled_from([0, 1, "a"]),
        TEXTS,
        INDEXES,
    ),
    st.builds(Finish, st.sampled_from(["stop", "length", "tool_calls", "content_filter"]), INDEXES),
    st.builds(Warn, TEXTS),
    st.builds(RateLimits),
    st.builds(Usage, st.integers(0, 9), st.integers(0, 9), st.none() | st.integers(0, 9)),
)
EVENTS = st.builds(
    lambda start, content: [*start, *content, *(Finish("stop", i) for i in range(3)), Usage(4, 5)],
    st.lists(st.builds(Start, id=st.just("x"), model=TEXTS, service_tier=st.just("flex"))),
    st.lists(CONTENT, max_size=20),
)


def told(choice: Json) -> Json:
    """A choice as far as stream and object must agree: list places and made-up ids taken out."""
    message = copy.deepcopy(choice["message"])
    for name in ("tool_calls", "images", "annotations"):
        for entry in message.get(name) or ():
            entry.pop("index", None)
            entry.get("function", {}).pop("parsed_arguments", None)
    message.pop("parsed", None)
    if message.get("audio"):
        message["audio"] = message["audio"]["data"]
    message["content"] = message["content"] or None
    message = {name: value for name, value in message.items() if value not in (None, "")}
    logprobs = (choice.get("logprobs") or {}).get("content")
    return {"message": message, "finish": choice["finish_reason"], "logprobs": logprobs}


@settings(max_examples=60)
@given(EVENTS, st.booleans())
def test_openais_own_accumulator_folds_a_stream_to_our_single_object(
    events: list[Event], legacy: bool
) -> None:
    ours = object_of(events, legacy=legacy)
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for chunk in chunks_of(events, usage=True, legacy=legacy):
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    theirs = state.current_completion_snapshot.to_dict()

    for name in ("id", "created", "model", "system_fingerprint", "service_tier", "usage"):
        assert theirs.get(name) == ours.get(name)
    assert [choice["index"] for choice in ours["choices"]] == [0, 1, 2]
    assert list(map(told, theirs["choices"])) == list(map(told, ours["choices"]))


@settings(max_examples=60)
@given(EVENTS, st.lists(st.integers(0, 24), max_size=6))
def test_how_events_come_in_batches_changes_nothing(events: list[Event], cuts: list[int]) -> None:
    events = [e for e in events if not (isinstance(e, Media) and e.mime_type == "audio/wav")]
    places = [0, *sorted(min(cut, len(events)) for cut in cuts), len(events)]
    stream = ChunkStream(head(), include_usage=True, legacy_functions=False)
    fold = Fold(head(), legacy_functions=False)
    body = b""
    for start, end in pairwise(places):
        body += stream.feed(events[start:end])
        fold.feed(events[start:end])

    assert body + stream.end() == stream_of(events, usage=True)
    assert json.loads(fold.end()) == object_of(events)
