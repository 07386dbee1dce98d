"""The suite that every adapter must pass.

An adapter's test file writes a `Kit` (how its provider puts an answer into bytes), gives it as a
fixture, and takes the tests over:

    from tests.adapters.contract import *  # noqa: F403

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def kit() -> Kit:
        return GroqKit()
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from adapters.base import (
    AdapterError,
    ErrorCode,
    ErrorKind,
    Json,
    NativeCall,
    Phase,
    Scope,
    Text,
)
from tests.adapters.kit import (
    ANSWERS,
    API_KEY,
    TOOL,
    Answer,
    FakeUpstream,
    Kit,
    Reply,
    a_request,
    answers,
    ask,
    collect,
    counted,
    expected,
    failure,
    fold,
    json_reply,
    modes,
    reply_to,
    stream_reply,
)
from tests.sampling import ALL, spread

# Answers


@answers
@modes
async def test_an_answer_becomes_the_events_that_it_says(
    kit: Kit, answer: Answer, stream: bool
) -> None:
    request = a_request(kit, stream=stream, tools=[TOOL])
    events = await ask(kit, reply_to(kit, answer, stream), request)
    assert counted(fold(events)) == expected(kit, answer)


@answers
async def test_a_stream_folds_to_the_plain_answer(kit: Kit, answer: Answer) -> None:
    plain = await ask(kit, reply_to(kit, answer, False), a_request(kit, tools=[TOOL]))
    stream = await ask(kit, reply_to(kit, answer, True), a_request(kit, stream=True, tools=[TOOL]))
    assert fold(stream) == fold(plain)


async def test_streamed_text_keeps_its_pieces(kit: Kit) -> None:
    answer = ANSWERS["text in pieces"]
    events = await ask(kit, reply_to(kit, answer, True), a_request(kit, stream=True))
    assert [event.text for event in events if isinstance(event, Text)] == list(answer.texts)


async def test_a_plain_call_that_is_answered_with_a_stream_is_read(kit: Kit) -> None:
    answer = ANSWERS["text in pieces"]
    events = await ask(kit, stream_reply(kit, answer), a_request(kit))
    assert counted(fold(events)) == expected(kit, answer)


async def test_a_streamed_call_that_is_answered_in_one_piece_is_read(kit: Kit) -> None:
    answer = ANSWERS["two calls"]
    events = await ask(
        kit, json_reply(kit.whole(answer)), a_request(kit, stream=True, tools=[TOOL])
    )
    assert counted(fold(events)) == expected(kit, answer)


# Bytes


@pytest.mark.parametrize("name", ["unicode", "two calls", "reasoning, then text"])
async def test_a_stream_reads_the_same_wherever_it_is_split(kit: Kit, name: str) -> None:
    request = a_request(kit, stream=True, tools=[TOOL])
    reply = stream_reply(kit, ANSWERS[name])
    body = reply.body
    whole = await ask(kit, reply, request)
    single_bytes = tuple(bytes([byte]) for byte in body)
    assert await ask(kit, replace(reply, pieces=single_bytes), request) == whole
    for at in spread(range(1, len(body))):
        split = replace(reply, pieces=(body[:at], body[at:]))
        assert await ask(kit, split, request) == whole, f"split at {at}"


@pytest.mark.parametrize("name", ["text in pieces", "two calls", "reasoning, then text"])
async def test_a_cut_stream_is_an_error_or_the_whole_answer(kit: Kit, name: str) -> None:
    request = a_request(kit, stream=True, tools=[TOOL])
    reply = stream_reply(kit, ANSWERS[name])
    whole = fold(await ask(kit, reply, request))
    errors = 0
    cuts = spread(range(len(reply.body)))
    for at in cuts:
        try:
            events = await ask(kit, replace(reply, pieces=(reply.body[:at],)), request)
        except AdapterError as error:
            errors += 1
            assert error.code is ErrorCode.PROVIDER_UNAVAILABLE
        else:
            assert fold(events) in (whole, replace(whole, usage=[])), f"cut at {at}"
    assert errors > len(cuts) / 2


@modes
async def test_a_cut_answer_is_an_error(kit: Kit, stream: bool) -> None:
    reply = reply_to(kit, ANSWERS["plain text"], stream)
    reply = replace(reply, pieces=(reply.body[: len(reply.body) // 2],))
    error = await failure(kit, reply, a_request(kit, stream=stream))
    assert error.kind is ErrorKind.BAD_RESPONSE


async def test_a_stream_cut_after_content_says_so(kit: Kit) -> None:
    objects = kit.stream(ANSWERS["text in pieces"])
    first = kit.frame(objects)[: kit.frame(objects).rindex(b"ld.")]
    reply = Reply((first,), content_type=kit.stream_type)
    error = await failure(kit, reply, a_request(kit, stream=True))
    assert (error.kind, error.phase) == (ErrorKind.BAD_RESPONSE, Phase.AFTER_CONTENT)


# Failures


CODES = {
    400: (ErrorCode.INVALID_REQUEST, {ErrorKind.BAD_REQUEST}),
    401: (ErrorCode.AUTHENTICATION_FAILED, {ErrorKind.AUTH}),
    403: (ErrorCode.AUTHENTICATION_FAILED, {ErrorKind.AUTH}),
    404: (ErrorCode.INVALID_REQUEST, {ErrorKind.MODEL_MISSING}),
    413: (ErrorCode.INVALID_REQUEST, {ErrorKind.TOO_LARGE}),
    429: (ErrorCode.RATE_LIMIT_EXCEEDED, {ErrorKind.RATE_LIMIT}),
    500: (ErrorCode.PROVIDER_UNAVAILABLE, {ErrorKind.SERVER}),
    502: (ErrorCode.PROVIDER_UNAVAILABLE, {ErrorKind.SERVER}),
    503: (ErrorCode.PROVIDER_UNAVAILABLE, {ErrorKind.SERVER, ErrorKind.OVERLOADED}),
}


@pytest.mark.parametrize("status", CODES)
@modes
async def test_a_refusal_becomes_the_error_of_its_status(
    kit: Kit, status: int, stream: bool
) -> None:
    reply = json_reply(kit.refusal(status, "No."), status)
    error = await failure(kit, reply, a_request(kit, stream=stream))
    code, kinds = CODES[status]
    assert error.code is code
    assert error.kind in kinds
    assert (error.status, error.provider) == (status, kit.name)
    assert error.phase is Phase.BEFORE_CONTENT
    assert (error.scope is Scope.KEY) == (error.kind is ErrorKind.AUTH)


@pytest.mark.parametrize("status", CODES)
@pytest.mark.parametrize("body", [b"", b"<html>oops</html>", b"{", b"[]", b'"x"', b'{"error":7}'])
async def test_a_refusal_needs_no_readable_body(kit: Kit, status: int, body: bytes) -> None:
    reply = Reply((body,), content_type="text/html", status=status)
    error = await failure(kit, reply, a_request(kit))
    assert error.code is CODES[status][0]
    assert "<html>" not in error.message


@pytest.mark.parametrize("status", [302, 304, 418, 451, 501, 520, 599])
async def test_every_other_status_is_an_adapter_error(kit: Kit, status: int) -> None:
    error = await failure(kit, Reply((b"",), status=status), a_request(kit))
    assert error.status == status


async def test_a_wait_in_retry_after_is_told(kit: Kit) -> None:
    reply = json_reply(kit.refusal(429, "Slow down."), 429, retry_after="7")
    error = await failure(kit, reply, a_request(kit))
    assert error.retry_after_s == 7


@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_an_error_never_repeats_the_key(kit: Kit, status: int) -> None:
    reply = json_reply(kit.refusal(status, f"Bearer {API_KEY} is bad"), status)
    error = await failure(kit, reply, a_request(kit))
    assert API_KEY not in error.message
    assert API_KEY not in str(error)


@pytest.mark.parametrize("body", [b"", b"<html>It works!</html>", b"null", b"[]", b"7", b"{}"])
@pytest.mark.parametrize("content_type", ["application/json", "text/html", "text/plain", "own"])
@modes
async def test_a_good_status_with_no_answer_is_an_error(
    kit: Kit, body: bytes, content_type: str, stream: bool
) -> None:
    media_type = kit.stream_type if content_type == "own" else content_type
    reply = Reply((body,) if body else (), content_type=media_type)
    error = await failure(kit, reply, a_request(kit, stream=stream))
    assert error.kind is ErrorKind.BAD_RESPONSE
    assert error.phase is Phase.BEFORE_CONTENT


TRANSPORT = {
    "refused": (httpx.ConnectError("refused"), ErrorKind.NETWORK),
    "connecting too slow": (httpx.ConnectTimeout(""), ErrorKind.TIMEOUT_CONNECT),
    "no first byte": (httpx.ReadTimeout(""), ErrorKind.TIMEOUT_FIRST_BYTE),
    "reset": (httpx.ReadError(""), ErrorKind.BROKEN),
    "hung up": (httpx.RemoteProtocolError(""), ErrorKind.BROKEN),
}


@pytest.mark.parametrize(("raised", "kind"), TRANSPORT.values(), ids=TRANSPORT.keys())
@modes
async def test_a_broken_connection_is_an_adapter_error(
    kit: Kit, raised: Exception, kind: ErrorKind, stream: bool
) -> None:
    error = await failure(kit, raised, a_request(kit, stream=stream))
    unsent = isinstance(raised, httpx.ConnectError | httpx.ConnectTimeout)
    phase = Phase.BEFORE_SEND if unsent else Phase.BEFORE_CONTENT
    assert (error.kind, error.phase) == (kind, phase)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [(httpx.ReadTimeout(""), ErrorKind.STALL), (httpx.ReadError(""), ErrorKind.BROKEN)],
    ids=["stalled", "reset"],
)
async def test_a_stream_that_breaks_after_content_says_so(
    kit: Kit, raised: Exception, kind: ErrorKind
) -> None:
    body = kit.frame(kit.stream(ANSWERS["text in pieces"]))
    reply = Reply((body[: body.rindex(b"ld.")],), content_type=kit.stream_type, error=raised)
    error = await failure(kit, reply, a_request(kit, stream=True))
    assert (error.kind, error.phase) == (kind, Phase.AFTER_CONTENT)


# Closing


async def test_closing_the_generator_closes_the_upstream_response(kit: Kit) -> None:
    body = kit.frame(kit.stream(ANSWERS["text in pieces"]))
    start = body[: body.rindex(b"ld.")]
    fake = FakeUpstream(Reply((start,), content_type=kit.stream_type, hang=True))
    batches = kit.adapter(fake.upstream).chat(a_request(kit, stream=True))
    async for batch in batches:
        if any(isinstance(event, Text) for event in batch):
            break
    await batches.aclose()
    assert fake.bodies[-1].closed


@modes
async def test_cancelling_the_task_closes_the_upstream_response(kit: Kit, stream: bool) -> None:
    content_type = kit.stream_type if stream else "application/json"
    fake = FakeUpstream(Reply((), content_type=content_type, hang=True))
    asking = asyncio.create_task(collect(kit.adapter(fake.upstream), a_request(kit, stream=stream)))
    async with asyncio.timeout(10):
        await fake.waiting.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert fake.bodies[-1].closed


@pytest.mark.parametrize("status", [200, 429])
async def test_a_response_that_was_read_is_closed(kit: Kit, status: int) -> None:
    fake = FakeUpstream(json_reply(kit.refusal(429, "No."), status))
    with pytest.raises(AdapterError):
        await collect(kit.adapter(fake.upstream), a_request(kit))
    assert all(body.closed for body in fake.bodies)


# Requests


def _history() -> list[Json]:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    return [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": "Weather?", "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "Sun."}]},
        {
            "role": "assistant",
            "content": "Sun.",
            "reasoning_content": "Read it.",
            "annotations": [],
        },
        {"role": "user", "content": [{"type": "text", "text": "And tomorrow?"}]},
    ]


async def test_the_request_is_not_changed(kit: Kit) -> None:
    request = a_request(
        kit,
        messages=_history(),
        tools=[copy.deepcopy(TOOL)],
        params={"temperature": 0.5, "metadata": {"a": "b"}},
        extensions={"groq": {"a": {"b": 1}}, "gemini": {"a": {"b": 1}}, "ollama": {"a": {"b": 1}}},
    )
    before = copy.deepcopy(request)
    adapter = kit.adapter(FakeUpstream(json_reply(kit.whole(ANSWERS["plain text"]))).upstream)
    adapter.to_native(request)
    await collect(adapter, request)
    assert request == before


async def test_translating_sends_nothing_and_repeats_itself(kit: Kit) -> None:
    fake = FakeUpstream(httpx.ConnectError("nothing should come"))
    adapter = kit.adapter(fake.upstream)
    request = a_request(kit, messages=_history(), tools=[TOOL], stream=True)
    call = adapter.to_native(request)
    assert isinstance(call, NativeCall)
    assert adapter.to_native(request) == call
    assert not call.path.startswith("http")
    json.dumps(call.body, allow_nan=False)
    assert not fake.requests


async def test_what_is_sent_is_what_to_native_shows(kit: Kit) -> None:
    fake = FakeUpstream(json_reply(kit.whole(ANSWERS["plain text"])))
    adapter = kit.adapter(fake.upstream)
    request = a_request(kit, messages=_history(), tools=[TOOL])
    await collect(adapter, request)
    assert fake.sent == json.loads(json.dumps(adapter.to_native(request).body))
    assert len(fake.requests) == 1


# Hostile answers


def _mutants(value: Any) -> Iterator[Any]:
    """`value` with each of its parts replaced by something that has no business there."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield {name: kept for name, kept in value.items() if name != key}
            yield from ({**value, key: mutant} for mutant in _mutants(part))
    elif isinstance(value, list):
        yield []
        for at, part in enumerate(value):
            yield from ([*value[:at], mutant, *value[at + 1 :]] for mutant in _mutants(part))
    yield from (None, -7, 1.5e300, True, "\u2028{", [], {}, [None], {"error": "x"})


