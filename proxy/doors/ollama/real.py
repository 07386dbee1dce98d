"""The real server, if one of the providers is one: what it says of itself is passed on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import httpx
import orjson

from adapters.base import Adapter, Json
from adapters.upstream import HOP, PASSED
from proxy.doors.ollama.errors import OllamaErrors

TIMEOUT_S = 2.0
NOBODY = "http://localhost"


@runtime_checkable
class Speaker(Protocol):
    """An adapter whose provider speaks the protocol of a door of ours: `protocol` is its name."""

    protocol: str

    def origin(self) -> tuple[str, Mapping[str, str]]:
        """Where the provider is, and the headers by which it lets us in."""


class Real:
    """Asked in short: what does not come in time is None, as if there were no such server."""

    def __init__(self, adapters: Mapping[str, Adapter], client: httpx.AsyncClient | None) -> None:
        self.provider: str | None = None
        self._client = client
        self.url, self._headers = NOBODY, dict[str, str]()
        for name, adapter in adapters.items():
            speaks = isinstance(adapter, Speaker) and adapter.protocol == OllamaErrors.name
            if speaks and self.provider is None and adapter.unconfigured is None:
                self.provider = name
                self.url, headers = adapter.origin()  # type: ignore[attr-defined] # a Speaker's
                self._headers = dict(headers)

    async def models(self, path: str) -> Mapping[str, Json]:
        """A list of its models, by their names."""
        told = await self.ask("GET", path)
        models = told.get("models") if told else None
        rows = [one for one in models if isinstance(one, dict)] if isinstance(models, list) else []
        return {str(row.get("model") or row.get("name")): row for row in rows}

    def headers(self) -> list[tuple[str, str]]:
        """Those by which it lets us in, and that say whom this request has passed."""
        passed = PASSED.get().decode()
        return [*self._headers.items(), *([(HOP, passed)] if passed else [])]

    async def ask(self, method: str, path: str, body: Json | None = None) -> Json | None:
        """The object that it answers with."""
        if self.provider is None or self._client is None:
            return None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await self._client.request(
                    method, f"{self.url}{path}", json=body, headers=self.headers()
                )
            value: Any = orjson.loads(answer.content)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError):
            return None
        return value if answer.status_code == 200 and isinstance(value, dict) else None
