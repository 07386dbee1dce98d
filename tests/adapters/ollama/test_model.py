"""What the adapter learns of a model, by asking and by refusals; the calls besides the chat."""

from __future__ import annotations

import json

import httpx
import pytest

from adapters.base import (
    AdapterError,
    ErrorKind,
    ResponseFormat,
    Text,
    Thinking,
    Warn,
)
from adapters.upstream import HOP
from tests.adapters.kit import API_KEY, TOOL, FakeUpstream, Reply, collect, json_reply
from tests.adapters.ollama.kit import (
    OK,
    PIXEL,
    a_chat,
    ollama_over,
    paths,
)

pytestmark = pytest.mark.anyio


# Calls that are sent a second time


async def test_thinking_that_a_model_refuses_is_left_out_from_then_on() -> None:
    refused = json_reply({"error": '"llama3.2" does not support thinking'}, 400)
    fake = FakeUpstream(refused, OK)
    adapter = ollama_over(fake)
    request = a_chat(thinking=Thinking(effort="high"))
    events = await collect(adapter, request)
    assert Warn("dropped=reasoning_effort") in events
    assert Text("Yes.") in events
    assert [json.loads(r.content).get("think") for r in fake.requests] == ["high", None]
    assert "think" not in adapter.to_native(request).body
    assert "dropped=reasoning_effort" in adapter.to_native(request).warnings
    assert not adapter.capabilities("llama3.2").thinking


@pytest.mark.parametrize(
    "message",
    [
        'invalid think value: "max" (must be "high" or …)',
        'think value "max" is not supported for this model',
    ],
)
async def test_a_level_that_server_or_model_do_not_know_becomes_plain_thinking(
    message: str,
) -> None:
    refused = json_reply({"error": message}, 400)
    fake = FakeUpstream(refused, OK)
    events = await collect(ollama_over(fake), a_chat(thinking=Thinking(effort="max")))
    assert fake.sent["think"] is True
    assert Warn("changed=reasoning_effort") in events


@pytest.mark.parametrize(
    ("message", "status"),
    [("invalid JSON schema in format", 500), ("failed to parse grammar", 400)],
)
async def test_a_schema_that_makes_no_grammar_is_asked_for_in_words(
    message: str, status: int
) -> None:
    fake = FakeUpstream(json_reply({"error": message}, status), OK)
    wanted = ResponseFormat(schema={"type": "object", "title": "Odd"})
    events = await collect(ollama_over(fake), a_chat(response_format=wanted))
    assert fake.sent["format"] == "json"
    assert '"Odd"' in fake.sent["messages"][0]["content"]
    assert Warn("emulated=response_format") in events


async def test_any_other_failure_leaves_the_schema_alone() -> None:
    fake = FakeUpstream(json_reply({"error": "the runner has crashed"}, 500), OK)
    with pytest.raises(AdapterError):
        await collect(ollama_over(fake), a_chat(response_format=ResponseFormat(schema={})))
    assert len(fake.requests) == 1


async def test_a_prompt_that_does_not_fit_gets_a_larger_context_once() -> None:
    refused = json_reply({"error": "the input length exceeds the context length"}, 400)
    fake = FakeUpstream(refused, OK)
    adapter = ollama_over(fake)
    await collect(adapter, a_chat())
    assert fake.sent["options"] == {"num_ctx": 8192}
    assert adapter.to_native(a_chat()).body["options"] == {"num_ctx": 8192}


# What a server tells of a model


SHOWN = json_reply(
    {
        "capabilities": ["completion", "vision"],
        "model_info": {"llama.context_length": 16384, "general.architecture": "llama"},
        "parameters": 'stop                           "</s>"\nnum_ctx                        4096',
    }
)


async def test_nothing_is_asked_for_a_request_that_needs_no_facts() -> None:
    fake = FakeUpstream(OK)
    await collect(ollama_over(fake), a_chat(tools=[TOOL], thinking=Thinking(effort="low")))
    assert paths(fake) == ["/api/chat"]


async def test_a_model_is_asked_about_once() -> None:
    fake = FakeUpstream(SHOWN, OK)
    adapter = ollama_over(fake)
    await collect(adapter, a_chat([PIXEL]))
    await collect(adapter, a_chat([PIXEL]))
    assert paths(fake) == ["/api/show", "/api/chat", "/api/chat"]
    capabilities = adapter.capabilities("llama3.2")
    assert (capabilities.images, capabilities.tools, capabilities.audio) == (True, False, False)
    assert capabilities.context == 16384


