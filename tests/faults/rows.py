"""What the rows of the fault matrix share: over whom and how each is played, what the app sees."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.conftest import Build
from tests.faults.dialects import DIALECTS, Dialect, encoded
from tests.faults.world import World

A = pytest.mark.parametrize("a", DIALECTS)
STREAMED = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
WITH_B = pytest.mark.parametrize("with_b", [False, True], ids=["alone", "with another"])
NEXT = {"groq": "gemini", "gemini": "ollama", "ollama": "groq"}
CHUNKED = ("transfer-encoding", "chunked")
NO_PROVIDER = (503, "no_provider_available")
UPSTREAM_ERROR = (502, "upstream_error")
INVALID = (502, "upstream_invalid_response")
TIMEOUT = (504, "upstream_timeout")


async def world_of(build: Build, a: str, with_b: bool, **options: Any) -> World:
    return await build(*((a, NEXT[a]) if with_b else (a,)), **options)


def good(dialect: Dialect, streamed: bool) -> bytes:
    if streamed:
        return bytes(dialect.streamed(dialect.words))
    return encoded(dialect.whole(dialect.text))


def typed(dialect: Dialect, streamed: bool) -> str:
    return dialect.stream_type if streamed else "application/json"
