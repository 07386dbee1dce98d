"""An exchange over a toy dialect: what comes back, and how it ends."""

from __future__ import annotations

import asyncio
import gzip

import httpx
import pytest

from adapters.base import ErrorKind, Finish, NativeCall, RateLimits, Text, Warn
from adapters.wire import native
from tests.adapters.native_kit import (
    END,
    JSON,
    NDJSON,
    PLAIN,
    STREAM,
    Body,
    Wire,
    answer,
    assert_closed,
    batches_of,
    failure_of,
    opened,
    row,
)

pytestmark = pytest.mark.anyio

# Back


async def test_each_read_is_one_batch_and_warnings_come_first() -> None:
    headers = {**NDJSON, "x-left": "9"}
    batches = await batches_of(
        answer(row("a") + row("b"), b"", row("c")[:4], row("c")[4:], END, headers=headers)
    )

    assert batches == [
        [Warn("dropped=user"), RateLimits(remaining_requests=9)],
        [Text("a"), Text("b")],
        [Text("c")],
        [Finish("stop")],
    ]


async def test_a_plain_answer_is_one_batch() -> None:
    body = answer(row("a")[:3], row("a")[3:] + END, headers=JSON)

    assert await batches_of(body, call=PLAIN) == [[Text("a"), Finish("stop")]]


async def test_a_json_answer_to_a_stream_call_is_read_whole() -> None:
    batches = await batches_of(answer(row("a"), END, headers=JSON))

    assert batches == [[Warn("dropped=user")], [Text("a"), Finish("stop")]]


@pytest.mark.parametrize(
    "content_type", ["text/event-stream; charset=utf-8", NDJSON["content-type"]]
)
async def test_a_stream_answer_to_a_plain_call_is_read_as_a_stream(content_type: str) -> None:
    streamed = answer(row("a"), END, headers={"content-type": content_type})

    assert await batches_of(streamed, call=PLAIN) == [[Text("a")], [Finish("stop")]]


@pytest.mark.parametrize("call", [STREAM, PLAIN], ids=["stream", "plain"])
async def test_a_compressed_answer_is_read_although_none_was_asked_for(call: NativeCall) -> None:
    data = gzip.compress(row("a") + END)
    headers = {**(NDJSON if call.stream else JSON), "content-encoding": "gzip"}
    batches = await batches_of(answer(data[:9], data[9:], headers=headers), call=call)

    assert [event for batch in batches for event in batch][-2:] == [Text("a"), Finish("stop")]


async def test_what_stands_behind_a_compressed_answer_is_not_read() -> None:
    garbage = [b"x" * 1000] * 50
    headers = {**NDJSON, "content-encoding": "gzip"}
    response = answer(gzip.compress(row("a")), *garbage, headers=headers)

    await failure_of(response)

    assert isinstance(response.stream, Body)
    assert response.stream.read == 2


async def test_broken_compression_is_a_bad_response() -> None:
    headers = {**NDJSON, "content-encoding": "gzip"}
    error, _ = await failure_of(answer(b"not gzip at all", headers=headers))

    assert error.kind is ErrorKind.BAD_RESPONSE


# Ends


async def test_after_the_end_mark_the_rest_is_drained() -> None:
    response = answer(row("a"), END, b"\n", b"\n")

    await batches_of(response)

    assert isinstance(response.stream, Body)
    assert response.stream.read == 4


async def test_an_answer_that_stays_open_behind_its_end_mark_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(native, "DRAIN_S", 0)

    assert (await batches_of(answer(row("a"), END, hangs=True)))[-1] == [Finish("stop")]


async def test_a_cut_behind_the_end_mark_does_no_harm() -> None:
    response = answer(row("a"), END, httpx.ReadError("cut"))

    assert (await batches_of(response))[-1] == [Finish("stop")]


async def test_a_stream_without_its_end_mark_is_an_error() -> None:
    error, found = await failure_of(answer(row("a")))

    assert error.kind is ErrorKind.BAD_RESPONSE
    assert Text("a") in found


async def test_closing_the_events_closes_the_response() -> None:
    response = answer(row("a"), hangs=True)
    events = opened(Wire(response))
    await anext(events)
    await anext(events)

    await events.aclose()

    assert_closed(response)


async def test_cancelling_the_reader_closes_the_response() -> None:
    response = answer(row("a"), hangs=True)
    reading = asyncio.create_task(batches_of(response))
    while isinstance(response.stream, Body) and not response.stream.read:  # noqa: ASYNC110
        await asyncio.sleep(0)

    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading
    assert_closed(response)
