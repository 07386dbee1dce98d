"""A path that leads nowhere: what is served is told, and the base URL blamed where it is wrong."""

from __future__ import annotations

import logging

import httpx
import pytest

from proxy.doors.serving.nowhere import nothing_at
from tests.proxy.kit import adapter_class
from tests.proxy.serving import app_over

pytestmark = pytest.mark.anyio

SERVED = (
    "/",
    "/health/live",
    "/v1/chat/completions",
    "/v1/models",
    "/v1/models/{id:path}",
    "/openai/v1/models",
)
TOLD = "pointsman serves /v1/chat/completions and /v1/models"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/responses",
        "/v1/audio/transcriptions",
        "/openai/v1/embeddings",
        "/v1/",
        "/v1",
        "/v1/chat",
    ],
)
def test_with_the_base_url_right_the_endpoint_is_what_is_missing(path: str) -> None:
    assert nothing_at(path, SERVED) == f"{path} is not served; {TOLD}."


@pytest.mark.parametrize(
    "path",
    [
        "/chat/completions",
        "/responses",
        "/favicon.ico",
        "/v1/v1/chat/completions",
        "/v1/openai/v1/models",
        "/v1/chat/completions/chat/completions",
        "/v1/chat/completions/v1/models",
        "/api/v1/chat/completions",
        "/v1beta/models",
    ],
)
def test_a_wrong_base_url_is_named(path: str) -> None:
    assert nothing_at(path, SERVED) == (
        f"There is nothing at {path}. The base URL ends in /v1, once; {TOLD}."
    )


def test_geminis_clients_are_told_of_geminis_base_url() -> None:
    for name in ("gemini-flash-latest", "ollama/qwen3:4b"):
        path = f"/models/{name}:generateContent"
        assert nothing_at(path, SERVED) == (
            f"There is nothing at {path}. The base URL ends in /v1beta, or has no path."
        )
    for path in ("/models/qwen3:4b", "/v1/models/a/b:c/d", "/x:generateContent"):
        assert "/v1beta" not in nothing_at(path, SERVED)


def test_a_long_path_is_not_repeated_whole() -> None:
    assert len(nothing_at("/v1/" + "x" * 9000, SERVED)) < 400


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> httpx.AsyncClient:
    app = app_over(monkeypatch, adapter_class("north"))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405), ("GET", "/nothing", 404)],
)
async def test_the_owner_sees_in_the_log_what_an_app_has_looked_for(
    client: httpx.AsyncClient,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    status: int,
) -> None:
    with caplog.at_level(logging.INFO, "pointsman"):
        answer = await client.request(method, path, headers={"content-type": "application/json"})

    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert [entry.getMessage() for entry in caplog.records] == [f"{status} {method} {path}"]
    if status == 404:
        assert "/v1/chat/completions" in answer.json()["error"]["message"]


async def test_what_is_nowhere_takes_no_file_either(client: httpx.AsyncClient) -> None:
    for path in ("/v1/files", "/v1/images/variations", "/v1/videos", "/nothing"):
        answer = await client.post(path, files={"file": ("a.txt", b"a")}, data={"model": "m"})
        assert answer.status_code == 404, path
        assert path in answer.json()["error"]["message"]
        assert answer.json()["error"]["code"] == "unknown_url"


async def test_a_browser_is_led_to_the_page(client: httpx.AsyncClient) -> None:
    answer = await client.get("/", headers={"accept": "text/html,application/xhtml+xml"})

    assert (answer.status_code, answer.headers["location"]) == (307, "/admin")


async def test_a_slash_at_the_end_leads_to_the_path_without_whatever_the_scheme(
    client: httpx.AsyncClient,
) -> None:
    for asked, there in (
        ("/admin/", "/admin"),
        ("/v1/chat/completions/?a=%2F&b", "/v1/chat/completions?a=%2F&b"),
        ("/admin/assets/page.js//", "/admin/assets/page.js"),
    ):
        answer = await client.post(asked)
        assert (answer.status_code, answer.headers["location"]) == (307, there)
    for nowhere in ("/nothing/", "//admin/", "//localhost/admin/"):
        answer = await client.send(httpx.Request("GET", f"http://localhost{nowhere}"))
        assert answer.status_code == 404, nowhere