@answers
async def test_any_malformed_plain_answer_is_events_or_an_adapter_error(
    kit: Kit, answer: Answer
) -> None:
    for mutant in spread(_mutants(kit.whole(answer))):
        with contextlib.suppress(AdapterError):
            await ask(kit, json_reply(mutant), a_request(kit, tools=[TOOL]))


@answers
async def test_any_malformed_stream_is_events_or_an_adapter_error(kit: Kit, answer: Answer) -> None:
    for mutant in spread(_mutants(kit.stream(answer))):
        if isinstance(mutant, list):
            reply = Reply((kit.frame(mutant),), content_type=kit.stream_type)
            with contextlib.suppress(AdapterError):
                await ask(kit, reply, a_request(kit, stream=True, tools=[TOOL]))


@given(body=st.binary(max_size=400), stream=st.booleans(), status=st.sampled_from([200, 400, 429]))
@settings(
    max_examples=150 if ALL else 40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_bytes_are_an_adapter_error(kit: Kit, body: bytes, stream: bool, status: int) -> None:
    content_type = kit.stream_type if stream else "application/json"
    reply = Reply((body,), content_type=content_type, status=status)
    with pytest.raises(AdapterError):
        asyncio.run(ask(kit, reply, a_request(kit, stream=stream)))


__all__ = [name for name in list(globals()) if name.startswith("test_")]
