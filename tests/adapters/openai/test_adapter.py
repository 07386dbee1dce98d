"""One server that speaks as OpenAI does: settings, models, what is read and what is mended."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest
from pydantic import ValidationError

from adapters.base import (
    AdapterError,
    Annotation,
    ChatRequest,
    ErrorKind,
    Event,
    Finish,
    Json,
    Media,
    Reasoning,
    Text,
    Usage,
)
from adapters.events import url_citation
from adapters.openai.profiles import PRESETS, is_home
from adapters.openai.settings import OpenAISettings, base_url_of
from adapters.tasks import EmbeddingRequest, Vectors
from adapters.translation.functions import function_name
from tests import recordings
from tests.adapters.kit import API_KEY, FakeUpstream, Reply, collect, fold, json_reply
from tests.adapters.openai.kit import ASK, HEAD, OpenAIKit, adapter, settings
from tests.recordings import Recording

pytestmark = pytest.mark.anyio


def whole(message: Json, **more: Any) -> Json:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return {**HEAD, "choices": [choice], **more}


async def answer_of(*replies: Reply, name: str = "openrouter", **fields: Any) -> list[Event]:
    request = ChatRequest(**{"model": "m", "messages": ASK} | fields)
    return await collect(adapter(FakeUpstream(*replies).upstream, name), request)


# Settings


def test_a_preset_brings_its_address_and_model() -> None:
    for name, profile in PRESETS.items():
        found = settings(name)
        assert (found.base_url, found.model, found.billed) == (
            *(profile.base_url, profile.model, profile.paid),
        )
        assert found.of is profile
        assert base_url_of(profile.base_url) == profile.base_url


def test_what_is_set_stands_over_the_preset() -> None:
    found = settings("openrouter", model="a/b", billed=False, base_url="https://mirror.example/v1")

    assert (found.model, found.billed, found.base_url) == (
        *("a/b", False, "https://mirror.example/v1"),
    )
    assert settings("work", profile="Mistral").of is PRESETS["mistral"]
    assert settings("work", base_url="https://api.mistral.ai/v1").of is PRESETS["mistral"]


def test_openais_own_never_follows_the_address_that_leads_here() -> None:
    assert settings("openai", base_url="http://127.0.0.1:8000/v1").base_url == (
        PRESETS["openai"].base_url
    )


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://a.example", "a.example/v1", "http://", "http://a b/v1", "http://a:x/v1"),
        *("https://user:word@a.example/v1", "https://a.example/v1#x", "https://a.example/v1?k=v"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="must "):
        settings("work", base_url=url)


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/", "/v1/chat/completions"])
def test_an_address_is_read_as_people_write_it(tail: str) -> None:
    assert base_url_of(f"http://a.example:9{tail}") == "http://a.example:9/v1"


def test_a_server_at_home_is_nobodys_bill() -> None:
    for host in ("127.0.0.1", "192.168.1.7", "attic", "attic.local", "::1"):
        assert is_home(host), host
        shown = f"[{host}]" if ":" in host else host
        found = adapter(None, "desk", base_url=f"http://{shown}:1/v1", api_key=None)
        assert found.local and not found.settings.billed and found.unconfigured is None
    far = adapter(None, "far", base_url="https://llm.example/v1")
    assert not far.local and far.settings.billed
    assert not is_home("llm.example") and not is_home("1.1.1.1")


def test_what_is_missing_is_told_by_the_providers_own_name() -> None:
    assert adapter(None, "my-work", api_key=None).unconfigured == "MY_WORK_BASE_URL is not set"
    assert adapter(None, "mistral", api_key=None).unconfigured == "MISTRAL_API_KEY is not set"
    assert adapter(None, "lmstudio", api_key=None).unconfigured is None


# On the wire


async def test_a_call_is_what_openais_own_sdk_would_send() -> None:
    """Method, address, key and body; the SDK's other headers tell of itself alone."""
    body: Json = {"model": "m", "messages": ASK, "temperature": 0.5, "max_completion_tokens": 9}
    theirs: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        theirs.append(request)
        return httpx.Response(200, json=whole({"content": "x"}))

    client = httpx.AsyncClient(transport=httpx.MockTransport(keep))
    async with openai.AsyncOpenAI(api_key=API_KEY, http_client=client, base_url=None) as sdk:
        url = str(sdk.base_url)
        await sdk.chat.completions.create(**body)
    wire = FakeUpstream(json_reply(whole({"content": "x"})))
    request = ChatRequest("m", ASK, params={"temperature": 0.5}, max_tokens=9)
    await collect(adapter(wire.upstream, "openai"), request)
    [ours] = wire.requests

    assert url.rstrip("/") == PRESETS["openai"].base_url
    assert (ours.method, ours.url) == (theirs[0].method, theirs[0].url)
    for name in ("authorization", "content-type", "host", "accept"):
        assert ours.headers[name] == theirs[0].headers[name], name
    assert wire.sent == json.loads(theirs[0].content)


