"""A local model that is being loaded is not ill: it is told of, waited for, and counted apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters import REGISTRY
from proxy.app import create_app
from proxy.parts import Parts
from proxy.settings import Settings
from tests.fakes import GROQ_KEY, Gate, GroqFake, OllamaFake
from tests.fakes.server import FakeServer

pytestmark = pytest.mark.anyio

HELLO = {"model": "default", "messages": [{"role": "user", "content": "Hello."}]}
PREFERENCES = "/api/user/preferences"


def _paths(fake: FakeServer) -> list[str]:
    return [one.path for one in fake.requests]


class House:
    """A server over an Ollama whose models are not in memory yet."""

    def __init__(self, ollama: OllamaFake, parts: Parts, client: httpx.AsyncClient) -> None:
        self.ollama, self.parts, self.client = ollama, parts, client
        assert ollama.cold is not None
        self.memory = ollama.cold

    async def ask(self, **more: Any) -> httpx.Response:
        return await self.client.post("/v1/chat/completions", json={**HELLO, **more})

    async def provider(self) -> Any:
        told = (await self.client.get("/admin/api/status")).json()
        return next(one for one in told["providers"] if one["id"] == "ollama")

    async def loading(self, *models: str) -> None:
        """Wait until exactly these are told to be loading."""
        async with asyncio.timeout(10):
            while [  # noqa: ASYNC110 - it is told over HTTP
                one["model"] for one in (await self.provider())["loading"]
            ] != [*models]:
                await asyncio.sleep(0.01)


@pytest.fixture
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    given = getattr(request, "param", {})
    with OllamaFake() as ollama, GroqFake() as groq:
        ollama.cold = Gate()
        told = {
            "ollama": {"base_url": ollama.url, "model": "llama3.2", **given},
            "groq": {"base_url": f"{groq.url}/openai/v1", "api_key": GROQ_KEY},
        }
        providers = {name: REGISTRY[name].Settings(name=name, **one) for name, one in told.items()}
        app = create_app(
            Settings(providers=providers, database_url=f"sqlite:///{tmp_path / 'p.db'}")
        )
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8000", timeout=20
            ) as client,
        ):
            yield House(ollama, app.state.parts, client)
            ollama.cold.open()


async def test_the_switch_loads_the_model_before_anybody_asks(house: House) -> None:
    await house.client.put(PREFERENCES, json={"default_llm_provider": "ollama"})
    await house.loading("llama3.2")
    await asyncio.to_thread(house.ollama.wait_until, lambda fake: "/api/chat" in _paths(fake))
    [asked] = [one for one in house.ollama.requests if one.path == "/api/chat"]
    assert (asked.json["model"], asked.json["messages"]) == ("llama3.2", [])
    house.memory.open()
    await house.loading()
    assert house.ollama.loaded == {"llama3.2:latest"}
    await house.client.put(PREFERENCES, json={"default_llm_provider": "ollama"})
    assert (await house.ask()).headers.get("x-pointsman-warnings") is None
    chats = [one.json for one in house.ollama.requests if one.path == "/api/chat"]
    assert [bool(one["messages"]) for one in chats] == [False, True]


@pytest.mark.parametrize("stream", [False, True])
async def test_status_and_receipt_say_loading_and_its_time_is_counted_apart(
    house: House, stream: bool
) -> None:
    asking = asyncio.create_task(house.ask(stream=stream))
    await house.loading("llama3.2")
    house.memory.open()
    answer = await asking
    await house.loading()
    assert answer.headers["x-pointsman-warnings"] == "loaded=ollama"
    await house.parts.storage.flush()
    [row] = (await house.client.get("/admin/api/requests")).json()["requests"]
    receipt = (await house.client.get(f"/admin/api/requests/{row['id']}")).json()
    assert receipt["story"]["warnings"] == ["loaded=ollama"]
    assert row["loading_s"] > 0
    assert row["first_s"] == 0  # as all of it went into loading, by the server's own word
    provider = await house.provider()
    assert (provider["speed"]["failures"], provider["pause"], provider["last_error"]) == (
        0,
        None,
        None,
    )


@pytest.mark.parametrize("house", [{"first_token_timeout": 0.3}], indirect=True)
async def test_who_loads_for_too_long_is_passed_over_and_is_not_ill(house: House) -> None:
    answer = await house.ask(stream=True)
    assert answer.headers["x-pointsman-provider"] == "groq"
    assert answer.headers["x-pointsman-attempts"] == "ollama:loading,groq:200"
    await house.loading("llama3.2")  # it goes on, though nobody waits for it
    provider = await house.provider()
    assert (provider["speed"]["failures"], provider["pause"], provider["last_error"]) == (
        0,
        None,
        None,
    )
    house.memory.open()
    await house.loading()
    assert (await house.ask(stream=True)).headers["x-pointsman-provider"] == "ollama"
