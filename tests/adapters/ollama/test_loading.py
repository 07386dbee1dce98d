"""What is in memory, and how it comes there."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.base import ChatRequest, Finish, Loads, Usage
from adapters.memory import LruMemory
from adapters.ollama.adapter import OllamaAdapter, OllamaSettings
from proxy.settings import Settings
from proxy.upstream.client import upstream_of
from tests.fakes import Fault, Gate, OllamaFake
from tests.fakes.server import Answer

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def _over(url: str, **given: Any) -> AsyncIterator[OllamaAdapter]:
    settings = OllamaSettings(name="ollama", base_url=url, model="llama3.2", **given)
    upstream = upstream_of(Settings())
    ollama = OllamaAdapter(settings, upstream, LruMemory())
    yield ollama
    await ollama.close()
    await upstream.client.aclose()


async def test_a_model_is_loaded_as_a_chat_would_have_it() -> None:
    with OllamaFake() as fake:
        async with _over(fake.url, num_ctx=8192, keep_alive="30m") as ollama:
            assert isinstance(ollama, Loads)
            assert await ollama.is_loaded("llama3.2") is False
            await ollama.load("llama3.2")
            assert await ollama.is_loaded("llama3.2") is True
            assert await ollama.is_loaded("qwen3:4b") is False
            [asked] = [one.json for one in fake.requests if one.path == "/api/chat"]
            assert (asked["messages"], asked["options"]["num_ctx"]) == ([], 8192)
            assert asked["keep_alive"] == "30m"


async def test_what_is_a_clouds_is_not_loaded_here() -> None:
    with OllamaFake() as fake:
        async with _over(fake.url) as ollama:
            assert await ollama.is_loaded("gpt-oss:120b-cloud") is None
            await ollama.load("gpt-oss:120b-cloud")
            assert fake.requests == []


@pytest.mark.parametrize("body", [b"no", b"{}", b'{"models": [1]}', b'{"models": 3}'])
async def test_a_server_that_does_not_tell_is_believed_to_know_nothing(body: bytes) -> None:
    with OllamaFake() as fake:
        fake.chat_paths = ("/api/ps",)
        fake.then(Fault(answer=Answer(200, (), (body,))))
        async with _over(fake.url) as ollama:
            assert await ollama.is_loaded("llama3.2") is None


async def test_nor_does_a_server_that_is_gone() -> None:
    async with _over("http://127.0.0.1:1") as ollama:
        assert await ollama.is_loaded("llama3.2") is None


async def test_an_answer_tells_how_long_its_model_was_loaded() -> None:
    with OllamaFake() as fake:
        fake.cold = Gate()
        fake.cold.open()
        async with _over(fake.url) as ollama:
            found = []
            for _ in range(2):
                asked = ChatRequest("llama3.2", ({"role": "user", "content": "Hi."},))
                events = [event async for batch in ollama.chat(asked) for event in batch]
                assert Finish("stop") in events
                found += [event.loading_s for event in events if type(event) is Usage]
            assert found == [12.5, 0]
