"""Recorded exchanges with Gemini, read by the adapter and by a few lines of this file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from adapters.base import (
    AdapterError,
    ChatRequest,
    ErrorKind,
    Event,
    Json,
    Media,
    Start,
    ToolCall,
    Usage,
)
from tests import recordings
from tests.adapters.gemini.kit import adapter
from tests.adapters.kit import FakeUpstream, Folded, Reply, collect, fold
from tests.recordings import Recording
from tests.sampling import spread

pytestmark = pytest.mark.anyio

ALL = recordings.load("gemini")
CHATS = [r for r in ALL if r.status == 200 and "enerateContent" in r.request["path"]]
STREAMS = [r for r in CHATS if r.headers.get("content-type") == "text/event-stream"]
ERRORS = [r for r in ALL if r.status >= 400]
# An edited mock in which the model says nothing and gives no reason that OpenAI has a word for.
NO_ANSWER = [r for r in CHATS if b'"OTHER"' in r.body and b'"parts"' not in r.body]
ANSWERED = [r for r in CHATS if r not in NO_ANSWER]
CUTS = 150
FEW = 32


def _id(recording: Recording) -> str:
    return recording.id


def _reply(recording: Recording) -> Reply:
    stream_type = "text/event-stream" if recording.is_stream else "application/json"
    return Reply(
        (recording.body,),
        content_type=recording.headers.get("content-type", stream_type),
        status=recording.status,
    )


async def _replayed(recording: Recording, reply: Reply) -> list[Event]:
    request = ChatRequest(
        model="gemini-2.5-flash",
        messages=[{"role": "user", "content": "?"}],
        stream=recording.is_stream,
    )
    return await collect(adapter(FakeUpstream(reply).upstream), request)


def _documents(recording: Recording) -> list[Json]:
    text = recording.body.decode()
    if text.lstrip().startswith(("{", "[")):
        value = json.loads(text)
        return value if isinstance(value, list) else [value]
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line.startswith("data:")]
    return [json.loads(line[5:]) for line in lines]


def _parts(recording: Recording) -> list[Json]:
    return [
        part
        for document in _documents(recording)
        for candidate in document.get("candidates", [])[:1]
        for part in candidate.get("content", {}).get("parts", [])
    ]


def _finish(recording: Recording, calls: list[Any]) -> str:
    reasons = [
        candidate["finishReason"]
        for document in _documents(recording)
        for candidate in document.get("candidates", [])
        if "finishReason" in candidate
    ]
    if not any("candidates" in document for document in _documents(recording)):
        return "content_filter"
    last = reasons[-1] if reasons else "STOP"
    plain = "tool_calls" if calls else "stop"
    return {"STOP": plain, "MAX_TOKENS": "length", "SAFETY": "content_filter"}[last]


def _folded(recording: Recording) -> Folded:
    """Text, thoughts, calls and finish of the first candidate, straight from the recording."""
    parts = _parts(recording)
    calls = [
        (part["functionCall"]["name"], part["functionCall"].get("args") or {})
        for part in parts
        if "functionCall" in part
    ]
    return Folded(
        text="".join(part.get("text", "") for part in parts if not part.get("thought")),
        reasoning="".join(part.get("text", "") for part in parts if part.get("thought")),
        calls=calls,
        finish=[_finish(recording, calls)],
    )


def test_the_recordings_are_there() -> None:
    if not ALL:
        pytest.skip("no recordings beside the project")
    assert len(CHATS) > 100
    assert len(STREAMS) > 50


@pytest.mark.parametrize("recording", ANSWERED, ids=_id)
async def test_a_recorded_answer_is_read_as_it_stands(recording: Recording) -> None:
    events = [
        e for e in await _replayed(recording, _reply(recording)) if getattr(e, "index", 0) == 0
    ]
    folded, wanted = fold(events), _folded(recording)
    assert (folded.reasoning, folded.calls) == (wanted.reasoning, wanted.calls)
    assert folded.finish == wanted.finish
    if any("executableCode" in part for part in _parts(recording)):
        assert "```" in folded.text
    else:
        assert folded.text == wanted.text
    media = [part for part in _parts(recording) if "inlineData" in part]
    assert len([event for event in events if isinstance(event, Media)]) == len(media)
    assert isinstance(events[0], Start)


@pytest.mark.parametrize("recording", [r for r in CHATS if b"totalTokenCount" in r.body], ids=_id)
async def test_recorded_counts_add_up(recording: Recording) -> None:
    told = [d["usageMetadata"] for d in _documents(recording) if "usageMetadata" in d]
    events = await _replayed(recording, _reply(recording))
    [usage] = [event for event in events if isinstance(event, Usage)]
    assert usage.prompt + usage.completion == told[-1]["totalTokenCount"]
    assert usage.reasoning == told[-1].get("thoughtsTokenCount")
    assert usage.cached == told[-1].get("cachedContentTokenCount")


@pytest.mark.parametrize("recording", [r for r in CHATS if b"thoughtSignature" in r.body], ids=_id)
async def test_recorded_signatures_go_with_their_calls(recording: Recording) -> None:
    signatures = [p.get("thoughtSignature") for p in _parts(recording) if "functionCall" in p]
    events = await _replayed(recording, _reply(recording))
    calls = [event for event in events if isinstance(event, ToolCall) and event.name]
    carried = [
        call.extra["extra_content"]["google"]["thought_signature"] if call.extra else None
        for call in calls
    ]
    assert carried == signatures
    assert all(call.id for call in calls if call.extra)


@pytest.mark.parametrize("recording", STREAMS, ids=_id)
async def test_a_cut_recording_is_an_error_or_the_whole_answer(recording: Recording) -> None:
    reply = _reply(recording)
    whole = fold(await _replayed(recording, reply))
    step = max(1, len(recording.body) // CUTS)
    for at in spread([*range(0, len(recording.body), step), len(recording.body) - 1], FEW):
        try:
            events = await _replayed(recording, replace(reply, pieces=(recording.body[:at],)))
        except AdapterError as error:
            assert error.kind is ErrorKind.BAD_RESPONSE
        else:
            assert fold(events) == whole, f"cut at {at}"


@pytest.mark.parametrize("recording", STREAMS, ids=_id)
async def test_a_recording_in_small_pieces_reads_the_same(recording: Recording) -> None:
    body, size = recording.body, max(7, len(recording.body) // 400)
    pieces = tuple(body[at : at + size] for at in range(0, len(body), size))
    whole = fold(await _replayed(recording, _reply(recording)))
    assert fold(await _replayed(recording, replace(_reply(recording), pieces=pieces))) == whole


@pytest.mark.parametrize("recording", NO_ANSWER, ids=_id)
async def test_an_answer_without_content_and_reason_is_an_error(recording: Recording) -> None:
    with pytest.raises(AdapterError) as caught:
        await _replayed(recording, _reply(recording))
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


@pytest.mark.parametrize("recording", ERRORS, ids=_id)
async def test_a_recorded_error_gives_its_kind(recording: Recording) -> None:
    told: dict[bytes, ErrorKind] = {
        b"API_KEY_INVALID": ErrorKind.AUTH,
        b"modalities (TEXT) is not supported by the model": ErrorKind.UNSUPPORTED,
    }
    other = ErrorKind.BAD_REQUEST
    kinds = {
        400: next((told[words] for words in told if words in recording.body), other),
        403: ErrorKind.AUTH,
        404: ErrorKind.MODEL_MISSING,
        429: ErrorKind.RATE_LIMIT,
        503: ErrorKind.OVERLOADED,
    }
    with pytest.raises(AdapterError) as caught:
        await _replayed(recording, _reply(recording))
    error = caught.value
    assert (error.kind, error.status) == (kinds[recording.status], recording.status)
    assert (error.retry_after_s is None) == (b"retryDelay" not in recording.body)
