"""Answers as people have seen gateways and local servers write them: what comes of each kind."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from typing import Any

import pytest

from adapters.base import (
    AdapterError,
    ChatRequest,
    ErrorKind,
    Event,
    Finish,
    Json,
    ToolCall,
    Usage,
)
from adapters.compatible.models import models_of
from adapters.compatible.sound import to_native_hearing
from adapters.gemini.answer import GeminiAnswer
from adapters.tasks import TranscriptionRequest
from tests.adapters.kit import Answer, DictMemory, FakeUpstream, Reply, collect, fold, json_reply
from tests.adapters.ollama.kit import (
    a_chat,
    ollama_end,
    ollama_line,
    ollama_message,
    ollama_over,
)
from tests.adapters.openai.kit import ASK, HEAD, OpenAIKit, adapter

pytestmark = pytest.mark.anyio

TOOL: Json = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
ARGUMENTS = '{"at":"sea"}'
COUNTS: Json = {"prompt_tokens": 3, "completion_tokens": 2}
A, B = {"content": "a"}, {"content": "b"}


def chunk(delta: Any, reason: str | None = None, **more: Any) -> Json:
    return {**HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": reason, **more}]}


def called(arguments: Any, *, at: Any = 0, name: str = "look", call_id: Any = None) -> Json:
    call = {"index": at, "id": call_id, "function": {"name": name, "arguments": arguments}}
    return chunk({"tool_calls": [call]})


async def events_of(chunks: Sequence[Json], *, body: bytes | None = None) -> list[Event]:
    reply = Reply((body or OpenAIKit().frame([*chunks]),), content_type="text/event-stream")
    request = ChatRequest("m", ASK, tools=(TOOL,), stream=True)
    return await collect(adapter(FakeUpstream(reply).upstream), request)


async def test_chunks_with_less_in_them_than_there_should_be_are_read() -> None:
    counts = {"prompt_tokens": 3.0, "completion_tokens": 2.0}
    end = chunk({}, "stop")
    for chunks in (
        [{"object": "ping"}, chunk(A), chunk(B), end, {**HEAD, "usage": counts}],
        [chunk(A), chunk(B), end, {**HEAD, "choices": None, "usage": counts}],
        [chunk(A), {**HEAD, "choices": [{"index": None, "finish_reason": None}]}, chunk(B), end],
        [chunk(A), chunk(B), {**HEAD, "choices": [{"finish_reason": "stop"}], "error": {}}],
        [chunk(A, "null"), chunk(B, ""), end],
    ):
        found = fold(await events_of(chunks))
        assert (found.text, found.finish) == ("ab", ["stop"]), chunks
        assert all((one.prompt, one.completion) == (3, 2) for one in found.usage), chunks


async def test_an_end_mark_without_a_blank_line_is_one() -> None:
    lines = [f"data: {json.dumps(each)}\n\n" for each in (chunk(A), chunk(B), chunk({}, "stop"))]
    found = fold(await events_of((), body="".join([*lines, "data: [DONE]"]).encode()))
    assert (found.text, found.finish) == ("ab", ["stop"])


async def test_reasons_of_other_protocols_are_told_in_openais_words() -> None:
    for reason, told in {
        "STOP": "stop",
        "end_turn": "stop",
        "MAX_TOKENS": "length",
        "max_output_tokens": "length",
        "model_context_window_exceeded": "length",
        "SAFETY": "content_filter",
        "refusal": "content_filter",
        "sensitive": "content_filter",
        "guardrail_intervened": "content_filter",
        "token_limit": "length",
        "tool_calls": "stop",  # without any
    }.items():
        assert fold(await events_of([chunk(A), chunk({}, reason)])).finish == [told], reason


async def test_an_answer_that_ended_with_an_error_is_none() -> None:
    error = {"message": "the provider went away", "code": 502}
    for last in (
        chunk({}, "error", error=error),
        chunk({}, "network_error"),
        chunk({}, "stop", native_finish_reason="network_error"),
    ):
        with pytest.raises(AdapterError):
            await events_of([chunk(A), last])


async def test_calls_are_told_apart_and_whole_however_they_are_numbered() -> None:
    once, twice = [("look", {"at": "sea"})], [("look", {"at": "sea"})] * 2
    for chunks, calls in (
        ([called("{}", call_id="1"), called(ARGUMENTS, name="")], once),
        ([called(ARGUMENTS, call_id="1"), called("", call_id="1", name="")], once),
        ([called(ARGUMENTS, at=None, call_id="1")], once),
        ([called("{}", call_id="1")], [("look", {})]),
        ([called(ARGUMENTS), called(ARGUMENTS)], twice),
        ([called("", call_id="1"), called(ARGUMENTS, name=""), called(ARGUMENTS, name="")], once),
        ([called(ARGUMENTS[:4], call_id="1"), called(ARGUMENTS[4:], call_id="1")], once),
        ([called(ARGUMENTS, call_id=7)], once),
        ([called("{}" + ARGUMENTS, call_id="1")], once),
        ([called(json.dumps(ARGUMENTS), call_id="1")], once),
        ([called('{"at":"sea\n"}', call_id="1")], [("look", {"at": "sea\n"})]),
        ([called(ARGUMENTS, call_id="1"), called(ARGUMENTS, at=1, call_id="1")], twice),
        ([called("", name="", call_id="1"), called(ARGUMENTS)], once),
        ([called(ARGUMENTS[:4], name="", call_id="1"), called(ARGUMENTS[4:])], once),
        ([called(""), called(ARGUMENTS, name="", call_id="1")], once),
        ([called("", name=""), called(ARGUMENTS), called("", at=1, name="")], once),
        ([chunk({"tool_calls": [{"name": "look", "arguments": ARGUMENTS}]})], once),
    ):
        events = await events_of([*chunks, chunk({}, "tool_calls")])
        assert fold(events).calls == calls, chunks
        ids = {one.key: one.id for one in events if type(one) is ToolCall and one.id}
        assert len(ids) == len({*ids.values()}), chunks


async def test_what_comes_behind_the_reason_belongs_to_the_answer() -> None:
    once = [("look", {"at": "sea"})]
    for chunks, text, calls, finish in (
        ([chunk(A), chunk({}, "stop"), chunk(B)], "ab", [], "stop"),
        ([chunk({}, "tool_calls"), called(ARGUMENTS, call_id="1")], "", once, "tool_calls"),
        ([chunk({}, "stop"), called(ARGUMENTS, call_id="1")], "", once, "tool_calls"),
        (
            [called(ARGUMENTS[:4], call_id="1"), chunk({}, "stop"), called(ARGUMENTS[4:], name="")],
            *("", once, "tool_calls"),
        ),
    ):
        events = await events_of([*chunks, {**HEAD, "choices": [], "usage": COUNTS}])
        found = fold(events)
        assert (found.text, found.calls, found.finish) == (text, calls, [finish]), chunks
        assert [type(one) for one in events[-2:]] == [Finish, Usage], chunks


async def test_an_answer_that_is_packed_is_whole_in_pieces_of_any_size() -> None:
    chunks = [*[chunk({"content": "a" * 50})] * 40, chunk({}, "stop")]
    packed = gzip.compress(OpenAIKit().frame(chunks))
    coding = (("content-encoding", "gzip"),)
    for size in (1, 7, 64, len(packed)):
        pieces = tuple(packed[at : at + size] for at in range(0, len(packed), size))
        reply = Reply(pieces, content_type="text/event-stream", headers=coding)
        wire = FakeUpstream(reply)
        found = fold(await collect(adapter(wire.upstream), ChatRequest("m", ASK, stream=True)))
        assert (found.text, found.finish) == ("a" * 2000, ["stop"]), size


async def test_numbers_that_are_texts_are_numbers() -> None:
    counts = {"prompt_tokens": "3", "completion_tokens": "2"}
    choices = [{"index": "0", "delta": A}, {"index": "0", "delta": {}, "finish_reason": "stop"}]
    chunks = [*({**HEAD, "choices": [one]} for one in choices), {**HEAD, "usage": counts}]
    found = fold(await events_of(chunks))
    assert (found.text, found.finish) == ("a", ["stop"])
    assert [(one.prompt, one.completion) for one in found.usage] == [(3, 2)]
    for index in ("128", "-1", "x", "9" * 5000):
        with pytest.raises(AdapterError):
            await events_of([{**HEAD, "choices": [{"index": index, "delta": A}]}])


async def test_a_stream_is_read_without_blank_lines_and_where_it_is_none() -> None:
    chunks = [chunk(A), chunk(B), chunk({}, "stop")]
    for end, mark in (("\n", "[DONE]"), ("\r\n", "[DONE]"), ("\n\n", " [DONE] ")):
        lines = [f"data: {json.dumps(each)}{end}" for each in chunks]
        found = fold(await events_of((), body="".join([*lines, f"data: {mark}{end}"]).encode()))
        assert (found.text, found.finish) == ("ab", ["stop"])
    whole = {**HEAD, "choices": [{"message": {"content": "ab"}, "finish_reason": "stop"}]}
    for begin in ("", "\ufeff", "\n \n"):
        found = fold(await events_of((), body=f"{begin}{json.dumps(whole)}".encode()))
        assert (found.text, found.finish) == ("ab", ["stop"])


async def test_an_error_inside_a_good_status_is_one_however_it_is_written() -> None:
    for error, kind in (
        ({"object": "error", "message": "bad order", "code": 400}, ErrorKind.BAD_REQUEST),
        ({"error": {"message": "slow down", "code": "429"}}, ErrorKind.RATE_LIMIT),
        ({"type": "error", "error": {"message": "slow", "http_code": "429"}}, ErrorKind.RATE_LIMIT),
        ({"error": {"message": "slow", "type": "rate_limit_error"}}, ErrorKind.RATE_LIMIT),
        ({"error": {"message": "bad", "type": "authentication_error"}}, ErrorKind.AUTH),
        ({"error": {"message": "x", "status": "RESOURCE_EXHAUSTED"}}, ErrorKind.RATE_LIMIT),
        (
            {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
            ErrorKind.ACCOUNT,
        ),
    ):
        with pytest.raises(AdapterError) as caught:
            await events_of([error])
        assert caught.value.kind is kind, error


async def test_thoughts_and_their_signatures_are_found_where_gateways_put_them() -> None:
    for delta in (
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}, {"data": "x"}]},
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning_text": "hm", "reasoning_opaque": "x"},
    ):
        found = fold(await events_of([chunk(delta), chunk(A), chunk({}, "stop")]))
        assert (found.reasoning, found.text) == ("hm", "a"), delta
    signed = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
    call = {"index": 0, "id": "1", "function": {"name": "look", "arguments": ARGUMENTS}, **signed}
    events = await events_of([chunk({"tool_calls": [call]}), chunk({}, "tool_calls")])
    assert [one.extra for one in events if type(one) is ToolCall] == [signed]


async def test_a_content_that_is_no_text_is_read_as_what_it_holds() -> None:
    for content, text in (
        (42, "42"),
        ({"a": [1]}, '{"a":[1]}'),
        (["a", "b"], "ab"),
        (
            [{"type": "output_text", "text": "ab"}, {"type": "reference", "reference_ids": [0]}],
            "ab",
        ),
        ({"type": "text", "text": {"value": "ab"}}, "ab"),
        ([{"type": "reasoning", "text": "?"}, {"text": "ab"}], "ab"),
        ([{"type": "thinking", "text": "?"}, {"text": "ab"}], "ab"),
    ):
        for odd in ({}, {"annotations": {}, "images": [7, {"image_url": "x"}]}):
            found = fold(await events_of([chunk({"content": content, **odd}), chunk({}, "stop")]))
            assert (found.text, found.finish) == (text, ["stop"]), content


async def test_a_part_that_says_nothing_commits_nobody_to_an_answer() -> None:
    for part in ({"type": "text", "text": ""}, {"type": "thinking", "thinking": ""}, ""):
        _, begin = await events_of([chunk({"content": [part]}), chunk({}, "stop")])
        assert type(begin) is Finish, part


async def test_an_answer_is_found_in_what_a_gateway_puts_around_it() -> None:
    choice = {"message": {"content": "ab"}, "finish_reason": {"type": "stop", "matched": 7}}
    for around in (
        {"choices": [choice]},
        {"data": {"choices": [choice]}, "success": True},
        {"choices": None, "provider": {"choices": [choice]}},
        {"result": {"choices": [choice]}, "errors": []},
        {"choices": [{"text": "ab", "finish_reason": 1}]},
    ):
        wire = FakeUpstream(json_reply(around))
        found = fold(await collect(adapter(wire.upstream), ChatRequest("m", ASK)))
        assert (found.text, found.finish) == ("ab", ["stop"]), around


async def test_a_message_that_is_told_again_at_the_end_is_told_once() -> None:
    last = chunk({}, "stop", message={"role": "assistant", "content": "ab"})
    for chunks in ([chunk(A), chunk(B), last], [last]):
        assert fold(await events_of(chunks)).text == "ab"


async def test_a_call_that_nobody_names_is_none() -> None:
    with pytest.raises(AdapterError):
        await events_of([called(ARGUMENTS, name="", call_id="1"), chunk({}, "tool_calls")])
    empty = called("", name="", call_id="1")
    found = fold(await events_of([chunk(A), empty, chunk({}, "stop")]))
    assert (found.text, found.calls, found.finish) == ("a", [], ["stop"])


async def test_pieces_of_calls_that_share_an_index_are_told_apart_by_their_ids() -> None:
    chunks = [called("", call_id="1"), called("", name="see", call_id="2")]
    chunks += [called(ARGUMENTS, name="", call_id="1"), called("{}", name="", call_id="2")]
    found = fold(await events_of([*chunks, chunk({}, "tool_calls")]))
    assert [(name, words) for name, words, *_ in found.calls] == [
        ("look", {"at": "sea"}),
        ("see", {}),
    ]


async def test_a_plain_answer_that_is_whole_need_not_say_why_it_ended() -> None:
    call = {"id": "1", "function": {"name": "look", "arguments": ARGUMENTS}}
    for message, finish in (
        ({"content": "a", "tool_calls": {}}, "stop"),
        ({"content": "a", "reasoning": {"text": "?"}}, "stop"),
        ({"tool_calls": [call]}, "tool_calls"),
    ):
        reply = json_reply({"choices": [{"message": message, "finish_reason": None}]})
        asked = ChatRequest("m", ASK, tools=(TOOL,))
        assert fold(await collect(adapter(FakeUpstream(reply).upstream), asked)).finish == [finish]
    reply = json_reply({"choices": [{"message": {"content": ""}, "finish_reason": None}]})
    with pytest.raises(AdapterError):
        await collect(adapter(FakeUpstream(reply).upstream), ChatRequest("m", ASK))


async def test_a_stream_is_read_as_one_whatever_it_is_called_and_whatever_follows() -> None:
    counts = {**HEAD, "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
    odd = chunk(A, logprobs={"content": None, "tokens": ["a"]})
    for end, kind in (("[DONE]", "application/json"), ("[done]", "text/event-stream")):
        lines = [json.dumps(each) for each in (odd, chunk(B), chunk({}, "stop"), counts)]
        body = "".join(f"data: {each}\n\n" for each in (*lines, end)).encode()
        wire = FakeUpstream(Reply((body,), content_type=kind))
        found = fold(await collect(adapter(wire.upstream), ChatRequest("m", ASK, stream=True)))
        assert (found.text, found.finish) == ("ab", ["stop"]), end


async def test_a_field_that_is_null_is_none() -> None:
    null = {"functionCall": None, "thought": None, "inlineData": None, "thoughtSignature": None}
    code = {"executableCode": {"code": "1", "language": "PYTHON"}}
    parts = [{**null, "text": ""}, {**null, **code}, {**null, "text": "a"}]
    whole = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    text = fold(GeminiAnswer({}, DictMemory()).whole(json.dumps(whole).encode())).text
    assert text == "\n```python\n1\n```\na"

    line = ollama_line(ollama_message(content="a")) | ollama_end(Answer()) | {"error": None}
    assert fold(await collect(ollama_over(FakeUpstream(json_reply(line))), a_chat())).text == "a"


async def test_a_call_that_breaks_off_is_told_as_cut() -> None:
    for arguments in ('{"at":"se', '{"at":["sea"', '{"at":"\\"', "{"):
        events = await events_of([called(arguments, call_id="1"), chunk({}, "tool_calls")])
        assert [one.reason for one in events if type(one) is Finish] == ["length"], arguments
    for arguments in ('{"at":"{["}', "", "{'at': 'sea'}", '{"at":"\\\\"}'):
        events = await events_of([called(arguments, call_id="1"), chunk({}, "stop")])
        assert [one.reason for one in events if type(one) is Finish] == ["tool_calls"], arguments


def test_a_list_of_models_is_read_without_what_is_none() -> None:
    for rows in ({"object": "list", "data": None}, {"data": [None, "x", {"id": None}]}):
        assert models_of(rows) == [], rows
    assert [one.id for one in models_of({"data": [None, {"id": "a"}]})] == ["a"]


async def test_a_call_bears_the_name_of_the_tool_that_was_offered() -> None:
    for name in (
        *("look<|channel|>commentary", "functions.look", "functions.look:0"),
        *("default_api:look", " look"),
    ):
        chunks = [called(ARGUMENTS, name=name, call_id="1"), chunk({}, "tool_calls")]
        assert fold(await events_of(chunks)).calls == [("look", {"at": "sea"})], name


def test_recordings_get_an_ending_that_is_taken() -> None:
    for name, kind, begin, named in (
        ("a.wav", "audio/wav", b"RIFF", "a.wav"),
        ("A.MP3", "", b"", "A.MP3"),
        ("voice.oga", "audio/ogg", b"OggS", "voice.oga.ogg"),
        ("note.aac", "audio/aac", b"", "note.aac.m4a"),
        ("recording.weba", "audio/webm", b"", "recording.weba.webm"),
        ("blob", "audio/webm", b"\x1a\x45\xdf\xa3", "blob.webm"),
        ("blob", "audio/x-m4a", b"", "blob.m4a"),
        ("audio", "application/octet-stream", b"\0\0\0 ftypM4A ", "audio.m4a"),
        ("audio", "application/octet-stream", b"?", "audio"),
    ):
        request = TranscriptionRequest("m", memoryview(begin), name, kind)
        sent = b"".join(to_native_hearing(request, "").content or ())
        assert f'filename="{named}"'.encode() in sent, name


async def test_a_call_in_a_models_own_words_is_one_where_a_server_at_home_lets_it_through() -> None:
    bar, blank = "\uff5c", "\u2581"
    invoked = '<{0}invoke name="look"><{0}parameter name="at"{1}>sea</{0}parameter></{0}invoke>'
    begin = f"<{bar}tool{blank}call{blank}begin{bar}>"
    for words in (
        invoked.format(f"{bar}DSML{bar}", ' string="true"'),
        invoked.format("|DSML|", ' string="true"'),
        f"<minimax:tool_call>\n{invoked.format('', '')}\n</minimax:tool_call>",
        '<|tool_call>call:look{at:<|"|>sea<|"|>}<tool_call|>',
        "<seed:tool_call><function=look><parameter=at>sea</parameter></function></seed:tool_call>",
        f"<|tool_calls_section_begin|><|tool_call_begin|>functions.look:0"
        f"<|tool_call_argument_begin|>{ARGUMENTS}<|tool_call_end|>",
        '<|tool_call_start|>[look(at="sea")]<|tool_call_end|>',
        f"<{bar}tool{blank}calls{blank}begin{bar}>{begin}look<{bar}tool{blank}sep{bar}>{ARGUMENTS}",
        f"<|tool_call|>[{json.dumps({'name': 'look', 'arguments': {'at': 'sea'}})}]",
        f"<|START_ACTION|>[{json.dumps({'tool_name': 'look', 'parameters': {'at': 'sea'}})}]",
        f"<|start|>assistant to=functions.look<|channel|>commentary json<|message|>{ARGUMENTS}",
        f"to=functions.look {ARGUMENTS}",
    ):
        reply = json_reply({"choices": [{"message": {"content": words}, "finish_reason": "stop"}]})
        asked = ChatRequest("m", ASK, tools=(TOOL,))
        found = fold(await collect(adapter(FakeUpstream(reply).upstream, "lmstudio"), asked))
        assert (found.calls, found.text) == ([("look", {"at": "sea"})], ""), words
