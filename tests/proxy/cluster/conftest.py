"""What the tests of several servers take: a Valkey that is started for them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.proxy.cluster.kit import Server, program, server_running


@pytest.fixture
def valkey() -> Iterator[Server]:
    """A server with nothing in it; skipped where there is none, but never in CI."""
    if program() is None:
        reason = "no Valkey on this machine: apt-get install redis-server"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with server_running() as server:
        yield server