@pytest.mark.parametrize(
    "reply",
    [
        json_reply({"error": "no such route"}, 404),
        Reply((b"not json",)),
        json_reply([]),
        json_reply({}),
        httpx.ReadError("cut"),
        httpx.ReadTimeout("slow"),
    ],
    ids=["missing", "garbage", "list", "empty", "cut", "slow"],
)
async def test_a_server_that_tells_nothing_leaves_everything_possible(
    reply: Reply | Exception,
) -> None:
    fake = FakeUpstream(reply, OK)
    adapter = ollama_over(fake)
    events = await collect(adapter, a_chat([PIXEL]))
    assert Text("Yes.") in events
    assert adapter.capabilities("llama3.2").images


async def test_the_context_ends_at_what_the_model_was_made_for() -> None:
    fake = FakeUpstream(SHOWN, OK)
    await collect(ollama_over(fake), a_chat("word " * 30_000))
    assert fake.sent["options"] == {"num_ctx": 16384}
    assert fake.sent["truncate"] is False


async def test_the_models_that_are_known_are_bounded() -> None:
    fake = FakeUpstream(OK)
    adapter = ollama_over(fake)
    for number in range(300):
        await collect(adapter, a_chat(model=f"m{number}"))
    assert len(adapter._facts) == 256


# Cold paths


TAGS = {
    "models": [
        {"name": "a:1b", "model": "a:1b", "modified_at": "2026-01-02T03:04:05.123456789-08:00"},
        {"name": "me/b", "model": "me/b"},
    ]
}


async def test_the_models_that_are_pulled_are_listed() -> None:
    fake = FakeUpstream(json_reply(TAGS))
    models = await ollama_over(fake, api_key=API_KEY).models()
    assert [(m.id, m.created, m.owned_by) for m in models] == [
        ("a:1b", 1767351845, "library"),
        ("me/b", 0, "me"),
    ]
    assert paths(fake) == ["/api/tags"]
    assert fake.requests[0].headers["authorization"] == f"Bearer {API_KEY}"


async def test_a_list_tells_who_asks_where_it_may_be_one_of_us() -> None:
    for host, is_told in (("http://fake:99", True), ("https://fake.example", False)):
        fake = FakeUpstream(json_reply(TAGS))
        await ollama_over(fake, host=host).models()
        assert (HOP in fake.requests[0].headers) is is_told


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (httpx.ConnectError("refused"), ErrorKind.NETWORK),
        (httpx.ReadTimeout("slow"), ErrorKind.TIMEOUT_FIRST_BYTE),
        (json_reply({"error": "unauthorized"}, 401), ErrorKind.AUTH),
        (Reply((b"<html>",)), ErrorKind.BAD_RESPONSE),
        (json_reply([1]), ErrorKind.BAD_RESPONSE),
        (json_reply({"models": [7]}), ErrorKind.BAD_RESPONSE),
        (json_reply("7", 500), ErrorKind.SERVER),
    ],
    ids=["refused", "slow", "unauthorized", "html", "list", "odd row", "odd error"],
)
async def test_a_list_that_cannot_be_had_is_an_adapter_error(
    reply: Reply | Exception, kind: ErrorKind
) -> None:
    with pytest.raises(AdapterError) as caught:
        await ollama_over(FakeUpstream(reply)).models()
    assert caught.value.kind is kind


@pytest.mark.parametrize(
    ("reply", "reachable", "detail"),
    [
        (json_reply({"version": "0.33.0"}), True, ""),
        (httpx.ConnectError("refused"), False, "ollama serve"),
        (json_reply({"error": "unauthorized"}, 401), False, "OLLAMA_API_KEY"),
    ],
)
async def test_availability_is_whether_the_server_tells_its_version(
    reply: Reply | Exception, reachable: bool, detail: str
) -> None:
    fake = FakeUpstream(reply)
    availability = await ollama_over(fake).is_available()
    assert availability.reachable is reachable
    assert detail in availability.detail
    assert paths(fake) == ["/api/version"]


async def test_closing_leaves_the_shared_transport_open() -> None:
    class Counting(FakeUpstream):
        closed = 0

        async def aclose(self) -> None:
            self.closed += 1

    fake = Counting(OK)
    adapter = ollama_over(fake)
    await adapter.close()
    await collect(adapter, a_chat())
    await adapter.close()
    await adapter.close()
    assert fake.closed == 0


def test_only_ollamas_cloud_needs_a_key() -> None:
    fake = FakeUpstream(OK)
    assert ollama_over(fake).unconfigured is None
    assert ollama_over(fake, host="https://ollama.com").unconfigured == "OLLAMA_API_KEY is not set"
    assert ollama_over(fake, host="ollama.com", api_key=API_KEY).unconfigured is None
