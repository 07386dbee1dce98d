"""What the admin's tests share: the application over scripted providers, and a client for it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from proxy.parts import Parts
from tests.proxy.kit import ScriptedAdapter, adapter_class
from tests.proxy.serving import app_over

JSON = {"content-type": "application/json"}
PREFERENCES = "/api/user/preferences"


class Desk:
    """An application that is up, and the owner's client before it."""

    def __init__(self, app: Starlette, client: httpx.AsyncClient) -> None:
        self.parts: Parts = app.state.parts
        self.app = app
        self.client = client

    async def get(self, path: str, **given: Any) -> Any:
        answer = await self.client.get(path, **given)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def status(self) -> Any:
        return await self.get("/admin/api/status")

    async def provider(self, name: str) -> Any:
        found = [one for one in (await self.status())["providers"] if one["id"] == name]
        return found[0]

    async def put(self, change: Any, app: str | None = None) -> httpx.Response:
        return await self.client.put(PREFERENCES, json=change, params=app and {"app": app})

    async def ask(self, model: str = "default", **given: Any) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "Hello."}]}
        return await self.client.post("/v1/chat/completions", json=body, **given)


@contextlib.asynccontextmanager
async def desk(
    patch: pytest.MonkeyPatch,
    folder: Path,
    *classes: type[ScriptedAdapter],
    **settings: Any,
) -> AsyncIterator[Desk]:
    """The application with its lifespan around it; by default over the providers `near`, `far`."""
    settings.setdefault("database_url", f"sqlite:///{folder / 'pointsman.db'}")
    made = classes or (adapter_class("near", local=True), adapter_class("far"))
    app = app_over(patch, *made, **settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client,
    ):
        yield Desk(app, client)
