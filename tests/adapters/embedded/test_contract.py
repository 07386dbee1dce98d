"""The embedded model's adapter passes the suite of every adapter."""

from __future__ import annotations

import pytest

from tests.adapters.contract import *  # noqa: F403 - its tests become this module's
from tests.adapters.embedded.kit import EmbeddedKit

pytestmark = pytest.mark.anyio


@pytest.fixture
def kit() -> EmbeddedKit:
    return EmbeddedKit()
