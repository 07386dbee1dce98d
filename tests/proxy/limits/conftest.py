"""A router's memory without limits, and the clock that it goes by."""

from __future__ import annotations

import pytest

from proxy.limits.health import Health
from tests.proxy.limits.kit import Clock, health_with


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return health_with(clock)
