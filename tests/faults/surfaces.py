"""What shows after a fault. All places that may show: `tests/security/test_secrets.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

from tests.faults.world import KEYS, PROMPT, World

PAGES = (
    "/admin",
    "/admin/api/status",
    "/admin/api/usage?by=app",
    "/admin/api/requests",
    "/admin/api/requests.csv",
    "/admin/api/requests.json",
    "/api/user/preferences",
    "/metrics",
)


async def assert_nothing_secret_shows(world: World) -> None:
    """No answer holds a key; no page, export, metric or byte on disk holds a key or a prompt."""
    async for name, text in shown(world):
        for secret in (*KEYS.values(), PROMPT):
            assert secret not in text, name
    for seen in world.seen:
        told = f"{seen.headers} {seen.text} {seen.error!r} {getattr(seen.error, 'body', '')}"
        for secret in KEYS.values():
            assert secret not in told


async def shown(world: World) -> AsyncIterator[tuple[str, str]]:
    """Each surface by its name, after what was still in memory has been written."""
    if world.parts.storage.problem is None:
        await world.parts.storage.flush()
    app = httpx.ASGITransport(world.app)
    async with httpx.AsyncClient(transport=app, base_url="http://localhost") as client:
        rows = (await client.get("/admin/api/requests")).json()["requests"]
        for path in (*PAGES, *(f"/admin/api/requests/{row['request_id']}" for row in rows[-1:])):
            answer = await client.get(path)
            assert answer.status_code == 200, path
            yield path, f"{answer.headers} {answer.text}"
    for path in world.folder.iterdir():
        yield path.name, path.read_bytes().decode("latin-1")
