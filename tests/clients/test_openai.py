"""The `openai` Python SDK that the project develops with (3.x), in this process."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.clients import openai_client, responses_client, scenarios
from tests.clients.scenarios import Check


@pytest.mark.parametrize("check", openai_client.EXPECTED)
@pytest.mark.parametrize("provider", scenarios.MODELS)
def test_the_openai_sdk_sees_what_the_model_said(base_url: str, provider: str, check: str) -> None:
    seen = openai_client.checks_of(base_url)[check](scenarios.MODELS[provider])
    assert seen == openai_client.EXPECTED[check]


@pytest.fixture(scope="module")
def responses_checks(base_url: str) -> Iterator[dict[str, Check]]:
    with openai.OpenAI(
        base_url=base_url, api_key="app-responses", max_retries=0, timeout=20
    ) as client:
        yield responses_client.checks_of(client)


@pytest.mark.parametrize("check", responses_client.EXPECTED)
@pytest.mark.parametrize("provider", scenarios.MODELS)
def test_it_sees_the_same_at_responses(
    responses_checks: dict[str, Check], provider: str, check: str
) -> None:
    seen = responses_checks[check](scenarios.MODELS[provider])
    assert seen == scenarios.expected_of(responses_client.EXPECTED, provider, check)
