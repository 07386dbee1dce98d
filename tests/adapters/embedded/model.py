"""The real embedded model, for the tests that ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest

from adapters.base import ChatRequest, Event, Json
from adapters.embedded.adapter import DEFAULT_MODEL, EmbeddedAdapter, EmbeddedSettings
from adapters.embedded.llama_process import LlamaProcess
from adapters.embedded.weights import installed_weights
from tests.adapters.kit import DictMemory, FakeUpstream, collect

PATIENCE_S = 120  # far more than it takes: on a machine that does much else at once
needs_the_extra = pytest.mark.skipif(
    find_spec("xllamacpp") is None or installed_weights() is None,
    reason="needs the extra: uv sync --extra embedded",
)


def an_adapter(**settings: Any) -> EmbeddedAdapter:
    return EmbeddedAdapter(EmbeddedSettings(**settings), FakeUpstream().upstream, DictMemory())


def a_request(text: str = "Say hello.", **fields: Any) -> ChatRequest:
    values: Json = {
        "model": DEFAULT_MODEL,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": 12,
        "stream": True,
        "params": {"temperature": 0},
    }
    return ChatRequest(**{**values, **fields})


async def answer(adapter: EmbeddedAdapter, request: ChatRequest) -> list[Event]:
    async with asyncio.timeout(PATIENCE_S):
        return await collect(adapter, request)


async def process_of(adapter: EmbeddedAdapter) -> LlamaProcess:
    line = await adapter._connected()
    assert line.process is not None
    return line.process


async def until(condition: Callable[[], bool], every_s: float = 0) -> None:
    """Wait for what another process does, or for what nothing tells of."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(every_s)


def is_loading(adapter: EmbeddedAdapter) -> bool:
    return adapter._connecting is not None
