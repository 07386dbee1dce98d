"""Ollama's adapter against the contract; its answers and its errors."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from adapters.base import (
    AdapterError,
    ErrorKind,
    Event,
    Finish,
    Json,
    Phase,
    Reasoning,
    Scope,
    Text,
    Thinking,
    ToolCall,
    Usage,
    Warn,
)
from tests.adapters.contract import *  # noqa: F403
from tests.adapters.kit import TOOL, Answer, FakeUpstream, Kit, Reply, collect, json_reply
from tests.adapters.ollama.kit import (
    OK,
    OllamaKit,
    a_chat,
    ollama_call,
    ollama_end,
    ollama_line,
    ollama_message,
    ollama_over,
    stream_of,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def kit() -> Kit:
    return OllamaKit()


# Answers


async def test_calls_in_several_lines_are_told_apart_and_keep_their_ids() -> None:
    first = {"id": "call_a", "function": {"index": 0, "name": "weather", "arguments": {"n": 1}}}
    second = {"function": {"index": 0, "name": "weather", "arguments": {}}}
    fake = FakeUpstream(
        stream_of(
            ollama_line(ollama_message(content="Well.", thinking="Hm.")),
            ollama_line(ollama_message(tool_calls=[first])),
            ollama_line(ollama_message(tool_calls=[second])),
            ollama_line(ollama_message()) | ollama_end(Answer()),
        )
    )
    events = await collect(ollama_over(fake), a_chat(stream=True, tools=[TOOL]))
    assert events[1:] == [
        Reasoning("Hm."),
        Text("Well."),
        ToolCall(key=0, name="weather", arguments='{"n":1}', id="call_a"),
        ToolCall(key=1, name="weather", arguments="{}"),
        Finish("tool_calls"),
        Usage(prompt=21, completion=9),
    ]


@pytest.mark.parametrize(
    ("done_reason", "calls", "finish"),
    [
        ("stop", 0, "stop"),
        ("stop", 1, "tool_calls"),
        ("length", 0, "length"),
        ("length", 1, "length"),
        ("load", 0, "stop"),
        ("unload", 0, "stop"),
        ("of its own", 0, "stop"),
    ],
)
async def test_the_reason_of_the_end_is_said_in_openais_words(
    done_reason: str, calls: int, finish: str
) -> None:
    message = ollama_message(tool_calls=[ollama_call("weather", {})] * calls)
    answer = ollama_line(message) | {"done": True, "done_reason": done_reason}
    events = await collect(ollama_over(FakeUpstream(json_reply(answer))), a_chat(tools=[TOOL]))
    assert Finish(finish) in events


@pytest.mark.parametrize("reason", [{}, {"done_reason": ""}, {"done_reason": None}])
async def test_an_end_without_a_reason_is_a_broken_answer(reason: Json) -> None:
    fake = FakeUpstream(
        json_reply(ollama_line(ollama_message(content="Half")) | {"done": True} | reason)
    )
    with pytest.raises(AdapterError) as caught:
        await collect(ollama_over(fake), a_chat())
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


async def test_counts_that_are_missing_are_zero_and_marked() -> None:
    answer = ollama_line(ollama_message(content="Yes.")) | {"done": True, "done_reason": "stop"}
    events = await collect(ollama_over(FakeUpstream(json_reply(answer))), a_chat())
    assert events[-2:] == [Warn("missing=usage"), Usage()]


async def test_only_the_first_call_is_kept_where_parallel_ones_are_unwanted() -> None:
    calls = [ollama_call("weather", {"city": "Oslo"}), ollama_call("weather", {"city": "Rome"})]
    answer = ollama_line(ollama_message(tool_calls=calls)) | ollama_end(Answer())
    request = a_chat(tools=[TOOL], parallel_tool_calls=False)
    events = await collect(ollama_over(FakeUpstream(json_reply(answer))), request)
    assert [e.arguments for e in events if isinstance(e, ToolCall)] == ['{"city":"Oslo"}']
    assert Warn("dropped=tool_calls") in events


async def test_thoughts_that_are_unwanted_are_left_out() -> None:
    answer = ollama_line(ollama_message(content="42", thinking="Hm.")) | ollama_end(Answer())
    request = a_chat(thinking=Thinking(include=False))
    events = await collect(ollama_over(FakeUpstream(json_reply(answer))), request)
    assert Text("42") in events
    assert not [event for event in events if isinstance(event, Reasoning)]


async def test_logprobs_take_openais_shape() -> None:
    top = {"token": "ja", "logprob": -0.5}
    entry = {"token": "é", "logprob": -0.25, "top_logprobs": [top]}
    bare = {"token": "a", "logprob": -1, "bytes": [97]}
    answer = (
        ollama_line(ollama_message(content="éa"))
        | {"logprobs": [entry, bare]}
        | ollama_end(Answer())
    )
    events = await collect(ollama_over(FakeUpstream(json_reply(answer))), a_chat())
    (logprobs,) = [event for event in events if hasattr(event, "content")]
    assert logprobs.content == [
        {
            "token": "é",
            "logprob": -0.25,
            "bytes": [195, 169],
            "top_logprobs": [{"token": "ja", "logprob": -0.5, "bytes": [106, 97]}],
        },
        {"token": "a", "logprob": -1, "bytes": [97], "top_logprobs": []},
    ]


async def test_the_first_event_says_model_and_time() -> None:
    events: list[Event] = await collect(ollama_over(FakeUpstream(OK)), a_chat())
    assert (events[0].model, events[0].created) == ("llama3.2", 1795255200)  # type: ignore[union-attr]


# Errors


IN_STREAM = {
    'model "m" not found, try pulling it first': ErrorKind.MODEL_MISSING,
    "server busy, please try again.  maximum pending requests exceeded": ErrorKind.OVERLOADED,
    "m does not support tools": ErrorKind.UNSUPPORTED,
    "the input length exceeds the context length": ErrorKind.CONTEXT,
    "prompt too long; exceeded max context length by 12 tokens": ErrorKind.CONTEXT,
    "unauthorized": ErrorKind.AUTH,
    "too many requests": ErrorKind.RATE_LIMIT,
    "an error was encountered while running the model: CUDA error": ErrorKind.SERVER,
    "": ErrorKind.SERVER,
}


@pytest.mark.parametrize(("text", "kind"), IN_STREAM.items(), ids=range(len(IN_STREAM)))
@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_in_a_good_answer_is_known_by_its_words(
    text: str, kind: ErrorKind, stream: bool
) -> None:
    reply = stream_of({"error": text}) if stream else json_reply({"error": text})
    with pytest.raises(AdapterError) as caught:
        await collect(ollama_over(FakeUpstream(reply)), a_chat(stream=stream))
    assert (caught.value.kind, caught.value.phase) == (kind, Phase.BEFORE_CONTENT)


async def test_an_error_line_after_content_says_so() -> None:
    good = OllamaKit().frame([ollama_line(ollama_message(content="Once"))])
    bad = OllamaKit().frame([{"error": "the runner died"}])
    fake = FakeUpstream(Reply((good, bad), content_type="application/x-ndjson"))
    with pytest.raises(AdapterError) as caught:
        await collect(ollama_over(fake), a_chat(stream=True))
    assert (caught.value.kind, caught.value.phase) == (ErrorKind.SERVER, Phase.AFTER_CONTENT)


REFUSALS = [
    (400, "registry/m does not support tools", ErrorKind.UNSUPPORTED, "tools"),
    (400, '"m" does not support chat', ErrorKind.UNSUPPORTED, "model"),
    (400, "the input length exceeds the context length", ErrorKind.CONTEXT, "messages"),
    (400, "json: cannot unmarshal", ErrorKind.BAD_REQUEST, None),
    (404, "model 'm' not found", ErrorKind.MODEL_MISSING, "model"),
    (408, "", ErrorKind.TIMEOUT_FIRST_BYTE, None),
    (412, "the model requires a newer version of Ollama", ErrorKind.MODEL_MISSING, "model"),
    (500, "model requires more system memory", ErrorKind.SERVER, None),
    (400, {"message": "m does not support tools"}, ErrorKind.UNSUPPORTED, "tools"),
    (503, "server busy, please try again.", ErrorKind.OVERLOADED, None),
    (504, "", ErrorKind.TIMEOUT_FIRST_BYTE, None),
]


@pytest.mark.parametrize(("status", "text", "kind", "param"), REFUSALS)
async def test_a_refusal_names_the_parameter_at_fault(
    status: int, text: Any, kind: ErrorKind, param: str | None
) -> None:
    fake = FakeUpstream(json_reply({"error": text}, status))
    with pytest.raises(AdapterError) as caught:
        await collect(ollama_over(fake, num_ctx=512), a_chat(tools=[TOOL]))
    assert (caught.value.kind, caught.value.param) == (kind, param)
    assert len(fake.requests) == 1


UPGRADE = "upgrade for higher limits: https://ollama.com/upgrade (ref: 0d1f)"
OF_THE_CLOUD = [
    (429, f"you (x) have reached your weekly usage limit, {UPGRADE}", ErrorKind.QUOTA_DAY, 21_600),
    (429, f"you (x) have reached your session usage limit, {UPGRADE}", ErrorKind.QUOTA_DAY, 3600),
    (429, "too many concurrent requests", ErrorKind.RATE_LIMIT, None),
    (403, f"this model requires a subscription, {UPGRADE}", ErrorKind.ACCOUNT, None),
    (402, "payment required", ErrorKind.ACCOUNT, None),
    (529, "overloaded", ErrorKind.OVERLOADED, None),
    (402, "you have reached your session usage limit", ErrorKind.QUOTA_DAY, 3600),
    (400, "gpt-oss:120b-cloud was retired", ErrorKind.MODEL_MISSING, 10),
    (401, "unauthorized", ErrorKind.ACCOUNT, None),
    (503, "server busy", ErrorKind.OVERLOADED, None),
]


@pytest.mark.parametrize("model", ["gpt-oss:120b-cloud", "minimax-m2.7:cloud"])
@pytest.mark.parametrize(("status", "text", "kind", "wait_s"), OF_THE_CLOUD)
async def test_what_the_cloud_refuses_is_its_models_alone(
    model: str, status: int, text: str, kind: ErrorKind, wait_s: float | None
) -> None:
    fake = FakeUpstream(json_reply({"error": text}, status))
    with pytest.raises(AdapterError) as caught:
        await collect(ollama_over(fake), a_chat(model=model))
    found = caught.value
    assert (found.kind, found.scope, found.retry_after_s) == (kind, Scope.MODEL, wait_s)
    assert "OLLAMA_API_KEY" not in found.message


@pytest.mark.parametrize(("status", "kind"), [(401, ErrorKind.AUTH), (429, ErrorKind.RATE_LIMIT)])
async def test_the_same_of_a_local_model_is_the_servers(status: int, kind: ErrorKind) -> None:
    fake = FakeUpstream(json_reply({"error": "no"}, status))
    with pytest.raises(AdapterError) as caught:
        await collect(ollama_over(fake), a_chat(model="llama3.2"))
    assert caught.value.kind is kind
    assert caught.value.scope is not Scope.MODEL


async def test_a_model_that_is_not_there_comes_with_the_command_that_gets_it() -> None:
    fake = FakeUpstream(json_reply({"error": "model 'phi4' not found"}, 404))
    with pytest.raises(AdapterError, match="ollama pull phi4"):
        await collect(ollama_over(fake), a_chat(model="phi4"))


async def test_a_refused_connection_says_how_to_start_the_server() -> None:
    fake = FakeUpstream(httpx.ConnectError("refused"))
    with pytest.raises(AdapterError, match=r"is Ollama running.*ollama serve") as caught:
        await collect(ollama_over(fake), a_chat())
    assert (caught.value.kind, caught.value.scope) == (ErrorKind.NETWORK, Scope.PROVIDER)


DEEP = json.loads("[" * 300 + "]" * 300)
ODD: dict[str, Json] = {
    "message": {"message": ["x"]},
    "content": {"message": {"content": 7}},
    "thinking": {"message": {"thinking": {"a": 1}}},
    "calls": {"message": {"tool_calls": {"a": 1}}},
    "call": {"message": {"tool_calls": [{"function": "f"}]}},
    "call name": {"message": {"tool_calls": [{"function": {"name": ""}}]}},
    "arguments": {"message": {"tool_calls": [{"function": {"name": "f", "arguments": DEEP}}]}},
    "logprobs": {"message": {}, "logprobs": {"a": 1}},
    "logprob": {"message": {}, "logprobs": [{"token": 1}]},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
async def test_an_answer_of_another_shape_is_refused(odd: Json) -> None:
    fake = FakeUpstream(json_reply({**odd, **ollama_end(Answer())}))
    with pytest.raises(AdapterError) as caught:
        await collect(ollama_over(fake), a_chat())
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


async def test_what_follows_the_end_is_not_read() -> None:
    line = ollama_line(ollama_message(content="Yes.")) | ollama_end(Answer())
    events = await collect(ollama_over(FakeUpstream(stream_of(line, line))), a_chat(stream=True))
    assert [event for event in events if isinstance(event, Text)] == [Text("Yes.")]


async def test_arguments_that_are_text_already_stay_as_they_are() -> None:
    call = {"function": {"name": "f", "arguments": '{"a": 1}'}}
    answer = ollama_line(ollama_message(tool_calls=[call])) | ollama_end(Answer())
    events = await collect(ollama_over(FakeUpstream(json_reply(answer))), a_chat())
    assert ToolCall(key=0, name="f", arguments='{"a": 1}') in events
