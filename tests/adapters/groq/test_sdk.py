"""What we take from Groq's SDK is still what the SDK does, and what its typed calls give."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import groq
import httpx
import pytest
from pydantic import SecretStr

from adapters.base import AdapterError, ChatRequest, ErrorKind, Json, Model, Phase, Scope
from adapters.groq.adapter import GroqAdapter, GroqSettings
from adapters.groq.line import known, line
from adapters.upstream import Upstream
from tests.adapters.groq.kit import GroqKit
from tests.adapters.kit import (
    API_KEY,
    TOOL,
    Answer,
    DictMemory,
    FakeUpstream,
    Reply,
    a_request,
    collect,
    json_reply,
    stream_reply,
)

pytestmark = pytest.mark.anyio

AGENT = {"user-agent": "pointsman"}

KIT = GroqKit()
ANSWER = Answer(texts=("Hi",))

# What the SDK counts for itself, and what only its own HTTP client decides: ours asks for the
# answer as it is, since no time is won by packing small pieces.
OF_THE_SDK_ALONE = {
    "x-pointsman-hop",  # ours, by which a server knows itself
    "x-stainless-retry-count",
    "x-stainless-read-timeout",
    "accept-encoding",
    "connection",
    "content-length",
}


def headers_of(request: httpx.Request) -> Json:
    return {name: value for name, value in request.headers.items() if name not in OF_THE_SDK_ALONE}


@pytest.mark.parametrize("base_url", [None, "http://gateway.example:8080/groq"])
@pytest.mark.parametrize("stream", [False, True])
async def test_our_request_is_the_sdks(stream: bool, base_url: str | None) -> None:
    reply = stream_reply(KIT, ANSWER) if stream else json_reply(KIT.whole(ANSWER))
    theirs, ours = FakeUpstream(reply), FakeUpstream(reply)
    client = groq.AsyncGroq(api_key=API_KEY, base_url=base_url, http_client=theirs.upstream.client)
    await client.chat.completions.create(
        model=KIT.model,
        messages=[{"role": "user", "content": "Hi"}],
        tools=[TOOL],
        tool_choice="required",
        max_completion_tokens=50,
        temperature=0.3,
        stop=["x"],
        reasoning_effort="low",
        **({"stream": True} if stream else {}),
    )
    settings = GroqSettings(api_key=SecretStr(API_KEY), base_url=base_url)
    adapter = GroqAdapter(settings, ours.upstream, DictMemory())
    request = a_request(
        KIT,
        stream=stream,
        tools=[TOOL],
        tool_choice="required",
        max_tokens=50,
        stop=("x",),
        params={"temperature": 0.3, "reasoning_effort": "low"},
        extensions={"groq": {"reasoning_effort": "low"}},
    )
    await adapter.prepare()
    await collect(adapter, request)
    [their], [our] = theirs.requests, ours.requests
    assert (our.method, str(our.url)) == (their.method, str(their.url))
    assert headers_of(our) == headers_of(their)
    assert json.loads(our.content) == json.loads(their.content)
    assert our.headers["accept-encoding"] == "identity"
    assert int(our.headers["content-length"]) == len(our.content)


async def test_the_sdk_is_asked_once_and_no_request_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []

    class Counted(groq.AsyncGroq):
        def __init__(self, **options: Any) -> None:
            made.append(self)
            super().__init__(**options)

    monkeypatch.setattr(groq, "AsyncGroq", Counted)
    fake = FakeUpstream(json_reply(KIT.whole(ANSWER)))
    own = GroqAdapter(GroqSettings(api_key=SecretStr(API_KEY)), fake.upstream, DictMemory())
    await collect(own, a_request(KIT))
    assert made == []
    await asyncio.gather(own.prepare(), own.prepare(), collect(own, a_request(KIT)))
    assert (len(fake.requests), len(made)) == (2, 1)


@pytest.mark.parametrize("base_url", [None, "https://g.example/proxy"])
def test_what_is_known_without_the_sdk_is_what_the_sdk_says(base_url: str | None) -> None:
    here, before = line(API_KEY, base_url=base_url), known(API_KEY, base_url=base_url)
    said = {name.lower(): value for name, value in here.headers.items()}
    assert before.url == here.url
    assert before.headers == {name: said[name] for name in before.headers} | AGENT


async def test_the_base_url_of_openais_clients_works_too() -> None:
    fake = FakeUpstream(json_reply(KIT.whole(ANSWER)))
    settings = GroqSettings(api_key=SecretStr("k"), base_url="https://g.example/openai/v1/")
    await collect(GroqAdapter(settings, fake.upstream, DictMemory()), a_request(KIT))
    assert str(fake.requests[0].url) == "https://g.example/openai/v1/chat/completions"


@pytest.mark.parametrize("key", [None, "your_key_here", " "])
async def test_without_a_key_nothing_is_sent(key: str | None) -> None:
    fake = FakeUpstream(httpx.ConnectError("nothing should come"))
    settings = GroqSettings(api_key=SecretStr(key) if key else None)
    adapter = GroqAdapter(settings, fake.upstream, DictMemory())
    assert adapter.unconfigured == "GROQ_API_KEY is not set"
    with pytest.raises(AdapterError) as caught:
        await collect(adapter, ChatRequest(model="m", messages=[]))
    error = caught.value
    assert (error.kind, error.scope, error.phase) == (
        ErrorKind.AUTH,
        Scope.KEY,
        Phase.BEFORE_SEND,
    )
    assert not fake.requests


def test_defaults() -> None:
    settings = GroqSettings()
    assert settings.model == "openai/gpt-oss-120b"
    assert settings.rate_limit_requests_per_minute == 30


# Cold paths


LISTED: Json = {
    "object": "list",
    "data": [
        {
            "id": "maker/one",
            "object": "model",
            "created": 17,
            "owned_by": "Maker",
            "active": True,
            "context_window": 4096,
        },
        {"id": "gone", "object": "model", "created": 1, "owned_by": "M", "active": False},
        {"id": "bare", "object": "model"},
    ],
}


def adapter_over(reply: Reply | Exception) -> tuple[GroqAdapter, FakeUpstream]:
    fake = FakeUpstream(reply)
    return KIT.adapter(fake.upstream), fake


async def test_lists_the_models_that_are_active() -> None:
    adapter, fake = adapter_over(json_reply(LISTED))
    assert await adapter.models() == [Model("maker/one", 17, "Maker", 4096), Model("bare")]
    assert str(fake.requests[0].url) == "https://api.groq.com/openai/v1/models"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (json_reply({"error": {"message": "x"}}, 401), ErrorKind.AUTH),
        (httpx.ConnectError("x"), ErrorKind.NETWORK),
        (httpx.ReadTimeout("x"), ErrorKind.TIMEOUT_FIRST_BYTE),
        (Reply((b"<html>",), content_type="text/html"), ErrorKind.BAD_RESPONSE),
        (Reply((b"",)), ErrorKind.BAD_RESPONSE),
        (json_reply({"data": None}), ErrorKind.BAD_RESPONSE),
    ],
    ids=["401", "refused", "slow", "html", "empty", "no list"],
)
async def test_a_list_that_fails_is_an_adapter_error(
    reply: Reply | Exception, kind: ErrorKind
) -> None:
    adapter, fake = adapter_over(reply)
    with pytest.raises(AdapterError) as caught:
        await adapter.models()
    assert caught.value.kind is kind
    assert len(fake.requests) == 1
    available = await adapter.is_available()
    assert not available.reachable
    assert available.detail == caught.value.message


async def test_what_only_hears_speaks_or_judges_is_told_from_what_chats() -> None:
    rows = [("whisper-large-v3-turbo", 448), ("playai-tts", 8192), ("canopylabs/orpheus-v1", 4000)]
    rows += [("meta-llama/llama-prompt-guard-2-22m", 512), ("openai/gpt-oss-120b", 131_072)]
    data = [{"id": name, "context_window": context} for name, context in rows]
    adapter, _ = adapter_over(json_reply({"data": data}))

    chats = [model.id for model in await adapter.models() if model.chat]

    assert chats == ["openai/gpt-oss-120b"]


async def test_is_available_when_it_lists_its_models() -> None:
    adapter, _ = adapter_over(json_reply(LISTED))
    assert (await adapter.is_available()).reachable


async def test_closing_leaves_the_shared_client_open() -> None:
    async with httpx.AsyncClient(transport=FakeUpstream(json_reply(LISTED))) as client:
        adapter = KIT.adapter(Upstream(client=client, transport=FakeUpstream()))
        await adapter.models()
        await adapter.close()
        assert not client.is_closed


def test_the_sdk_is_not_loaded_before_it_is_used() -> None:
    script = "import sys, adapters.groq.adapter; sys.exit('groq' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.heavy
@pytest.mark.parametrize("base_url", [None, "https://g.example/proxy"])
def test_a_process_of_its_own_says_what_the_sdk_says_here(base_url: str | None) -> None:
    code = (
        "import json, sys\n"
        "from adapters.groq.line import line\n"
        f"print(json.dumps([line({API_KEY!r}, base_url={base_url!r}), 'groq' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = line(API_KEY, base_url=base_url)
    assert json.loads(done.stdout) == [[here.url, here.headers], False]