async def test_thoughts_are_read_however_they_are_spelled() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "left"},
    ]
    for message in (
        {"reasoning": "hm", "content": "left"},
        {"reasoning_content": "hm", "content": "left"},
        {"reasoning": "hm", "reasoning_content": "hm", "content": "left"},
        {"content": parts},
    ):
        events = await answer_of(json_reply(whole(message)))
        assert [one for one in events if type(one) in (Reasoning, Text)] == [
            Reasoning("hm"),
            Text("left"),
        ]


async def test_pictures_and_counts_are_read() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_cache_hit_tokens": 3}
    events = await answer_of(json_reply(whole({"content": "", "images": [image]}, usage=usage)))

    assert Media("image/png", "QQ==") in events
    assert Usage(5, 2, cached=3) in events


async def test_pages_that_stand_beside_the_choices_are_cited_once() -> None:
    a, b = url_citation("https://a.example", "A"), url_citation("https://b.example", None)
    listed = {"citations": ["https://a.example", "https://b.example"]}
    titled = {"search_results": [{"url": "https://a.example", "title": "A"}]}
    said = [{"delta": {"content": "so"}}, {"delta": {}, "finish_reason": "stop"}]
    own = {"content": "so", "annotations": [b.value]}
    for pages, message, told in (
        (listed, {"content": "so"}, [url_citation("https://a.example", None), b]),
        ({**listed, **titled}, {"content": "so"}, [a]),
        (listed, own, [b]),
        ({"citations": "none", "search_results": [{"url": 5}, 5]}, {"content": "so"}, []),
    ):
        events = await answer_of(json_reply(whole(message, **pages)))
        assert [event for event in events if type(event) is Annotation] == told
    chunks = [json.dumps({**HEAD, **titled, "choices": [{"index": 0, **one}]}) for one in said]
    pieces = tuple(f"data: {chunk}\n\n".encode() for chunk in chunks)
    events = await answer_of(Reply(pieces, content_type="text/event-stream"), stream=True)
    assert [event for event in events if type(event) in (Annotation, Finish)] == [a, Finish("stop")]


async def test_a_call_that_is_written_at_home_is_one_also_by_a_name_made_fit() -> None:
    tool = {"type": "function", "function": {"name": "house.light", "parameters": {}}}
    written = json.dumps({"name": function_name("house.light"), "arguments": {"on": True}})
    reply = json_reply(whole({"content": f"<tool_call>{written}</tool_call>"}))

    [call] = fold(await answer_of(reply, name="lmstudio", tools=(tool,))).calls
    assert call == ("house.light", {"on": True})
    there = fold(await answer_of(reply, tools=(tool,)))
    assert not there.calls and "tool_call" in there.text


async def test_a_stream_without_counts_or_an_end_mark_is_whole_once_it_has_finished() -> None:
    said = [{"delta": {"content": "a"}}, {"delta": {}, "finish_reason": "stop"}]
    chunks = [json.dumps({**HEAD, "choices": [{"index": 0, **choice}]}) for choice in said]
    pieces = tuple(f"data: {chunk}\n\n".encode() for chunk in chunks)

    events = await answer_of(Reply(pieces, content_type="text/event-stream"), stream=True)

    assert [one for one in events if type(one) in (Text, Finish)] == [Text("a"), Finish("stop")]


async def test_of_counts_that_go_on_with_each_chunk_the_last_holds() -> None:
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": "a"}}], "usage": _counts(1)},
        {"choices": [{"index": 0, "delta": {"content": "b"}}], "usage": _counts(2)},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    body = OpenAIKit().frame([{**HEAD, **chunk} for chunk in chunks])
    events = await answer_of(Reply((body,), content_type="text/event-stream"), stream=True)

    assert [one for one in events if type(one) is Usage] == [Usage(9, 2)]


async def test_a_plain_answer_to_a_stream_has_the_bounds_of_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lists, long = (b'{"choices":[', *[b"[]," * 20] * 9), (b"{", *[b'"' + b"x" * 60] * 9)
    for limit, pieces in (("MAX_ANSWER_CONTAINERS", lists), ("MAX_ANSWER_BYTES", long)):
        monkeypatch.setattr(f"adapters.wire.lines.{limit}", 100)
        body = Reply(pieces, content_type="text/event-stream")
        with pytest.raises(AdapterError) as caught:
            await answer_of(body, stream=True)
        assert caught.value.kind is ErrorKind.RESPONSE_TOO_LARGE
        monkeypatch.undo()


