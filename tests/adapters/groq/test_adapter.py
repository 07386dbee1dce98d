"""What only Groq does: calls that it could not read, errors in a 200, limits in headers."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from adapters.base import (
    AdapterError,
    Annotation,
    ErrorKind,
    Event,
    Finish,
    Json,
    Logprobs,
    Phase,
    RateLimits,
    Reasoning,
    ResponseFormat,
    Start,
    Text,
    Thinking,
    ToolCall,
    Usage,
    Warn,
)
from tests.adapters.groq.kit import HEAD, GroqKit
from tests.adapters.kit import (
    TOOL,
    Answer,
    FakeUpstream,
    Reply,
    a_request,
    ask,
    collect,
    failure,
    fold,
    json_reply,
)

pytestmark = pytest.mark.anyio

KIT = GroqKit()
QWEN = "qwen/qwen3-32b"
WRITTEN = '<function=weather{"city": "Turin"}</function>'


def failed(text: str, **more: Any) -> Json:
    error = {
        "message": "Failed to call a function.",
        "type": "invalid_request_error",
        "code": "tool_use_failed",
        "failed_generation": text,
    }
    return {"error": error | more}


def chunk(delta: Json, finish: str | None = None, **more: Any) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {**HEAD, "choices": [choice], **more}


def stream(*objects: Json) -> Reply:
    return Reply((KIT.frame(list(objects)),), content_type="text/event-stream")


def message(**fields: Any) -> Json:
    choice = {"index": 0, "message": {"role": "assistant", **fields}, "finish_reason": "stop"}
    return {**HEAD, "choices": [choice]}


async def events_of(reply: Reply, **fields: Any) -> list[Event]:
    return await ask(KIT, reply, a_request(KIT, **fields))


# Calls that Groq could not read


RESCUED = [
    ToolCall(key=0, name="weather", arguments='{"city":"Turin"}'),
    Finish("tool_calls"),
    Warn("rescued=tool_calls"),
]


async def test_a_call_in_a_refusal_is_rescued() -> None:
    reply = json_reply(failed(WRITTEN), 400)
    assert await events_of(reply, tools=[TOOL]) == RESCUED
    assert await events_of(reply, tools=[TOOL], stream=True) == RESCUED


async def test_a_call_in_an_error_event_is_rescued() -> None:
    body = KIT.frame([chunk({"role": "assistant", "content": ""})]).removesuffix(
        b"data: [DONE]\n\n"
    )
    body += (
        b"event: error\ndata: " + json.dumps(failed(WRITTEN, status_code=400)).encode() + b"\n\n"
    )
    reply = Reply((body,), content_type="text/event-stream")
    events = await events_of(reply, tools=[TOOL], stream=True)
    assert events[-3:] == RESCUED


@pytest.mark.parametrize("text", ["", "maybe", WRITTEN.replace("weather", "storm")])
async def test_what_cannot_be_rescued_may_rotate(text: str) -> None:
    error = await failure(KIT, json_reply(failed(text), 400), a_request(KIT, tools=[TOOL]))
    assert error.kind is ErrorKind.MALFORMED_ANSWER
    assert error.upstream_code == "tool_use_failed"


async def test_nothing_is_rescued_where_no_tool_was_offered() -> None:
    error = await failure(KIT, json_reply(failed(WRITTEN), 400), a_request(KIT))
    assert error.kind is ErrorKind.MALFORMED_ANSWER


async def test_one_call_is_rescued_where_only_one_is_wanted() -> None:
    reply = json_reply(failed(WRITTEN * 2), 400)
    assert len(await events_of(reply, tools=[TOOL])) == 4
    assert await events_of(reply, tools=[TOOL], parallel_tool_calls=False) == RESCUED


async def test_a_rescued_call_is_fitted_to_its_schema_and_marked() -> None:
    parameters = {"type": "object", "properties": {"days": {"type": "integer"}}}
    tool = {"type": "function", "function": {"name": "plan", "parameters": parameters}}
    written = '<function=plan>{"days": "30", "why": "1"}</function>'

    call, _, *warned = await events_of(json_reply(failed(written), 400), tools=[tool])

    assert isinstance(call, ToolCall)
    assert json.loads(call.arguments) == {"days": 30, "why": "1"}
    assert warned == [Warn("rescued=tool_calls"), Warn("changed=tool_calls.arguments")]


# Errors in an answer of status 200


IN_STREAM = {
    "object": ({"error": {"message": "x", "code": "rate_limit_exceeded"}}, ErrorKind.RATE_LIMIT),
    "status": ({"error": {"message": "x", "status_code": 503}}, ErrorKind.OVERLOADED),
    "type": ({"error": {"type": "invalid_request_error"}}, ErrorKind.BAD_REQUEST),
    "text": ({"error": "over capacity"}, ErrorKind.SERVER),
    "x_groq": ({**chunk({}), "x_groq": {"error": "over capacity"}}, ErrorKind.SERVER),
    "tool_use_failed": (failed("hm", status_code=400), ErrorKind.MALFORMED_ANSWER),
}


@pytest.mark.parametrize(("error", "kind"), IN_STREAM.values(), ids=IN_STREAM.keys())
async def test_an_error_in_a_200_is_the_error_that_it_tells(error: Json, kind: ErrorKind) -> None:
    first = await failure(KIT, stream(error), a_request(KIT, stream=True))
    assert (first.kind, first.phase) == (kind, Phase.BEFORE_CONTENT)
    plain = await failure(KIT, json_reply(error), a_request(KIT))
    assert plain.kind is kind


async def test_an_error_after_content_says_so() -> None:
    pieces = [
        KIT.frame([part])[: -len(b"data: [DONE]\n\n")]
        for part in (chunk({"content": "Hi"}), failed(""))
    ]
    reply = Reply(tuple(pieces), content_type="text/event-stream")
    error = await failure(KIT, reply, a_request(KIT, stream=True))
    assert error.phase is Phase.AFTER_CONTENT


# Second tries


async def retried(refusal: Json, **fields: Any) -> tuple[list[Json], list[str]]:
    """The bodies sent when the first is refused, and the warnings of the answer."""
    answer = json_reply(KIT.whole(Answer(texts=("Hi",))))
    fake = FakeUpstream(json_reply({"error": refusal}, 400), answer)
    events = await collect(KIT.adapter(fake.upstream), a_request(KIT, **fields))
    assert fold(events).text == "Hi"
    bodies = [json.loads(request.content) for request in fake.requests]
    return bodies, [event.word for event in events if isinstance(event, Warn)]


@pytest.mark.parametrize(
    "refusal",
    [
        {"message": "not supported with this model", "param": "reasoning_format"},
        {"message": "`reasoning_format` is not supported with this model"},
    ],
)
async def test_a_reasoning_parameter_that_a_model_refuses_is_left_out(refusal: Json) -> None:
    bodies, words = await retried(refusal, model=QWEN, thinking=Thinking(include=True))
    assert [body.get("reasoning_format") for body in bodies] == ["parsed", None]
    assert words == ["dropped=reasoning_format"]


async def test_a_schema_that_a_model_refuses_becomes_an_instruction() -> None:
    refusal = {"message": "This model does not support response format `json_schema`."}
    wanted = ResponseFormat(schema={"type": "object"})
    bodies, words = await retried(refusal, response_format=wanted)
    assert bodies[1]["response_format"] == {"type": "json_object"}
    assert "JSON Schema" in bodies[1]["messages"][0]["content"]
    assert words == ["emulated=response_format"]


async def test_json_mode_that_will_not_stream_is_asked_for_plainly() -> None:
    refusal = {"message": "`response_format` does not support streaming"}
    bodies, words = await retried(refusal, response_format=ResponseFormat(), stream=True)
    assert [body.get("stream") for body in bodies] == [True, None]
    assert words == ["changed=messages", "emulated=stream"]


async def test_a_schema_in_a_stream_is_asked_for_plainly() -> None:
    fake = FakeUpstream(json_reply(KIT.whole(Answer(texts=("{}",)))))
    request = a_request(KIT, stream=True, response_format=ResponseFormat(schema={}))
    events = await collect(KIT.adapter(fake.upstream), request)
    assert "stream" not in fake.sent
    assert fold(events).text == "{}"


async def test_any_other_bad_request_is_sent_once() -> None:
    fake = FakeUpstream(json_reply({"error": {"message": "x", "param": "messages"}}, 400))
    with pytest.raises(AdapterError):
        await collect(KIT.adapter(fake.upstream), a_request(KIT, thinking=Thinking("low")))
    assert len(fake.requests) == 1


# What an answer holds


async def test_the_start_tells_what_groq_tells_of_itself() -> None:
    whole = KIT.whole(Answer(texts=("Hi",)))
    start = Start(
        id="chatcmpl-11",
        model="openai/gpt-oss-120b",
        created=1_760_000_000,
        system_fingerprint="fp_1",
        service_tier="default",
        request_id="req_11",
    )
    assert (await events_of(json_reply(whole)))[0] == start


@pytest.mark.parametrize(
    ("tier", "told"),
    [("on_demand", "default"), ("performance", "priority"), ("flex", "flex"), ("new", None)],
)
async def test_the_tier_is_told_in_openais_words(tier: str, told: str | None) -> None:
    whole = {**KIT.whole(Answer(texts=("Hi",))), "service_tier": tier}
    start = (await events_of(json_reply(whole)))[0]
    assert isinstance(start, Start)
    assert start.service_tier == told


async def test_limits_come_from_the_headers() -> None:
    headers = {
        "x_ratelimit_limit_requests": "14400",
        "x_ratelimit_remaining_requests": "14399",
        "x_ratelimit_reset_requests": "6s",
        "x_ratelimit_limit_tokens": "6000",
        "x_ratelimit_remaining_tokens": "many",
        "x_ratelimit_reset_tokens": "449.5ms",
    }
    reply = json_reply(KIT.whole(Answer(texts=("Hi",))), **headers)
    limits = RateLimits(14400, 14399, 6.0, 6000, None, pytest.approx(0.4495))
    assert (await events_of(reply))[0] == limits


async def test_usage_is_counted_once_wherever_it_comes() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_time": 0.5, "note": "x"}
    once = Usage(5, 7, extra={"total_time": 0.5})
    for more in ({"usage": usage}, {"x_groq": {"usage": usage}, "usage": usage}):
        end = chunk({}, "stop", **more)
        events = await events_of(
            stream(chunk({"content": "a"}), end, {"choices": [], **more}), stream=True
        )
        assert [event for event in events if isinstance(event, Usage)] == [once]


async def test_pieces_of_calls_keep_together() -> None:
    def piece(index: int, call_id: str | None, name: str | None, arguments: str) -> Json:
        function = {"name": name, "arguments": arguments}
        call = {"index": index, "id": call_id, "function": function}
        return chunk({"tool_calls": [call]})

    reply = stream(
        piece(0, "a", "one", ""),
        piece(0, None, None, '{"x":'),
        piece(1, "b", "two", ""),
        piece(0, None, None, "1}"),
        chunk({}, "tool_calls"),
    )
    assert fold(await events_of(reply, stream=True)).calls == [("one", {"x": 1}), ("two", {})]


async def test_calls_that_share_an_index_stay_apart() -> None:
    calls = [
        {"index": 0, "id": call_id, "function": {"name": call_id, "arguments": "{}"}}
        for call_id in ("a", "b")
    ]
    reply = stream(*(chunk({"tool_calls": [call]}) for call in calls), chunk({}, "stop"))
    folded = fold(await events_of(reply, stream=True))
    assert (folded.calls, folded.finish) == ([("a", {}), ("b", {})], ["tool_calls"])


async def test_whole_calls_may_lack_index_and_id() -> None:
    calls = [{"function": {"name": name, "arguments": {"n": 1}}} for name in ("a", "b")]
    folded = fold(await events_of(json_reply(message(tool_calls=calls))))
    assert folded.calls == [("a", {"n": 1}), ("b", {"n": 1})]


async def test_the_older_function_call_is_a_tool_call() -> None:
    whole = message(function_call={"name": "go", "arguments": '{"a":1}'})
    whole["choices"][0]["finish_reason"] = "function_call"
    folded = fold(await events_of(json_reply(whole)))
    assert (folded.calls, folded.finish) == ([("go", {"a": 1})], ["tool_calls"])


async def test_what_was_found_on_the_web_becomes_citations() -> None:
    results = {"results": [{"url": "https://a.example", "title": "A"}, {"title": "no url"}]}
    tools = [{"index": 0, "type": "search", "search_results": results}, {"type": "python"}]
    events = await events_of(json_reply(message(content="Hi", executed_tools=tools)))
    [cited] = [event.value for event in events if isinstance(event, Annotation)]
    assert cited["type"] == "url_citation"
    assert (cited["url_citation"]["url"], cited["url_citation"]["title"]) == (
        "https://a.example",
        "A",
    )


async def test_every_choice_keeps_its_index() -> None:
    choices = [
        {"index": at, "message": {"content": str(at)}, "finish_reason": "stop"} for at in (0, 1)
    ]
    events = await events_of(json_reply({**HEAD, "choices": choices}))
    assert [event.index for event in events if isinstance(event, Text)] == [0, 1]
    assert [event.index for event in events if isinstance(event, Finish)] == [0, 1]


async def test_logprobs_pass_through() -> None:
    whole = message(content="Hi")
    whole["choices"][0]["logprobs"] = {"content": [{"token": "Hi", "logprob": -0.1}]}
    events = await events_of(json_reply(whole))
    assert Logprobs([{"token": "Hi", "logprob": -0.1}]) in events


async def test_think_tags_stay_in_the_text() -> None:
    events = await events_of(stream(chunk({"content": "<think>a</think>b"}), chunk({}, "stop")))
    assert fold(events).text == "<think>a</think>b"
    assert not any(isinstance(event, Reasoning) for event in events)


async def test_a_stream_without_done_is_whole_once_it_has_finished() -> None:
    reply = stream(chunk({"content": "Hi"}), chunk({}, "stop"))
    cut = Reply((reply.body.removesuffix(b"data: [DONE]\n\n"),), content_type="text/event-stream")
    assert fold(await events_of(cut, stream=True)).finish == ["stop"]


async def test_a_connection_that_breaks_behind_the_counts_loses_nothing() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 1}
    for counted in (True, False):
        last = chunk({}, "stop") | ({"usage": usage} if counted else {})
        whole = stream(chunk({"content": "Hi"}), last).body.removesuffix(b"data: [DONE]\n\n")
        cut = Reply((whole,), content_type="text/event-stream", error=httpx.ReadError("cut"))
        if counted:
            assert fold(await events_of(cut, stream=True)).finish == ["stop"]
        else:
            assert (await failure(KIT, cut, a_request(KIT, stream=True))).kind is ErrorKind.BROKEN


async def test_done_without_a_finish_reason_is_no_end() -> None:
    error = await failure(KIT, stream(chunk({"content": "Hi"})), a_request(KIT, stream=True))
    assert error.kind is ErrorKind.BAD_RESPONSE


def test_capabilities_know_the_families() -> None:
    adapter = KIT.adapter(FakeUpstream().upstream)
    assert not adapter.capabilities("llama-3.3-70b-versatile").images
    assert adapter.capabilities("meta-llama/llama-4-scout-17b-16e-instruct").images
    assert adapter.capabilities("maker/model-of-tomorrow").images
    assert not adapter.capabilities("meta-llama/llama-guard-4-12b").tools
    assert not adapter.capabilities("llama-3.3-70b-versatile").thinking
    assert adapter.capabilities("openai/gpt-oss-20b").thinking
    every = adapter.capabilities("x")
    assert (every.n, every.logprobs, every.audio, every.image_urls) == (False, False, False, True)
