"""The `openai` Python SDK that the project develops with (3.x), in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.clients import openai_client, responses_client, scenarios
from tests.clients.scenarios import Check


@pytest.fixture(scope="module")
def client(base_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=base_url, api_key="app-tests", max_retries=0, timeout=20) as client:
        yield client


@pytest.mark.parametrize("check", openai_client.EXPECTED)
@pytest.mark.parametrize("provider", scenarios.MODELS)
def test_the_openai_sdk_sees_what_the_model_said(
    client: openai.OpenAI, provider: str, check: str
) -> None:
    seen = openai_client.checks_of(client)[check](scenarios.MODELS[provider])
    assert seen == openai_client.EXPECTED[check]


@pytest.fixture(scope="module")
def responses_checks(client: openai.OpenAI) -> dict[str, Check]:
    return responses_client.checks_of(client)


@pytest.mark.parametrize("check", responses_client.EXPECTED)
@pytest.mark.parametrize("provider", scenarios.MODELS)
def test_it_sees_the_same_at_responses(
    responses_checks: dict[str, Check], provider: str, check: str
) -> None:
    seen = responses_checks[check](scenarios.MODELS[provider])
    assert seen == scenarios.expected_of(responses_client.EXPECTED, provider, check)


def test_azures_clients_and_the_oldest_name_the_model_in_the_path(base_url: str) -> None:
    host = base_url.removesuffix("/v1")
    asked: list[Any] = [{"role": "user", "content": "Hi"}]
    with openai.AzureOpenAI(
        azure_endpoint=host, api_key="app-azure", api_version="2024-10-21", max_retries=0
    ) as azure:
        for model in scenarios.MODELS.values():
            answer = azure.chat.completions.create(model=model["chat"], messages=asked)
            assert answer.choices[0].message.content == "You said: Hi"
        heard = azure.audio.transcriptions.create(model="groq", file=("a.wav", b"x" * 300))
        assert heard.text == "I hear 300 bytes."
        assert azure.responses.create(model="groq", input="Hi").output_text == "You said: Hi"
    body = {"messages": asked, "model": "of no matter"}
    told = httpx.post(f"{base_url}/engines/groq/chat/completions", json=body, trust_env=False)
    assert told.headers["x-pointsman-provider"] == "groq"
