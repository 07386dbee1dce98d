"""A server that speaks as OpenAI does passes the suite of every adapter."""

from __future__ import annotations

import pytest

from tests.adapters.contract import *  # noqa: F403 - its tests become this module's
from tests.adapters.openai.kit import OpenAIKit

pytestmark = pytest.mark.anyio


@pytest.fixture
def kit() -> OpenAIKit:
    return OpenAIKit()
