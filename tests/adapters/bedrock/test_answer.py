"""What Bedrock's answers mean, beyond what every adapter's suite asks."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from adapters.base import (
    AdapterError,
    Annotation,
    ErrorKind,
    Event,
    Finish,
    Json,
    Media,
    Phase,
    Reasoning,
    Refusal,
    Start,
    Text,
    Thinking,
    ToolCall,
    Usage,
    Warn,
)
from tests.adapters.bedrock.kit import (
    CLAUDE,
    STREAM_TYPE,
    BedrockKit,
    adapter,
    native,
    stream_of,
    whole_of,
)
from tests.adapters.kit import (
    ANSWERS,
    TOOL,
    DictMemory,
    FakeUpstream,
    Reply,
    a_request,
    ask,
    collect,
    failure,
    json_reply,
)
from tests.fakes.bedrock_wire import event, message, thrown

pytestmark = pytest.mark.anyio

KIT = BedrockKit()
END: list[Json] = [
    {"messageStop": {"stopReason": "end_turn"}},
    {"metadata": {"usage": {"inputTokens": 1, "outputTokens": 2}, "metrics": {}}},
]


def block(at: int, delta: Any) -> Json:
    return {"contentBlockDelta": {"contentBlockIndex": at, "delta": delta}}


def stop(at: int) -> Json:
    return {"contentBlockStop": {"contentBlockIndex": at}}


def start(at: int, **what: Any) -> Json:
    return {"contentBlockStart": {"contentBlockIndex": at, "start": what}}


async def events_of(reply: Reply, memory: DictMemory | None = None, **fields: Any) -> list[Event]:
    fake = FakeUpstream(reply)
    stream = reply.content_type == STREAM_TYPE
    asked = a_request(KIT, stream=stream, tools=[TOOL], **fields)
    return await collect(adapter(fake.upstream, memory), asked)


async def said(*blocks: Json, reason: str = "end_turn", **fields: Any) -> list[Event]:
    """What a plain answer says between its begin and its counts."""
    events = await events_of(json_reply(whole_of(*blocks, reason=reason)), **fields)
    return [one for one in events if not isinstance(one, Start | Usage)]


# How it ends


@pytest.mark.parametrize(
    ("reason", "ends"),
    [
        ("end_turn", [Finish("stop")]),
        ("stop_sequence", [Finish("stop")]),
        ("a_new_word", [Finish("stop")]),
        ("max_tokens", [Finish("length")]),
        ("model_context_window_exceeded", [Finish("length")]),
        (
            "guardrail_intervened",
            [Refusal("", word="guardrail_intervened"), Finish("content_filter")],
        ),
        ("content_filtered", [Refusal("", word="content_filtered"), Finish("content_filter")]),
        ("malformed_model_output", [Warn("malformed=malformed_model_output"), Finish("stop")]),
    ],
)
async def test_every_stop_reason_has_its_word(reason: str, ends: list[Event]) -> None:
    assert await said({"text": "So."}, reason=reason) == [Text("So."), *ends]
    streamed = [block(0, {"text": "So."}), {"messageStop": {"stopReason": reason}}, END[1]]
    events = await events_of(stream_of(*streamed))
    assert events[1:-1] == [Text("So."), *ends]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("malformed_tool_use", ErrorKind.MALFORMED_ANSWER),
        ("malformed_model_output", ErrorKind.MALFORMED_ANSWER),
        ("model_context_window_exceeded", ErrorKind.CONTEXT),
    ],
)
async def test_what_ends_badly_before_it_has_begun_is_a_failure(
    reason: str, kind: ErrorKind
) -> None:
    error = await failure(KIT, json_reply(whole_of(reason=reason)), a_request(KIT))
    assert (error.kind, error.upstream_code) == (kind, reason)


# What is in it


async def test_counts_hold_what_a_cache_has_read_and_written() -> None:
    counts = {"inputTokens": 10, "cacheReadInputTokens": 200, "cacheWriteInputTokens": 30}
    [usage] = [
        one
        for one in await events_of(json_reply(whole_of({"text": "x"}, **counts)))
        if isinstance(one, Usage)
    ]
    assert (usage.prompt, usage.cached, usage.extra) == (240, 200, {"cache_write_tokens": 30})


async def test_a_picture_comes_in_one_piece_or_in_many() -> None:
    picture = base64.b64encode(b"picture").decode()
    plain = await said({"image": {"format": "png", "source": {"bytes": picture}}})
    pieces = [base64.b64encode(one).decode() for one in (b"pict", b"ure")]
    deltas = [block(0, {"image": {"source": {"bytes": one}}}) for one in pieces]
    reply = stream_of(start(0, image={"format": "png"}), *deltas, stop(0), *END)
    assert plain[0] == Media("image/png", picture)
    assert plain[0] in await events_of(reply)


async def test_pages_are_cited_and_places_in_documents_are_not() -> None:
    page = {"title": "T", "location": {"web": {"url": "https://x/", "domain": "x"}}}
    place = {"title": "D", "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}}
    cited = {"content": [{"text": "So."}], "citations": [page, place]}
    plain = await said({"citationsContent": cited})
    streamed = await events_of(
        stream_of(block(0, {"text": "So."}), block(0, {"citation": page}), stop(0), *END)
    )
    for events in (plain, streamed):
        [found] = [one.value for one in events if isinstance(one, Annotation)]
        assert found["url_citation"]["url"] == "https://x/"
        assert Text("So.") in events


async def test_what_the_server_called_itself_is_no_call_of_the_clients() -> None:
    own = {"toolUseId": "s", "name": "nova_grounding", "type": "server_tool_use"}
    plain = await said(
        {"toolUse": {**own, "input": {"q": "x"}}},
        {"toolResult": {"toolUseId": "s", "content": []}},
        {"text": "So."},
    )
    assert plain == [Text("So."), Finish("stop")]
    streamed = await events_of(
        stream_of(
            start(0, toolUse=own),
            block(0, {"toolUse": {"input": "{}"}}),
            stop(0),
            start(1, toolResult={"toolUseId": "s"}),
            block(1, {"toolResult": [{"text": "found"}]}),
            stop(1),
            block(2, {"text": "So."}),
            *END,
        )
    )
    assert streamed[1:-1] == plain


async def test_of_several_calls_only_the_first_where_one_is_wanted() -> None:
    reply = json_reply(KIT.whole(ANSWERS["two calls"]))
    events = await events_of(reply, parallel_tool_calls=False)
    assert len({one.key for one in events if isinstance(one, ToolCall)}) == 1
    assert Warn("emulated=parallel_tool_calls") in events


async def test_thoughts_are_not_shown_to_who_does_not_want_them() -> None:
    reply = json_reply(KIT.whole(ANSWERS["reasoning, then text"]))
    hidden = await events_of(reply, thinking=Thinking(include=False))
    assert not any(isinstance(one, Reasoning) for one in hidden)


async def test_tools_bear_the_names_that_the_client_knows() -> None:
    tool = {"type": "function", "function": {"name": "files.read"}}
    named = native(tools=[tool]).body["toolConfig"]["tools"][0]["toolSpec"]["name"]
    use = {"toolUse": {"toolUseId": "t", "name": named, "input": {}}}
    fake = FakeUpstream(json_reply(whole_of(use, reason="tool_use")))
    events = await collect(adapter(fake.upstream), a_request(KIT, tools=[tool]))
    assert [one.name for one in events if isinstance(one, ToolCall) and one.name] == ["files.read"]


# Signed thoughts

REDACTED = base64.b64encode(b"hidden").decode()


@pytest.mark.parametrize("stream", [False, True])
async def test_signed_thoughts_before_a_call_are_kept_until_it_comes_back(stream: bool) -> None:
    use = {"toolUseId": "tooluse_1", "name": "weather"}
    if stream:
        pieces = [{"text": "Ea"}, {"text": "sy."}, {"signature": "si"}, {"signature": "gned"}]
        reply = stream_of(
            *(block(0, {"reasoningContent": one}) for one in pieces),
            stop(0),
            block(1, {"reasoningContent": {"redactedContent": REDACTED}}),
            stop(1),
            start(2, toolUse=use),
            block(2, {"toolUse": {"input": '{"city":'}}),
            block(2, {"toolUse": {"input": '"Oslo"}'}}),
            stop(2),
            {"messageStop": {"stopReason": "tool_use"}},
            END[1],
        )
    else:
        thought = {"reasoningText": {"text": "Easy.", "signature": "signed"}}
        blocks: list[Json] = [
            {"reasoningContent": thought},
            {"reasoningContent": {"redactedContent": REDACTED}},
            {"toolUse": {**use, "input": {"city": "Oslo"}}},
        ]
        reply = json_reply(whole_of(*blocks, reason="tool_use"))
    memory = DictMemory()
    events = await events_of(reply, memory)
    assert "".join(one.text for one in events if isinstance(one, Reasoning)) == "Easy."

    function = {"name": "weather", "arguments": '{"city":"Oslo"}'}
    call = {"id": "tooluse_1", "type": "function", "function": function}
    history = [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [call]}]
    back = native(memory, messages=history, tools=[TOOL]).body["messages"][1]["content"]
    said = {"text": "Easy.", "signature": "signed"}
    assert back[0] == {"reasoningContent": {"reasoningText": said}}
    assert back[1] == {"reasoningContent": {"redactedContent": REDACTED}}
    assert back[2]["toolUse"]["input"] == {"city": "Oslo"}


# Inside a stream


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("throttlingException", "Too many requests", ErrorKind.RATE_LIMIT),
        ("serviceUnavailableException", "busy", ErrorKind.OVERLOADED),
        ("internalServerException", "oh", ErrorKind.SERVER),
        ("modelStreamErrorException", "oh", ErrorKind.SERVER),
        ("validationException", "Input is too long for requested model.", ErrorKind.CONTEXT),
        ("aNewException", "oh", ErrorKind.SERVER),
        ("", "", ErrorKind.SERVER),
    ],
)
@pytest.mark.parametrize("begun", [False, True])
async def test_an_exception_in_a_stream_is_what_it_would_be_outside(
    name: str, text: str, kind: ErrorKind, begun: bool
) -> None:
    before = [block(0, {"text": "So"})] if begun else []
    reply = stream_of({"messageStart": {"role": "assistant"}}, *before, end=thrown(name, text))
    error = await failure(KIT, reply, a_request(KIT, stream=True))
    phase = Phase.AFTER_CONTENT if begun else Phase.BEFORE_CONTENT
    assert (error.kind, error.phase) == (kind, phase)


async def test_an_error_without_a_shape_is_told_by_its_headers() -> None:
    headers = {":message-type": "error", ":error-code": "InternalError", ":error-message": "oh"}
    reply = Reply((message(headers, b""),), content_type=STREAM_TYPE)
    error = await failure(KIT, reply, a_request(KIT, stream=True))
    assert (error.kind, error.upstream_code) == (ErrorKind.SERVER, "InternalError")


async def test_events_that_nobody_knows_yet_are_skipped() -> None:
    strange = message({":message-type": "event", ":event-type": "x"}, b"{}")
    other = message({":message-type": "y"}, b"\x00")
    begin = event({"messageStart": {"role": "assistant"}}) + strange + other
    body = begin + b"".join(map(event, [block(0, {"text": "So."}), block(1, {"new": 1}), *END]))
    events = await ask(KIT, Reply((body,), content_type=STREAM_TYPE), a_request(KIT, stream=True))
    assert Text("So.") in events


@pytest.mark.parametrize(
    "events",
    [
        [block(0, {"toolUse": {"input": "{}"}})],
        [start(0, toolUse={"toolUseId": "a"})],
        [start(0, toolUse={"toolUseId": "a", "name": "x"})] * 2,
        [block(-1, {"text": "x"})],
        [block(True, {"text": "x"})],
        [block(0, {"text": 7})],
        [block(0, {"image": {"source": {"bytes": "AA=="}}})],
        [start(0, image={"format": "png"}), block(0, {"image": {"source": {"bytes": "A"}}})],
        [start(n, toolUse={"toolUseId": "a", "name": "x"}) for n in range(600)],
        [{"messageStop": {}}],
        [{"messageStop": {"stopReason": "end_turn"}}, {"metadata": {"usage": 7}}],
        [END[1]],
    ],
)
async def test_a_stream_that_is_none_of_an_answer_is_an_error(events: list[Json]) -> None:
    error = await failure(KIT, stream_of(*events), a_request(KIT, stream=True))
    assert error.kind is ErrorKind.BAD_RESPONSE


async def test_a_stream_with_a_wrong_checksum_is_an_error_that_says_so() -> None:
    reply = stream_of(block(0, {"text": "So"}), block(0, {"text": "."}))
    wrong = bytearray(reply.body)
    wrong[-1] ^= 1
    with pytest.raises(AdapterError, match="checksum") as caught:
        await events_of(Reply((bytes(wrong),), content_type=STREAM_TYPE))
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


async def test_the_answer_bears_the_models_name_and_the_requests_id() -> None:
    reply = json_reply(KIT.whole(ANSWERS["plain text"]), x_amzn_requestid="r-1")
    begin = (await ask(KIT, reply, a_request(KIT)))[0]
    assert begin == Start(model=CLAUDE, request_id="r-1")
