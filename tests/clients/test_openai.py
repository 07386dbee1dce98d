"""The `openai` Python SDK that the project develops with (3.x), in this process."""

from __future__ import annotations

import pytest

from tests.clients import scenarios
from tests.clients.openai_client import EXPECTED, checks_of


@pytest.mark.parametrize("check", EXPECTED)
@pytest.mark.parametrize("provider", scenarios.MODELS)
def test_the_openai_sdk_sees_what_the_model_said(base_url: str, provider: str, check: str) -> None:
    seen = checks_of(base_url)[check](scenarios.MODELS[provider])
    assert seen == EXPECTED[check]
