"""The application as a whole: what every answer carries, whoever gives it."""

from __future__ import annotations

import httpx
import pytest

from tests.proxy.kit import adapter_class
from tests.proxy.serving import app_over

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("sent", [{"x-request-id": "mine-1"}, {}], ids=["its own", "none"])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/nothing", "/health/live"])
async def test_every_answer_has_an_id_even_where_the_proxy_itself_fails(
    monkeypatch: pytest.MonkeyPatch, sent: dict[str, str], path: str
) -> None:
    app = app_over(monkeypatch, adapter_class("north"))

    async def a_bug() -> None:
        raise ZeroDivisionError("gsk-secret in a traceback")

    monkeypatch.setattr(app.state.parts.catalog, "refreshed", a_bug)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get(path, headers=sent)

    assert answer.status_code == {"/v1/models": 500, "/v1/nothing": 404, "/health/live": 200}[path]
    [told] = answer.headers.get_list("x-request-id")
    assert told == sent["x-request-id"] if sent else told.startswith("req_")
    assert "gsk-secret" not in answer.text
