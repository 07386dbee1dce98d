"""Gemini passes the suite that every adapter passes."""

from __future__ import annotations

import pytest

from tests.adapters.contract import *  # noqa: F403
from tests.adapters.contract import Kit
from tests.adapters.gemini.kit import GeminiKit

pytestmark = pytest.mark.anyio


@pytest.fixture
def kit() -> Kit:
    return GeminiKit()
