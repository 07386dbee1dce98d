"""What we take from Google's SDK is still what the SDK does; models, availability, the key."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from google import genai
from google.genai import types

from adapters.base import (
    AdapterError,
    Availability,
    ErrorKind,
    Json,
    Model,
    ResponseFormat,
    Scope,
    Thinking,
)
from adapters.gemini.adapter import GeminiAdapter, GeminiSettings
from adapters.gemini.line import known, line
from adapters.memory import LruMemory
from tests.adapters.gemini.kit import GeminiKit, adapter, chunk, stream_of
from tests.adapters.kit import API_KEY, TOOL, FakeUpstream, Reply, a_request, collect, json_reply

pytestmark = pytest.mark.anyio

KIT = GeminiKit()
ANSWER = chunk([{"text": "Hi"}], finish="STOP")
# What httpx decides, not the SDK: ours asks for bytes as they are, and names no media type twice.
OF_HTTPX = {"x-pointsman-hop", "accept", "accept-encoding", "connection", "content-length"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "propertyOrdering": ["a"]}
MODEL = "gemini-3-flash-preview"
GATEWAY = "http://gateway.example:8080/google"


def headers_of(request: httpx.Request) -> Json:
    return {name: value for name, value in request.headers.items() if name not in OF_HTTPX}


def sdk_config() -> types.GenerateContentConfig:
    parameters = {**TOOL["function"]["parameters"], "propertyOrdering": ["city"]}
    function = types.FunctionDeclaration(
        name="weather", description="The weather of a city", parameters_json_schema=parameters
    )
    return types.GenerateContentConfig(
        system_instruction=types.Content(parts=[types.Part(text="Be brief.")]),
        temperature=0.3,
        max_output_tokens=50,
        stop_sequences=["x"],
        seed=7,
        response_mime_type="application/json",
        response_json_schema=SCHEMA,
        thinking_config=types.ThinkingConfig(
            thinking_level=types.ThinkingLevel.LOW, include_thoughts=True
        ),
        tools=[types.Tool(function_declarations=[function])],
        tool_config=types.ToolConfig(
            function_calling_config=types.FunctionCallingConfig(
                mode=types.FunctionCallingConfigMode.ANY, allowed_function_names=["weather"]
            )
        ),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )


OURS: Json = {
    "model": MODEL,
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    "params": {"temperature": 0.3, "seed": 7},
    "max_tokens": 50,
    "stop": ("x",),
    "response_format": ResponseFormat(schema=SCHEMA),
    "thinking": Thinking(effort="low"),
    "tools": [TOOL],
    "tool_choice": "required",
    "forced_tool": "weather",
}


def in_camel_case(body: Json) -> Json:
    """The SDK leaves some nested names as Python has them; Google takes either spelling."""
    text = json.dumps(body)
    for name in ("parameters_json_schema", "include_thoughts", "thinking_level"):
        first, *others = name.split("_")
        text = text.replace(f'"{name}"', f'"{first}{"".join(map(str.title, others))}"')
    spelled: Json = json.loads(text)
    return spelled


async def ask_the_sdk(fake: FakeUpstream, base_url: str | None) -> None:
    client = genai.Client(
        api_key=API_KEY,
        vertexai=False,
        http_options=types.HttpOptions(
            httpx_async_client=fake.upstream.client,
            timeout=60_000,
            api_version="v1beta",
            base_url=base_url,
        ),
    )
    asked: Json = {"model": MODEL, "contents": "Hi", "config": sdk_config()}
    async for _ in await client.aio.models.generate_content_stream(**asked):
        pass


@pytest.mark.parametrize("base_url", [None, GATEWAY])
@pytest.mark.parametrize("stream", [False, True])
async def test_our_request_is_the_sdks_for_a_stream(stream: bool, base_url: str | None) -> None:
    theirs, ours = FakeUpstream(stream_of(ANSWER)), FakeUpstream(stream_of(ANSWER))
    await ask_the_sdk(theirs, base_url)
    own = adapter(ours.upstream, base_url=base_url)
    await own.prepare()
    await collect(own, a_request(KIT, stream=stream, **OURS))
    [sdks], [request] = theirs.requests, ours.requests
    assert (request.method, request.url) == (sdks.method, sdks.url)
    assert headers_of(request) == headers_of(sdks)
    assert ours.sent == in_camel_case(theirs.sent)


@pytest.mark.parametrize("behind", ["/v1beta", "/v1", "/v1beta/", "/v1beta/openai"])
async def test_a_version_behind_the_base_url_is_taken_off(behind: str) -> None:
    ours = FakeUpstream(json_reply(ANSWER))
    own = adapter(ours.upstream, base_url=f"https://gateway.example/ai{behind}")
    await collect(own, a_request(KIT, **OURS))
    assert str(ours.requests[0].url).startswith("https://gateway.example/ai/v1beta/models/")


async def test_the_key_is_in_a_header_and_nowhere_else() -> None:
    fake = FakeUpstream(json_reply(ANSWER))
    await collect(adapter(fake.upstream), a_request(KIT))
    [request] = fake.requests
    assert request.headers["x-goog-api-key"] == API_KEY
    assert API_KEY not in str(request.url)
    assert API_KEY.encode() not in request.content


async def test_the_sdk_is_asked_once_and_no_request_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Mock(side_effect=line)
    monkeypatch.setattr("adapters.gemini.adapter.line", told)
    fake = FakeUpstream(json_reply(ANSWER))
    own = adapter(fake.upstream)
    await collect(own, a_request(KIT))
    assert not told.called
    await asyncio.gather(own.prepare(), own.prepare(), collect(own, a_request(KIT)))
    assert told.call_count == 1
    assert len({str(request.url) for request in fake.requests}) == 1


@pytest.mark.parametrize("base_url", [None, GATEWAY])
def test_what_is_known_without_the_sdk_is_what_the_sdk_says(base_url: str | None) -> None:
    here = line(API_KEY, base_url=base_url, api_version="v1beta", timeout_s=60)
    before = known(API_KEY, base_url=base_url)
    assert before.url == here.url
    assert before.headers["x-goog-api-key"] == here.headers["x-goog-api-key"]


def test_the_sdk_is_not_loaded_before_it_is_needed() -> None:
    code = (
        "import sys, adapters.gemini.adapter as g; from adapters.upstream import Upstream\n"
        "import httpx; t = httpx.AsyncHTTPTransport(verify=False)\n"
        "g.GeminiAdapter(g.GeminiSettings(api_key='k'), Upstream(None, t), None)\n"
        "print([name for name in sys.modules if name.startswith('google')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.heavy
@pytest.mark.parametrize("base_url", [None, GATEWAY])
def test_a_process_of_its_own_says_what_the_sdk_says_here(base_url: str | None) -> None:
    code = (
        "import json, sys\n"
        "from adapters.gemini.line import line\n"
        f"found = line({API_KEY!r}, base_url={base_url!r}, api_version='v1beta', timeout_s=60)\n"
        "print(json.dumps([found, 'google.genai' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = line(API_KEY, base_url=base_url, api_version="v1beta", timeout_s=60)
    assert json.loads(done.stdout) == [[here.url, here.headers], False]


def test_what_the_sdk_refuses_is_told_as_it_tells_it() -> None:
    code = (
        "import sys\n"
        "from adapters.gemini.line import line\n"
        "line('', base_url=None, api_version='v1beta', timeout_s=60)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ValueError" in done.stderr


async def test_without_a_key_nothing_is_sent() -> None:
    fake = FakeUpstream(json_reply(ANSWER))
    own = adapter(fake.upstream, api_key="your_key_here")
    assert own.unconfigured == "GEMINI_API_KEY is not set"
    assert await own.is_available() == Availability(False, "GEMINI_API_KEY is not set")
    with pytest.raises(AdapterError) as caught:
        await collect(own, a_request(KIT))
    assert (caught.value.kind, caught.value.scope) == (ErrorKind.AUTH, Scope.KEY)
    assert fake.requests == []


def row(name: str, *methods: str, **more: Any) -> Json:
    return {"name": f"models/{name}", "supportedGenerationMethods": list(methods), **more}


PAGES = [
    {
        "models": [
            row("gemini-2.5-flash", "generateContent", "countTokens", inputTokenLimit=1048576),
            row("gemini-embedding-001", "embedContent"),
        ],
        "nextPageToken": "p2",
    },
    {"models": [row("gemini-3-pro", "generateContent"), {"odd": 1}, None]},
]


async def test_models_that_chat_are_listed_over_all_pages() -> None:
    fake = FakeUpstream(*map(json_reply, PAGES))
    assert await adapter(fake.upstream).models() == [
        Model("gemini-2.5-flash", owned_by="google", context=1048576),
        Model("gemini-embedding-001", owned_by="google", chat=False, embeds=True),
        Model("gemini-3-pro", owned_by="google", free=False),
    ]
    first, second = fake.requests
    assert (first.method, first.url.path) == ("GET", "/v1beta/models")
    assert dict(first.url.params) == {"pageSize": "1000"}
    assert dict(second.url.params) == {"pageSize": "1000", "pageToken": "p2"}
    assert first.headers["x-goog-api-key"] == API_KEY


async def test_a_list_of_models_without_end_ends() -> None:
    fake = FakeUpstream(json_reply({"models": [], "nextPageToken": "again"}))
    assert await adapter(fake.upstream).models() == []
    assert len(fake.requests) == 2


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (json_reply({"error": {"message": "no"}}, 403), ErrorKind.AUTH),
        (json_reply([1]), ErrorKind.BAD_RESPONSE),
        (Reply((b"<html>",)), ErrorKind.BAD_RESPONSE),
        (httpx.ConnectError("no"), ErrorKind.NETWORK),
    ],
)
async def test_a_list_of_models_that_cannot_be_had_is_an_error(
    reply: Reply | Exception, kind: ErrorKind
) -> None:
    own = adapter(FakeUpstream(reply).upstream)
    with pytest.raises(AdapterError) as caught:
        await own.models()
    assert caught.value.kind is kind
    available = await own.is_available()
    assert (available.reachable, available.detail) == (False, caught.value.message)


async def test_it_is_available_if_it_lists_a_model() -> None:
    fake = FakeUpstream(json_reply(PAGES[1]))
    own = adapter(fake.upstream)
    assert await own.is_available() == Availability(True)
    assert dict(fake.requests[0].url.params) == {"pageSize": "1"}
    await own.close()
    assert not fake.upstream.client.is_closed


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-2.0-flash", "gemma-3-27b-it"])
def test_capabilities_go_by_the_models_name(model: str) -> None:
    able = adapter(FakeUpstream(httpx.ConnectError("")).upstream).capabilities(model)
    assert able.thinking == (model == "gemini-2.5-flash")
    assert (able.n, able.n_stream, able.image_urls) == (True, False, False)


def test_a_model_that_speaks_has_no_tools() -> None:
    own = adapter(FakeUpstream(httpx.ConnectError("")).upstream)
    assert not own.capabilities("gemini-2.5-flash-preview-tts").tools


def test_settings_have_their_defaults() -> None:
    settings = GeminiSettings()
    assert (settings.model, settings.rate_limit_requests_per_minute) == ("gemini-flash-latest", 15)
    upstream = FakeUpstream(httpx.ConnectError("")).upstream
    assert GeminiAdapter(settings, upstream, LruMemory()).settings is settings


def test_bodies_are_plain_json() -> None:
    own = adapter(FakeUpstream(httpx.ConnectError("")).upstream)
    body = own.to_native(a_request(KIT, **OURS)).body
    assert json.loads(json.dumps(body)) == body
