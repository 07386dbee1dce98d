"""What the tests of the chat endpoint share: an application over two scripted providers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import openai

from tests.proxy.kit import Script
from tests.proxy.serving import Host

PATH = "/v1/chat/completions"
HELLO = {"model": "gpt-4o", "messages": [{"role": "user", "content": "My secret is 4711."}]}
STREAM = HELLO | {"stream": True}
LONG_S = 5.0
"""Longer than anything here takes; only a test that fails waits for it."""


class Station:
    """The application over two scripted providers, `north` preferred."""

    def __init__(self, host: Host, north: Script, south: Script) -> None:
        self.host = host
        self.north = north
        self.south = south
        self.client = httpx.Client(base_url=host.base_url, trust_env=False, timeout=LONG_S)
        self.sdk = openai.OpenAI(
            base_url=f"{host.base_url}/v1", api_key="x", max_retries=0, timeout=LONG_S
        )

    def post(self, data: Any = None, **more: Any) -> httpx.Response:
        return self.client.post(PATH, json=HELLO if data is None else data, **more)

    def events(self, data: Any = None) -> list[Any]:
        """What the events of a stream hold; `[DONE]` as text."""
        response = self.post(STREAM if data is None else data)
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        lines = response.text.removesuffix("\n\n").split("\n\n")
        assert all(line.startswith("data: ") for line in lines)
        return [text if (text := line[6:]) == "[DONE]" else json.loads(text) for line in lines]


Build = Callable[..., Station]


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The error, after a look at its envelope."""
    assert response.headers["content-type"].startswith("application/json")
    assert "x-request-id" in response.headers
    answer = response.json()
    assert set(answer) == {"error"}
    error: dict[str, Any] = answer["error"]
    assert set(error) == {"message", "type", "param", "code", "provider", "provider_code"}
    return error
