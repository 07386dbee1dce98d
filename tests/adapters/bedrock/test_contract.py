"""Bedrock passes the suite that every adapter passes."""

from __future__ import annotations

import pytest

from tests.adapters.bedrock.kit import BedrockKit
from tests.adapters.contract import *  # noqa: F403 - its tests become this module's

pytestmark = pytest.mark.anyio


@pytest.fixture
def kit() -> BedrockKit:
    return BedrockKit()