async def test_a_chunk_whose_delta_is_null_says_nothing() -> None:
    chunks: list[Json] = [
        {"choices": [{"index": 0, "delta": {"content": "a"}}]},
        {"choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]},
    ]
    body = OpenAIKit().frame([{**HEAD, **chunk} for chunk in chunks])
    events = await answer_of(Reply((body,), content_type="text/event-stream"), stream=True)

    assert [one for one in events if type(one) in (Text, Finish)] == [Text("a"), Finish("stop")]


def _counts(completion: int) -> Json:
    return {"prompt_tokens": 9, "completion_tokens": completion}


async def test_a_parameter_that_a_model_does_not_take_is_left_out_and_named() -> None:
    error = {"message": "Unsupported value", "param": "temperature", "code": "unsupported_value"}
    refused, good = json_reply({"error": error}, 400), json_reply(whole({"content": "x"}))
    wire = FakeUpstream(refused, good)
    request = ChatRequest("m", ASK, params={"temperature": 0.5, "top_p": 0.5})
    events = await collect(adapter(wire.upstream, "openai"), request)

    assert wire.sent == {"model": "m", "messages": ASK, "top_p": 0.5}
    assert any(getattr(one, "word", "") == "dropped=temperature" for one in events)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"error": {"message": "x", "code": "insufficient_quota"}}, ErrorKind.ACCOUNT),
        (402, {"error": {"message": "Insufficient credits", "code": 402}}, ErrorKind.ACCOUNT),
        (401, {"detail": "Unauthorized"}, ErrorKind.AUTH),
        (400, {"object": "error", "message": "too long", "code": 40303}, ErrorKind.BAD_REQUEST),
        (503, {"error": "busy"}, ErrorKind.OVERLOADED),
        (503, {"error": {"message": "Loading model", "code": 503}}, ErrorKind.LOADING),
        (429, {"error": {"message": "slow", "code": "rate_limit_exceeded"}}, ErrorKind.RATE_LIMIT),
    ],
)
async def test_refusals_are_read_in_the_shapes_of_many_houses(
    status: int, body: Json, kind: ErrorKind
) -> None:
    with pytest.raises(AdapterError) as caught:
        await answer_of(json_reply(body, status))

    assert caught.value.kind is kind
    assert "without a reason" not in caught.value.message


@pytest.mark.skipif(not recordings.FOLDER.is_dir(), reason="the recordings are not here")
@pytest.mark.parametrize(
    "recording",
    [one for one in recordings.load("ollama") if one.kind.startswith("compat-")],
    ids=lambda one: one.id,
)
async def test_what_a_server_has_said_is_read_again(recording: Recording) -> None:
    content_type = recording.headers.get("content-type", "application/json")
    reply = Reply((recording.body,), content_type=content_type)
    found = fold(await answer_of(reply, name="mistral", stream=recording.is_stream))
    lines = recording.body.split(b"data: ") if recording.is_stream else [recording.body]
    objects = [json.loads(line) for line in lines if line.strip().startswith(b"{")]
    said = [c.get("delta") or c.get("message") or {} for o in objects for c in o["choices"]]

    assert found.text == "".join(one.get("content") or "" for one in said)
    assert found.reasoning == "".join(one.get("reasoning") or "" for one in said)
    calls = [call["function"]["name"] for one in said for call in one.get("tool_calls") or ()]
    assert [name for name, _ in found.calls] == calls


# Models and vectors


async def test_models_are_listed_in_the_shapes_of_many_houses() -> None:
    rows = [
        {"id": "big", "context_length": 9000, "top_provider": {"max_completion_tokens": 50}},
        {"id": "paid", "pricing": {"prompt": "0.1", "completion": "0.2"}},
        {"id": "free", "pricing": {"prompt": "0", "completion": "0"}},
        {"id": "some-embed-model"},
        {"id": "ears", "type": "audio"},
        {"id": "mouth", "capabilities": {"completion_chat": False}},
        {"id": None},
        {"id": "n" * 300},
        {"id": "own", "meta": {"n_ctx_train": 4096}},
    ]
    for answer in (rows, {"data": rows}, {"object": "list", "models": rows}):
        found = await adapter(FakeUpstream(json_reply(answer)).upstream).models()
        by_id = {one.id: one for one in found}
        assert len(found) == 7
        assert (by_id["big"].context, by_id["big"].most_output) == (9000, 50)
        assert (by_id["paid"].free, by_id["free"].free) == (False, True)
        assert [one.id for one in found if one.chat] == ["big", "paid", "free", "own"]
        assert by_id["some-embed-model"].embeds and by_id["own"].context == 4096


async def test_where_no_model_is_set_the_first_that_is_listed_answers() -> None:
    wire = FakeUpstream(json_reply({"data": [{"id": "one"}]}), json_reply(whole({"content": "x"})))
    events = await collect(adapter(wire.upstream, "lmstudio"), ChatRequest("", ASK))

    assert wire.sent["model"] == "one" and Text("x") in events


async def test_vectors_are_read_in_their_order_and_out_of_base64() -> None:
    rows = [{"index": 1, "embedding": "AACAPwAAAEA="}, {"index": 0, "embedding": [3, 4]}]
    answer = {"data": rows, "model": "e", "usage": {"prompt_tokens": 2}}
    wire = FakeUpstream(json_reply(answer))
    request = EmbeddingRequest("e", ["a", "b"])
    batches = [batch async for batch in adapter(wire.upstream, "openai").embed(request)]

    assert Vectors([[3.0, 4.0], [1.0, 2.0]]) in [one for batch in batches for one in batch]
    assert str(wire.requests[0].url).endswith("/v1/embeddings")


def test_settings_are_called_in_lists_and_conventions_as_there() -> None:
    assert settings("xai").price_list == "x-ai" and settings("xai").gen_ai_name == "x_ai"
    assert isinstance(settings("xai"), OpenAISettings)
