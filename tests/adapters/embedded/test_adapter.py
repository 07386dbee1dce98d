"""The embedded model's answers: a real llama.cpp, really asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from adapters.base import (
    AdapterError,
    ErrorKind,
    Logprobs,
    ResponseFormat,
    Text,
)
from adapters.embedded import llama_process
from adapters.embedded.adapter import EmbeddedAdapter
from tests.adapters.embedded.model import (
    a_request,
    an_adapter,
    answer,
    is_loading,
    needs_the_extra,
    process_of,
    until,
)
from tests.adapters.kit import collect, fold

pytestmark = [pytest.mark.anyio, needs_the_extra]


@pytest.fixture
async def adapter() -> AsyncIterator[EmbeddedAdapter]:
    made = an_adapter()
    yield made
    await made.close()


# Answers


@pytest.mark.parametrize("stream", [True, False])
async def test_it_answers(adapter: EmbeddedAdapter, stream: bool) -> None:
    events = await answer(adapter, a_request(stream=stream))
    folded = fold(events)
    assert folded.text.strip()
    assert folded.finish in (["stop"], ["length"])
    (usage,) = folded.usage
    assert usage.prompt > 5
    assert 0 < usage.completion <= 12


async def test_its_text_comes_in_pieces(adapter: EmbeddedAdapter) -> None:
    pieces = [each for each in await answer(adapter, a_request("Count.")) if isinstance(each, Text)]
    assert len(pieces) > 3


async def test_the_same_seed_gives_the_same_text(adapter: EmbeddedAdapter) -> None:
    request = a_request(params={"temperature": 1, "seed": -(2**63) + 11})
    assert fold(await answer(adapter, request)).text == fold(await answer(adapter, request)).text


async def test_a_schema_is_kept_to(adapter: EmbeddedAdapter) -> None:
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "green"]}, "sure": {"type": "boolean"}},
        "required": ["colour", "sure"],
        "additionalProperties": False,
    }
    request = a_request(
        "Which colour?", response_format=ResponseFormat(schema=schema), max_tokens=200
    )
    value = json.loads(fold(await answer(adapter, request)).text)
    assert value["colour"] in ("red", "green")
    assert isinstance(value["sure"], bool)


async def test_a_schema_without_a_grammar_may_rotate(adapter: EmbeddedAdapter) -> None:
    wanted = ResponseFormat(schema={"type": "no such type"})
    with pytest.raises(AdapterError) as caught:
        await answer(adapter, a_request(response_format=wanted))
    assert (caught.value.kind, caught.value.param) == (ErrorKind.UNSUPPORTED, "response_format")


async def test_a_stop_word_ends_the_text(adapter: EmbeddedAdapter) -> None:
    whole = fold(await answer(adapter, a_request())).text
    word = whole.split()[1]
    cut = fold(await answer(adapter, a_request(stop=(word,)))).text
    assert cut == whole[: whole.index(word)]


@pytest.mark.parametrize("top", [0, 3])
async def test_logprobs_come_as_many_as_asked_for(adapter: EmbeddedAdapter, top: int) -> None:
    params = {"logprobs": True, "top_logprobs": top, "temperature": 0}
    events = await answer(adapter, a_request(params=params, max_tokens=3))
    entries = [entry for each in events if isinstance(each, Logprobs) for entry in each.content]
    assert [len(entry["top_logprobs"]) for entry in entries] == [top] * len(entries)
    assert "".join(entry["token"] for entry in entries) == fold(events).text


async def test_a_conversation_with_calls_goes_on(adapter: EmbeddedAdapter) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "Rain."},
    ]
    assert fold(await answer(adapter, a_request(messages=messages))).text


async def test_a_prompt_that_is_too_long_is_refused(adapter: EmbeddedAdapter) -> None:
    with pytest.raises(AdapterError) as caught:
        await answer(adapter, a_request("hello " * 5000))
    error = caught.value
    assert (error.kind, error.status, error.param) == (ErrorKind.CONTEXT, 400, "messages")
    assert "hello" not in error.message


# At once


async def test_many_are_answered_at_once(adapter: EmbeddedAdapter) -> None:
    count = 3 * llama_process.SLOTS
    requests = [a_request(f"Name the number {i}.", max_tokens=4) for i in range(count)]
    answers = await asyncio.gather(*(answer(adapter, request) for request in requests))
    assert all(fold(events).finish for events in answers)


async def test_the_model_is_loaded_once(adapter: EmbeddedAdapter) -> None:
    pids = [(await process_of(adapter)).pid for _ in range(2)]
    both = await asyncio.gather(process_of(adapter), process_of(adapter))
    assert {*pids, *(process.pid for process in both)} == {pids[0]}


async def test_a_client_that_leaves_does_not_end_the_loading(adapter: EmbeddedAdapter) -> None:
    asking = asyncio.create_task(collect(adapter, a_request()))
    await until(lambda: is_loading(adapter))
    loading = adapter._connecting
    assert loading is not None
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not loading.cancelled()
    await process_of(adapter)
    assert adapter._connecting is loading


async def test_the_loop_runs_on_while_it_loads_and_answers(adapter: EmbeddedAdapter) -> None:
    asking = asyncio.create_task(answer(adapter, a_request()))
    await until(lambda: is_loading(adapter))
    loading = adapter._connecting
    assert loading is not None
    turns = {"loading": 0, "answering": 0}
    while not asking.done():
        turns["answering" if loading.done() else "loading"] += 1
        await asyncio.sleep(0.001)
    assert turns["loading"] > 20
    assert turns["answering"] > 5
    assert fold(asking.result()).text
