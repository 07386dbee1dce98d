"""What Gemini's answers become: finish reasons, calls, signatures, sources, media, oddities."""

from __future__ import annotations

import base64
import io
import json
import wave
from dataclasses import replace
from typing import Any

import pytest

from adapters.base import (
    Annotation,
    ErrorCode,
    ErrorKind,
    Event,
    Finish,
    Json,
    Logprobs,
    Media,
    Phase,
    Reasoning,
    Refusal,
    Signature,
    Start,
    Text,
    ToolCall,
    Usage,
    Warn,
)
from adapters.gemini.answer import GeminiAnswer
from adapters.memory import LruMemory
from tests.adapters.gemini.kit import GeminiKit, called, chunk, frame, stream_of
from tests.adapters.kit import (
    Reply,
    a_request,
    ask,
    failure,
    fold,
    json_reply,
)

pytestmark = pytest.mark.anyio

KIT = GeminiKit()
PCM = base64.b64encode(b"\0\1").decode()


async def events_of(*chunks: Json, **fields: Any) -> list[Event]:
    return await ask(KIT, stream_of(*chunks), a_request(KIT, stream=True, **fields))


def only(events: list[Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


WITH_TEXT = [{"text": "Hm"}]
WITH_CALL = [called("f", {"a": 1})]
ENDINGS: list[tuple[str, list[Json], str | ErrorKind]] = [
    ("STOP", WITH_TEXT, "stop"),
    ("STOP", [], "stop"),
    ("STOP", WITH_CALL, "tool_calls"),
    ("MAX_TOKENS", WITH_TEXT, "length"),
    ("MAX_TOKENS", WITH_CALL, "length"),
    ("MAX_TOKENS", [], "length"),
    ("CONTINUATION", WITH_TEXT, "length"),
    *(
        (reason, [], "content_filter")
        for reason in (
            "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE",
            "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "ESCALATION",
            "MODEL_ARMOR",
        )
    ),
    ("SAFETY", WITH_TEXT, "content_filter"),
    *(
        (reason, parts, ending)
        for reason in (
            "MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL",
            "TOO_MANY_TOOL_CALLS",
        )
        for parts, ending in ((WITH_TEXT, "stop"), ([], ErrorKind.MALFORMED_ANSWER))
    ),
    ("TOO_MANY_TOOL_CALLS", WITH_CALL, "tool_calls"),
    ("PUP_LIMITED_DISABLED", [], ErrorKind.AUTH),
    *(
        (reason, parts, ending)
        for reason in (
            "NO_IMAGE", "IMAGE_OTHER", "OTHER", "FINISH_REASON_UNSPECIFIED", "NEVER_HEARD_OF",
        )
        for parts, ending in ((WITH_TEXT, "stop"), ([], ErrorKind.BAD_RESPONSE))
    ),
]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("reason", "parts", "ending"), ENDINGS)
async def test_each_finish_reason_becomes(
    reason: str, parts: list[Json], ending: str | ErrorKind, stream: bool
) -> None:
    answer = chunk(parts, finish=reason)
    reply = stream_of(answer) if stream else json_reply(answer)
    request = a_request(KIT, stream=stream)
    if isinstance(ending, ErrorKind):
        assert (await failure(KIT, reply, request)).kind is ending
    else:
        events = await ask(KIT, reply, request)
        assert only(events, Finish) == [Finish(ending)]
        assert bool(only(events, Warn)) == (parts != [] and ("MALF" in reason or "TOOL_" in reason))


def test_every_finish_reason_of_the_sdk_has_a_row() -> None:
    from google.genai import types

    tested = {reason for reason, _, _ in ENDINGS} | {"MISSING_THOUGHT_SIGNATURE"}
    assert {reason.value for reason in types.FinishReason} <= tested


async def test_a_filtered_answer_says_why() -> None:
    answer = chunk([], finish="SAFETY")
    assert only(await events_of(answer), Refusal) == [Refusal("SAFETY", word="SAFETY")]
    answer["candidates"][0]["finishMessage"] = "Not this."
    assert only(await events_of(answer), Refusal) == [Refusal("Not this.", word="SAFETY")]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_blocked_prompt_is_an_answer(stream: bool) -> None:
    body: Json = {
        "promptFeedback": {"blockReason": "JAILBREAK"},
        "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5},
    }
    reply = stream_of(body) if stream else json_reply(body)
    events = await ask(KIT, reply, a_request(KIT, stream=stream))
    blocked = Refusal("JAILBREAK", word="JAILBREAK", of_prompt=True)
    assert events[1:] == [blocked, Finish("content_filter"), Usage(prompt=5)]


async def test_feedback_beside_an_answer_blocks_nothing() -> None:
    answer = {**chunk(WITH_TEXT, finish="STOP"), "promptFeedback": {"safetyRatings": []}}
    assert fold(await events_of(answer)).finish == ["stop"]


async def test_the_start_says_who_answers() -> None:
    answer = {**chunk(WITH_TEXT, finish="STOP"), "createTime": "2026-01-02T03:04:05.123456789Z"}
    [start] = only(await events_of(answer), Start)
    assert start == Start(id="chatcmpl-r-77", model=KIT.model, created=1767323045)


async def test_parts_keep_their_order() -> None:
    parts = [{"text": "why", "thought": True}, {"text": "so"}, called("f", {}), {"text": "!"}]
    events = (await events_of(chunk(parts), chunk([], finish="STOP")))[1:5]
    assert [type(event) for event in events] == [Reasoning, Text, ToolCall, Text]


@pytest.mark.parametrize(
    "part",
    [
        {"thought": True, "thoughtSignature": "s"},
        {"thought": True, "inlineData": {"mimeType": "image/png", "data": PCM}},
        {"toolCall": {"toolType": "FILE_SEARCH", "id": "x"}},
        {"toolResponse": {"id": "x"}, "thoughtSignature": "s"},
        {"functionResponse": {"name": "f"}},
        {"somethingNew": [1]},
        {},
    ],
)
async def test_parts_that_say_nothing_to_a_client_are_skipped(part: Json) -> None:
    answer = chunk([{"text": "a"}, part, {"text": "b"}], finish="STOP")
    events = await events_of(answer)
    assert [type(event) for event in events] == [Start, Text, Text, Finish, Usage]


def spoken(data: str = PCM) -> list[Json]:
    return [{"inlineData": {"mimeType": "audio/L16;rate=24000", "data": data}}]


async def test_media_become_media() -> None:
    parts = [{"inlineData": {"mimeType": "image/png", "data": PCM}}]
    events = await events_of(chunk(parts, finish="STOP"))
    assert only(events, Media) == [Media("image/png", PCM)]


async def test_samples_become_a_file() -> None:
    whole = json_reply(chunk(spoken(), finish="STOP"))
    [media] = only(await ask(KIT, whole, a_request(KIT)), Media)
    with wave.open(io.BytesIO(base64.b64decode(media.data))) as reader:
        assert (reader.getframerate(), reader.readframes(9)) == (24_000, b"\0\1")
    assert media.mime_type == "audio/wav"


async def test_samples_in_a_stream_have_one_header() -> None:
    chunks = [chunk(spoken()), chunk(spoken(), finish="STOP")]
    first, second = only(await events_of(*chunks), Media)
    assert base64.b64decode(first.data).startswith(b"RIFF")
    assert second == Media("audio/wav", PCM)


async def test_samples_stay_bare_for_who_asks_for_them() -> None:
    fields = {"model": "gemini-2.5-flash-preview-tts", "params": {"audio": {"format": "pcm16"}}}
    [media] = only(await events_of(chunk(spoken(), finish="STOP"), **fields), Media)
    assert media == Media("audio/L16;rate=24000", PCM)


async def test_samples_that_are_no_base64_are_a_broken_answer() -> None:
    reply = stream_of(chunk(spoken("?"), finish="STOP"))
    error = await failure(KIT, reply, a_request(KIT, stream=True))
    assert error.kind is ErrorKind.BAD_RESPONSE


async def test_code_and_its_output_become_fenced_text() -> None:
    parts = [
        {"executableCode": {"language": "PYTHON", "code": "print(6*7)\n"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "42\n"}},
    ]
    folded = fold(await events_of(chunk(parts, finish="STOP")))
    assert folded.text == "\n```python\nprint(6*7)\n```\n\n```\n42\n```\n"


async def test_counts_are_openais() -> None:
    usage = {
        "promptTokenCount": 20,
        "toolUsePromptTokenCount": 5,
        "candidatesTokenCount": 151,
        "thoughtsTokenCount": 382,
        "cachedContentTokenCount": 16,
        "totalTokenCount": 558,
    }
    first = {"promptTokenCount": 20, "totalTokenCount": 20}
    events = await events_of(
        chunk(WITH_TEXT, usage=first), chunk(WITH_TEXT, finish="STOP", usage=usage)
    )
    assert only(events, Usage) == [Usage(prompt=25, completion=533, reasoning=382, cached=16)]


async def test_several_candidates_keep_their_index() -> None:
    body = chunk([{"text": "a"}], finish="STOP")
    second = {**chunk([{"text": "b"}], finish="MAX_TOKENS")["candidates"][0], "index": 1}
    body["candidates"].append(second)
    events = await ask(KIT, json_reply(body), a_request(KIT, n=2))
    assert only(events, Text) == [Text("a"), Text("b", 1)]
    assert only(events, Finish) == [Finish("stop"), Finish("length", 1)]


async def test_logprobs_have_their_rivals() -> None:
    body = chunk([{"text": "é"}], finish="STOP")
    body["candidates"][0]["logprobsResult"] = {
        "chosenCandidates": [{"token": "é", "tokenId": 3, "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "e", "logProbability": -1}]}],
    }
    rival = {"token": "e", "logprob": -1.0, "bytes": [101]}
    entry = {"token": "é", "logprob": -0.5, "bytes": [195, 169], "top_logprobs": [rival]}
    assert only(await events_of(body), Logprobs) == [Logprobs([entry])]


def grounded(**metadata: Any) -> Json:
    body = chunk([{"text": "Zürich lies by a lake."}], finish="STOP")
    chunks = [{"web": {"uri": "https://a.example", "title": "A"}}, {"web": {}}, {"map": 1}]
    body["candidates"][0]["groundingMetadata"] = {"groundingChunks": chunks, **metadata}
    return body


async def test_sources_count_characters_where_gemini_counts_bytes() -> None:
    segment = {"startIndex": 0, "endIndex": 7, "text": "Zürich"}
    supports = [{"segment": segment, "groundingChunkIndices": [0, 1, 2, 9]}]
    [annotation] = only(await events_of(grounded(groundingSupports=supports)), Annotation)
    assert annotation.value == {
        "type": "url_citation",
        "url_citation": {
            "start_index": 0, "end_index": 6, "url": "https://a.example", "title": "A",
        },
    }  # fmt: skip


async def test_sources_of_no_passage_are_of_the_whole_text() -> None:
    [annotation] = only(await events_of(grounded()), Annotation)
    citation = annotation.value["url_citation"]
    assert (citation["start_index"], citation["end_index"]) == (0, 22)


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
async def test_an_array_of_chunks_is_read_as_a_stream(content_type: str) -> None:
    body = json.dumps([chunk([{"text": "a"}]), chunk([{"text": "b"}], finish="STOP")], indent=1)
    reply = Reply((body.encode(),), content_type=content_type)
    folded = fold(await ask(KIT, reply, a_request(KIT, stream=True)))
    assert (folded.text, folded.finish) == ("ab", ["stop"])


async def test_an_array_that_does_not_finish_is_an_error() -> None:
    reply = json_reply([chunk([{"text": "a"}])])
    assert (await failure(KIT, reply, a_request(KIT, stream=True))).kind is ErrorKind.BAD_RESPONSE


ERROR = {"error": {"code": 503, "message": "Busy.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize("pieces", [1, 7])
async def test_a_bare_error_in_an_event_stream_is_read(pieces: int) -> None:
    body = json.dumps(ERROR, indent=2).encode()
    parts = tuple(
        body[at : at + len(body) // pieces + 1]
        for at in range(0, len(body), len(body) // pieces + 1)
    )
    reply = Reply(parts, content_type="text/event-stream")
    error = await failure(KIT, reply, a_request(KIT, stream=True))
    assert (error.kind, error.phase) == (ErrorKind.OVERLOADED, Phase.BEFORE_CONTENT)


async def test_an_error_within_a_stream_says_how_far_it_had_come() -> None:
    first, second = frame(chunk(WITH_TEXT)), frame(ERROR)
    reply = Reply((first, second), content_type="text/event-stream")
    error = await failure(KIT, reply, a_request(KIT, stream=True))
    assert (error.kind, error.phase) == (ErrorKind.OVERLOADED, Phase.AFTER_CONTENT)
    error = await failure(KIT, replace(reply, pieces=(second,)), a_request(KIT, stream=True))
    assert (error.kind, error.phase) == (ErrorKind.OVERLOADED, Phase.BEFORE_CONTENT)


async def test_an_error_within_a_stream_without_a_code_goes_by_its_word() -> None:
    error = {"error": {"status": "RESOURCE_EXHAUSTED"}}
    caught = await failure(KIT, stream_of(error), a_request(KIT, stream=True))
    assert caught.code is ErrorCode.RATE_LIMIT_EXCEEDED


async def test_arguments_nested_for_ever_are_an_error() -> None:
    args = '{"a":' * 300 + "1" + "}" * 300
    text = json.dumps(chunk([called("f", {"x": "ARGS"})], finish="STOP")).replace('"ARGS"', args)
    reply = Reply((text.encode(),))
    assert (await failure(KIT, reply, a_request(KIT))).kind is ErrorKind.BAD_RESPONSE


def test_nothing_is_waited_for_after_finish_and_counts() -> None:
    answer = GeminiAnswer({}, LruMemory())
    answer.feed(frame(chunk(WITH_TEXT)))
    assert not answer.done
    uncounted = chunk([], finish="STOP")
    counts = {"usageMetadata": uncounted.pop("usageMetadata")}
    answer.feed(frame(uncounted))
    assert not answer.done
    assert answer.feed(frame(counts)) == []
    assert answer.done
    assert isinstance(answer.end()[-1], Usage)


@pytest.mark.parametrize("first", [[], [{"text": "It "}]])
async def test_a_finish_reason_before_the_end_ends_nothing(first: list[Json]) -> None:
    frames = [chunk(first, finish="STOP"), chunk([{"text": "rains"}], finish="STOP")]
    last = [chunk([{"text": "."}]), chunk([], finish="MAX_TOKENS")]
    pieces = tuple(map(frame, [*frames, *last]))
    reply = Reply(pieces, content_type=KIT.stream_type)
    events = await ask(KIT, reply, a_request(KIT, stream=True))
    text = "".join(event.text for event in events if isinstance(event, Text))
    assert text == ("It rains." if first else "rains.")
    assert [event.reason for event in events if isinstance(event, Finish)] == ["length"]


async def test_signatures_come_with_what_they_sign() -> None:
    signed = {"thoughtSignature": "c2ln"}
    image = {"inlineData": {"mimeType": "image/png", "data": "aGk="}, **signed}
    parts = [{"text": "Hi", **signed}, {"text": "", **signed}, image]
    events = await events_of(chunk(parts, finish="STOP"))

    assert [event for event in events if isinstance(event, Text | Signature | Media)] == [
        *(Text("Hi"), Signature("c2ln"), Signature("c2ln")),
        Media("image/png", "aGk=", signature="c2ln"),
    ]
