"""Every recorded exchange with Groq, read again through the adapter."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from adapters.base import AdapterError, ErrorCode, ErrorKind, Json, Start
from tests import recordings
from tests.adapters.groq.kit import GroqKit
from tests.adapters.kit import Folded, Reply, a_request, ask, failure, fold
from tests.recordings import Recording
from tests.sampling import spread

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not recordings.FOLDER.is_dir(), reason="the recordings are not here"),
]

KIT = GroqKit()
CHAT = [each for each in recordings.load("groq") if each.kind not in ("audio", "models")]
STREAMS = [each for each in CHAT if each.is_stream and each.status == 200]
GOOD = [each for each in CHAT if each.status == 200 and each.kind != "error-in-stream"]
ERRORS = [each for each in CHAT if each.status != 200]
EVERY_BYTE = 250


def by_id(recording: Recording) -> str:
    return recording.id


def reply_of(recording: Recording, body: bytes | None = None) -> Reply:
    content_type = "text/event-stream" if recording.is_stream else "application/json"
    rate = {name: text for name, text in recording.headers.items() if name.startswith("x-rate")}
    return Reply(
        (recording.body if body is None else body,),
        content_type=recording.headers.get("content-type", content_type),
        status=recording.status,
        headers=tuple(rate.items()),
    )


async def replayed(recording: Recording, body: bytes | None = None) -> Folded:
    tools = (recording.request["body"] or {}).get("tools") or ()
    request = a_request(KIT, stream=recording.is_stream, tools=tools)
    return fold(await ask(KIT, reply_of(recording, body), request))


def objects_of(recording: Recording) -> list[Json]:
    if not recording.is_stream:
        return [json.loads(recording.body)]
    lines = re.findall(rb"^data: (\{.*\})$", recording.body, re.MULTILINE)
    return [json.loads(line) for line in lines]


def recorded(recording: Recording) -> Folded:
    """What the recording says, by the shortest reading of it."""
    found = Folded()
    for chunk in objects_of(recording):
        for choice in chunk["choices"]:
            said = choice.get("delta") or choice.get("message") or {}
            found.text += said.get("content") or ""
            found.reasoning += said.get("reasoning") or ""
            for call in said.get("tool_calls") or ():
                arguments = json.loads(call["function"]["arguments"]) or {}
                found.calls.append((call["function"]["name"], arguments))
            found.finish += [choice["finish_reason"]] if choice["finish_reason"] else []
    return found


def usage_of(recording: Recording) -> Json:
    found: list[Any] = []
    for chunk in objects_of(recording):
        found += [chunk.get("usage"), (chunk.get("x_groq") or {}).get("usage")]
    return next(usage for usage in found if usage)


@pytest.mark.parametrize("recording", GOOD, ids=by_id)
async def test_a_recorded_answer_says_what_was_recorded(recording: Recording) -> None:
    found = await replayed(recording)
    told, [usage] = usage_of(recording), found.usage
    found.usage = []
    assert found == recorded(recording)
    assert (usage.prompt, usage.completion) == (told["prompt_tokens"], told["completion_tokens"])
    assert usage.prompt + usage.completion == told["total_tokens"]
    details = told.get("completion_tokens_details") or {}
    assert usage.reasoning == details.get("reasoning_tokens")


@pytest.mark.parametrize("recording", GOOD, ids=by_id)
async def test_a_recorded_answer_starts_with_its_id(recording: Recording) -> None:
    reply = reply_of(recording)
    events = await ask(KIT, reply, a_request(KIT, stream=recording.is_stream))
    [start] = [event for event in events if isinstance(event, Start)]
    assert start.id == objects_of(recording)[0]["id"]


def cuts(size: int) -> list[int]:
    """Every byte of a short stream; of a long one its ends, and places all over it."""
    if size <= 2 * EVERY_BYTE:
        return list(range(size))
    middle = range(EVERY_BYTE, size - EVERY_BYTE, max(1, size // 97))
    return [*range(EVERY_BYTE), *middle, *range(size - EVERY_BYTE, size)]


@pytest.mark.parametrize("recording", STREAMS, ids=by_id)
async def test_a_cut_recording_is_whole_or_an_error(recording: Recording) -> None:
    whole = None if recording.kind == "error-in-stream" else await replayed(recording)
    failed = 0
    for at in spread(cuts(len(recording.body))):
        try:
            found = await replayed(recording, recording.body[:at])
        except AdapterError as error:
            failed += 1
            assert error.code in (ErrorCode.PROVIDER_UNAVAILABLE, ErrorCode.INVALID_REQUEST)
        else:
            assert found == whole, f"cut at {at}"
    assert failed > 0


@pytest.mark.parametrize("recording", STREAMS, ids=by_id)
async def test_a_recording_reads_the_same_in_pieces(recording: Recording) -> None:
    request = a_request(KIT, stream=True)
    if recording.kind == "error-in-stream":
        return
    body = recording.body
    pieces = tuple(body[at : at + 7] for at in range(0, len(body), 7))
    split = Reply(pieces, content_type="text/event-stream")
    assert await ask(KIT, split, request) == await ask(
        KIT, Reply((body,), content_type="text/event-stream"), request
    )


KIND_OF_CODE = {
    "model_decommissioned": ErrorKind.MODEL_MISSING,
    "model_not_found": ErrorKind.MODEL_MISSING,
    "invalid_api_key": ErrorKind.AUTH,
    "tool_use_failed": ErrorKind.MALFORMED_ANSWER,
    None: ErrorKind.UNSUPPORTED,
}


@pytest.mark.parametrize("recording", ERRORS, ids=by_id)
async def test_a_recorded_refusal_has_its_kind_and_wait(recording: Recording) -> None:
    error = await failure(KIT, reply_of(recording), a_request(KIT))
    told = json.loads(recording.body)["error"]
    by_status = {413: ErrorKind.TOO_LARGE, 429: ErrorKind.RATE_LIMIT}
    assert error.kind is (by_status.get(recording.status) or KIND_OF_CODE[told.get("code")])
    wait = re.search(r"in (?:(\d+)m)?([\d.]+)s\.", told["message"])
    seconds = int(wait[1] or 0) * 60 + float(wait[2]) if wait else None
    assert error.retry_after_s == pytest.approx(seconds)


OFFERED_AND_FAILED = [
    each for each in ERRORS if b"tool_use_failed" in each.body and b"maybe" not in each.body
]


@pytest.mark.parametrize("recording", OFFERED_AND_FAILED, ids=by_id)
async def test_a_recorded_call_that_groq_refused_is_rescued(recording: Recording) -> None:
    written = json.loads(json.loads(recording.body)["error"]["failed_generation"])
    found = await replayed(recording)
    meant = written if isinstance(written, list) else [written]
    calls = [(call["name"], call.get("parameters", call.get("arguments"))) for call in meant]
    fitted = [
        (name, {key: str(value) for key, value in given.items()}) for name, given in found.calls
    ]
    told = [(name, {key: str(value) for key, value in given.items()}) for name, given in calls]
    assert (fitted, found.finish) == (told, ["tool_calls"])  # whatever types its schema asks for


async def test_an_error_at_the_end_of_a_recorded_stream_is_one() -> None:
    [recording] = [each for each in CHAT if each.kind == "error-in-stream"]
    tools = recording.request["body"]["tools"]
    error = await failure(KIT, reply_of(recording), a_request(KIT, stream=True, tools=tools))
    assert error.kind is ErrorKind.MALFORMED_ANSWER
