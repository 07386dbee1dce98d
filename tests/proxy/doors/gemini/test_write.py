"""Events as chunks and as the one object; what SDKs make of them stands in the golden table."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from adapters.base import (
    Annotation,
    Event,
    Finish,
    Json,
    Logprobs,
    Media,
    RateLimits,
    Reasoning,
    Refusal,
    Signature,
    Start,
    Text,
    ToolCall,
    Usage,
    Warn,
)
from proxy.doors.gemini.write import ChunkStream
from proxy.errors import ApiError
from tests.proxy.doors.gemini.kit import OPENING, folded, parsed, streamed

SIGNED = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
WORD: Json = {
    "responseMimeType": "text/x.enum",
    "responseSchema": {"type": "STRING", "enum": ["yes", "no"]},
}


def _candidate(answer: Json) -> Any:
    [candidate] = answer["candidates"]
    return candidate


def test_a_stream_is_new_parts_and_one_end() -> None:
    events = [Start(id="chatcmpl-abc", model="toy-1"), Text("Hel"), Text(""), Text("lo"),
              Finish("length"), Usage(5, 4, reasoning=1, cached=2)]  # fmt: skip
    *chunks, last = streamed(events)

    head = {"modelVersion": "toy-1", "responseId": "abc"}
    assert chunks == [
        {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}]}
        | head
        for text in ("Hel", "lo")
    ]
    usage = {
        "promptTokenCount": 5,
        "candidatesTokenCount": 3,
        "thoughtsTokenCount": 1,
        "cachedContentTokenCount": 2,
        "totalTokenCount": 9,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 5}],
    }
    content = {"parts": [{"text": ""}], "role": "model"}
    end = {"content": content, "finishReason": "MAX_TOKENS", "index": 0}
    assert last == {"candidates": [end], "usageMetadata": usage} | head
    whole = {"content": {"parts": [{"text": "Hello"}], "role": "model"}}
    assert folded(events) == {"candidates": [end | whole], "usageMetadata": usage} | head


def test_all_calls_stand_together_at_the_end() -> None:
    events = [
        *(Text("I look."), ToolCall(0, "f", '{"a"', id="x", extra=SIGNED), ToolCall(1, "g")),
        *(ToolCall(0, arguments=":1}"), Text(" So."), Finish("tool_calls")),
    ]
    *texts, last = streamed(events)
    one, two = _candidate(last)["content"]["parts"]

    assert len(texts) == 2
    call = {"id": "x", "name": "f", "args": {"a": 1}}
    assert one == {"functionCall": call, "thoughtSignature": "c2ln"}
    assert two["functionCall"]["args"] == {} and two["functionCall"]["id"]
    assert _candidate(last)["finishReason"] == "STOP"
    parts = _candidate(folded(events))["content"]["parts"]
    assert [*map(list, parts)] == [["text"], ["functionCall", "thoughtSignature"], ["functionCall"]]


@pytest.mark.parametrize(
    ("reason", "told"), [("tool_calls", "MALFORMED_FUNCTION_CALL"), ("length", "MAX_TOKENS")]
)
def test_a_call_that_cannot_be_read_is_none(reason: str, told: str) -> None:
    candidate = _candidate(folded([ToolCall(0, "f", '{"a":'), Finish(reason)]))

    assert candidate["finishReason"] == told
    assert candidate["content"]["parts"] == [{"text": ""}]


def test_thoughts_are_written_where_they_were_asked_for() -> None:
    events = [Reasoning("Let "), Reasoning("me."), Text("42"), Finish("stop")]
    shows = parsed(generationConfig={"thinkingConfig": {"includeThoughts": True}})

    thought = {"text": "Let me.", "thought": True}
    assert _candidate(folded(events, shows))["content"]["parts"] == [thought, {"text": "42"}]
    assert _candidate(folded(events))["content"]["parts"] == [{"text": "42"}]
    assert len(streamed(events, shows)) == 4 and len(streamed(events)) == 2


def test_signatures_go_with_what_they_sign() -> None:
    events = [Text("Hi"), Signature("c2ln"), Finish("stop")]
    image = Media("image/png", "aGk=", signature="c2ln")

    assert _candidate(folded(events))["content"]["parts"] == [
        {"text": "Hi", "thoughtSignature": "c2ln"}
    ]
    last = _candidate(streamed(events)[-1])
    assert last["content"]["parts"] == [{"text": "", "thoughtSignature": "c2ln"}]
    assert _candidate(folded([image, Finish("stop")]))["content"]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}, "thoughtSignature": "c2ln"}
    ]


def test_a_filter_is_named_as_the_provider_did() -> None:
    for word, told in (("RECITATION", "RECITATION"), ("NEWER", "SAFETY")):
        events = [Refusal("Not this.", word=word), Finish("content_filter")]
        for answer in (folded(events), streamed(events)[-1]):
            candidate = _candidate(answer)
            assert candidate["content"] == {} and candidate["finishReason"] == told
            assert candidate["finishMessage"] == "Not this."
    said = [Text("Well"), Refusal("SAFETY", word="SAFETY"), Finish("content_filter")]
    assert _candidate(folded(said))["content"]["parts"] == [{"text": "Well"}]
    assert "finishMessage" not in _candidate(folded(said))


def test_a_prompt_that_is_blocked_has_no_candidate() -> None:
    for word, told in (("PROHIBITED_CONTENT", "PROHIBITED_CONTENT"), ("NEWER", "OTHER")):
        events = [Refusal("Not that.", word=word, of_prompt=True), Finish("content_filter")]
        for answer in (folded(events), streamed(events)[-1]):
            assert "candidates" not in answer
            assert answer["promptFeedback"] == {
                "blockReason": told,
                "blockReasonMessage": "Not that.",
            }


def test_sources_and_the_passages_that_rest_on_them() -> None:
    cited = {"url": "https://example.org", "title": "News", "start_index": 2, "end_index": 4}
    again = {"url": "https://example.org", "start_index": 0, "end_index": 1}
    events = [
        *(Text("€ "), Text("is"), Annotation({"type": "url_citation", "url_citation": cited})),
        *(
            Annotation({"type": "url_citation", "url_citation": again}),
            Annotation({"type": "other"}),
        ),
    ]
    for answer in (folded(events, parsed(tools=[{"googleSearch": {}}])),
                   streamed(events, parsed(tools=[{"googleSearch": {}}]))[-1]):  # fmt: skip
        found = _candidate(answer)["groundingMetadata"]
        assert found["groundingChunks"] == [
            {"web": {"uri": "https://example.org", "title": "News"}}
        ]
        first, second = (one["segment"] for one in found["groundingSupports"])
        assert first == {"startIndex": 4, "endIndex": 6, "text": "is"}
        assert second == {"startIndex": 0, "endIndex": 3, "text": "€"}


def test_one_word_comes_out_of_its_json() -> None:
    form = parsed(generationConfig=WORD)
    for text in ('{"value":"yes"}', '"yes"', "yes", " yes\n"):
        events = [Text(text[:3]), Text(text[3:]), Finish("stop")]
        assert _candidate(folded(events, form))["content"]["parts"] == [{"text": "yes"}]
        [last] = streamed(events, form)
        assert _candidate(last)["content"]["parts"] == [{"text": "yes"}]


def test_several_candidates_end_together() -> None:
    events = [Text("a"), Text("b", 1), Finish("stop"), Finish("length", 1)]
    *_, last = streamed(events)

    ends = [(one["index"], one["finishReason"]) for one in last["candidates"]]
    assert ends == [(0, "STOP"), (1, "MAX_TOKENS")]
    texts = [one["content"]["parts"][0]["text"] for one in folded(events)["candidates"]]
    assert texts == ["a", "b"]


def test_without_a_wish_for_events_a_stream_is_one_array() -> None:
    form = parsed()
    array = type(form)(form.request, stream=True, in_array=True)
    for events in ([], [Text("Hel")], [Text("Hel"), Text("lo"), Text(".")]):
        stream = ChunkStream(array, OPENING)
        data = b"".join([stream.feed([event]) for event in events]) + stream.end()
        assert len(json.loads(data)) == len(events) + 1
        stream = ChunkStream(array, OPENING)
        data = b"".join([stream.feed([event]) for event in events]) + stream.fail(
            ApiError(502, "No")
        )
        assert json.loads(data)[-1]["error"]["status"] == "INTERNAL"
        assert dict(stream.headers)[b"content-type"] == b"application/json; charset=UTF-8"


def test_what_breaks_on_the_way_is_a_chunk_of_its_own() -> None:
    stream = ChunkStream(parsed(), OPENING)
    data = stream.feed([Text("Hel")]) + stream.fail(ApiError(503, "Gone.", retry_after_s=2))

    last = json.loads(data.split(b"\r\n\r\n")[-2].removeprefix(b"data: "))
    assert last["error"]["code"] == 503 and last["error"]["status"] == "UNAVAILABLE"
    assert stream.wait() == b""


def test_every_event_can_be_told() -> None:
    made: dict[Any, Event] = {
        Start: Start(), RateLimits: RateLimits(), Text: Text("a"), Reasoning: Reasoning("a"),
        Refusal: Refusal("a"), Signature: Signature("a"), ToolCall: ToolCall(0, "f"),
        Media: Media("image/png", ""), Annotation: Annotation({}), Logprobs: Logprobs([]),
        Finish: Finish("stop"), Usage: Usage(), Warn: Warn("a"),
    }  # fmt: skip
    assert made.keys() == {*get_args(Event)}
    for event in made.values():
        assert streamed([event]) and folded([event])
