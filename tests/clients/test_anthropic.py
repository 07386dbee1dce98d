"""The `anthropic` Python SDK that the project develops with, in this process."""

from __future__ import annotations

import pytest

from tests.clients import scenarios
from tests.clients.anthropic_client import EXPECTED, checks_of, client_of


@pytest.mark.parametrize("check", EXPECTED)
@pytest.mark.parametrize("provider", scenarios.MODELS)
def test_the_anthropic_sdk_sees_what_the_model_said(
    base_url: str, provider: str, check: str
) -> None:
    models = scenarios.MODELS[provider] | {"unknown": scenarios.UNKNOWN_MODEL[provider]}

    with client_of(base_url) as client:
        assert checks_of(client)[check](models) == EXPECTED[check]
