"""Who may use the door: programs that are made of web pages, plain clients, and no page."""

from __future__ import annotations

import httpx
import pytest

from tests.proxy.doors.serving.kit import PATH, Build, Station

CHAT = "/api/chat"
BODY = b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":false}'
JSON = {"content-type": "application/json"}
PROGRAMS = (
    "app://obsidian.md",
    "tauri://localhost",
    "vscode-webview://1a2b-3c",
    "vscode-file://vscode-app",
)
PAGES = (
    "http://localhost:3000",
    "https://evil.example",
    "http://tauri.localhost",
    "null",
    "file://",
    "app",
    "myapp://x",
    "app://a b",
    "chrome-extension://abc",
)


def ask(station: Station, path: str = CHAT, **headers: str) -> httpx.Response:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return station.client.post(path, content=BODY, headers=told)


def test_programs_made_of_pages_may_ask(station: Station) -> None:
    for origin in PROGRAMS:
        answer = ask(station, **JSON, origin=origin, sec_fetch_site="cross-site")
        assert answer.status_code == 200, origin
        assert answer.headers["access-control-allow-origin"] == origin


def test_they_may_ask_whether_they_may(station: Station) -> None:
    asking = {"origin": PROGRAMS[0], "access-control-request-method": "POST"}
    answer = station.client.options(CHAT, headers=asking)

    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, PROGRAMS[0])


def test_no_page_may(station: Station) -> None:
    for origin in PAGES:
        answer = ask(station, **JSON, origin=origin)
        assert (answer.status_code, list(answer.json())) == (403, ["error"]), origin
    assert ask(station, **JSON, sec_fetch_site="cross-site").status_code == 403
    assert station.client.get("/api/tags", headers={"origin": PAGES[1]}).status_code == 403
    assert station.north.requests == []


def test_programs_may_ask_at_this_door_alone(station: Station) -> None:
    assert ask(station, PATH, **JSON, origin=PROGRAMS[0]).status_code == 403
    assert ask(station, "/admin/api/status", **JSON, origin=PROGRAMS[0]).status_code == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_any_content_type_is_taken_of_who_is_no_browser(station: Station, kind: str) -> None:
    assert ask(station, content_type=kind).status_code == 200
    assert ask(station).status_code == 200
    assert ask(station, PATH, content_type=kind).status_code == 415
    for browser in ({"origin": PROGRAMS[0]}, {"sec_fetch_site": "same-origin"}):
        assert ask(station, content_type=kind, **browser).status_code == 415


def test_keys_are_asked_for_here_too(build: Build) -> None:
    station = build(api_keys="app:s3cret-key")

    refused = ask(station, **JSON)
    assert (refused.status_code, refused.json()["error"][:12]) == (401, "unauthorized")
    assert ask(station, **JSON, authorization="Bearer s3cret-key").status_code == 200
    assert ask(station, f"{CHAT}?key=s3cret-key", **JSON).status_code == 200
