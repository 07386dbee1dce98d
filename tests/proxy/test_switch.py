"""A conversation by id goes on with whoever is switched on: its context is nobody's own."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from proxy.app import create_app
from proxy.providers import providers_of
from proxy.settings import Settings
from tests.fakes import (
    GEMINI_KEY,
    GROQ_KEY,
    OPENAI_KEY,
    BedrockFake,
    GeminiFake,
    GroqFake,
    OllamaFake,
    OpenAIFake,
)
from tests.fakes.bedrock_rules import KEY as BEDROCK_KEY, REGION
from tests.fakes.server import FakeServer
from tests.proxy.serving import Host

TOOL: Any = {
    "type": "function",
    "name": "turn",
    "parameters": {"type": "object", "properties": {"way": {"type": "string"}}},
}
House = tuple[Host, dict[str, FakeServer]]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with contextlib.ExitStack() as stack:
        made = GroqFake(), GeminiFake(), OllamaFake(), OpenAIFake(), BedrockFake()
        groq, gemini, ollama, far, bedrock = map(stack.enter_context, made)
        environment = {
            "POINTSMAN_PROVIDERS": "far",
            "GROQ_API_KEY": GROQ_KEY,
            "GROQ_BASE_URL": groq.url,
            "GEMINI_API_KEY": GEMINI_KEY,
            "GEMINI_BASE_URL": gemini.url,
            "GEMINI_MODEL": "gemini-3-flash-preview",
            "OLLAMA_BASE_URL": ollama.url,
            "OLLAMA_MODEL": "qwen3:8b",
            "FAR_KIND": "openai",
            "FAR_BASE_URL": far.url,
            "FAR_API_KEY": OPENAI_KEY,
            "FAR_MODEL": "toy-1",
            "BEDROCK_API_KEY": BEDROCK_KEY,
            "BEDROCK_BASE_URL": bedrock.url,
            "AWS_REGION": REGION,
        }
        settings = Settings(
            providers=providers_of(environment),
            database_url=f"sqlite:///{tmp_path / 'data' / 'x.db'}",
            max_wait_s=0,
        )
        host = stack.enter_context(Host().running())
        with host.serving(create_app(settings)):
            fakes = {"groq": groq, "gemini": gemini, "ollama": ollama, "far": far}
            yield host, {**fakes, "bedrock": bedrock}


def switch(host: Host, provider: str) -> None:
    told = httpx.put(
        f"{host.base_url}/api/user/preferences", json={"default_llm_provider": provider}
    )
    assert told.status_code == 200, told.text


def test_each_goes_on_where_the_one_before_it_has_ended(house: House) -> None:
    host, fakes = house
    client = openai.OpenAI(api_key="app-x", base_url=f"{host.base_url}/v1", max_retries=0)
    before: str | None = None
    said: list[str] = []
    for number, provider in enumerate([*fakes, *reversed(fakes)]):
        switch(host, provider)
        said.append(f"Word number {number}.")
        told = client.responses.with_raw_response.create(
            model="any", input=said[-1], previous_response_id=before or openai.omit
        )
        answer = told.parse()
        assert told.headers["x-pointsman-provider"] == provider
        asked = (json.dumps(one.json) for one in fakes[provider].requests if one.body)
        sent = [body for body in asked if said[-1] in body][-1]  # lists and facts are asked, too
        assert [words for words in said if words not in sent] == []
        said.append(answer.output_text)
        before = answer.id


def test_the_result_of_a_call_may_go_to_another_than_made_it(house: House) -> None:
    host, fakes = house
    client = openai.OpenAI(api_key="app-x", base_url=f"{host.base_url}/v1", max_retries=0)
    for first, second in zip(fakes, [*list(fakes)[1:], *fakes], strict=False):
        switch(host, first)
        asked = client.responses.create(model="any", input='Turn "left" please.', tools=[TOOL])
        [call] = [item for item in asked.output if item.type == "function_call"]
        switch(host, second)
        told = client.responses.with_raw_response.create(
            model="any",
            input=[{"type": "function_call_output", "call_id": call.call_id, "output": "done"}],
            tools=[TOOL],
            previous_response_id=asked.id,
        )
        assert told.headers["x-pointsman-provider"] == second
        assert "done" in told.parse().output_text, (first, second)
