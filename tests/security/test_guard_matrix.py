"""Who may ask at all: each Host, Origin and content type at each route, at both parsers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.security.kit import (
    CHAT,
    Fakes,
    Reply,
    Threaded,
    ask,
    body_of,
    post,
    request,
    serving,
    settings_for,
)
from tests.security.routes import (
    CHANGE,
    EVENTS,
    FORM,
    FORM_PATHS,
    NO_415,
    NO_CODES,
    ROUTES,
    STRICT_ROUTES,
)

BAD_HOSTS = (
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.nip.io",
    "127.0.0.1:1/admin?",
    "a@b",
    "127.0.0.1@evil.example",
    "x#",
    "",
    None,
    "0.0.0.0",
    "[::]",
    "2130706433",
    "127.0.0.1:99999999",
    "localhost.",
    "127.1",
    "locälhost",
)
GOOD_HOSTS = ("127.0.0.1", "localhost", "LocalHost:8000", "[::1]:8000", "app.localhost:9")
BODY = json.dumps(body_of()).encode()
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module", params=["ours", "h11"])
def server(
    request: pytest.FixtureRequest, session_fakes: Fakes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Threaded]:
    parser = "" if request.param == "ours" else request.param
    settings = settings_for(session_fakes, tmp_path_factory.mktemp("guard"))
    with serving(settings, parser=parser) as one:
        yield one


def refused(reply: Reply) -> bool:
    """A 4xx, and nothing that would let a page of another origin read it."""
    assert not [name for name in reply.headers if name.startswith("access-control-")]
    return 400 <= reply.status < 500


def body_for(method: str) -> bytes:
    return BODY if method in ("POST", "PUT", "PATCH") else b""


def test_the_matrix_has_every_route(server: Threaded) -> None:
    app: Any = server.config.app
    for route in app.routes:
        methods = route.methods - {"HEAD"}
        assert methods <= {
            method for method, path in ROUTES if route.path_regex.match(path.partition("?")[0])
        }, route


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_no_route_answers_to_another_host(server: Threaded, fakes: Fakes, host: str | None) -> None:
    for method, path in ROUTES:
        data = request(method, path, body_for(method), host=host, headers=JSON)
        reply = ask(server.port, data)
        assert refused(reply), (method, path, reply)
    assert fakes.chats == 0


@pytest.mark.parametrize("hosts", [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "evil.example")])
def test_two_hosts_are_one_too_many(server: Threaded, fakes: Fakes, hosts: tuple[str, str]) -> None:
    for method, path in ROUTES:
        data = request(method, path, body_for(method), host=hosts[0], headers=JSON)
        data = data.replace(b"\r\n", b"\r\nHost: " + hosts[1].encode() + b"\r\n", 1)
        assert refused(ask(server.port, data)), path
    assert fakes.chats == 0


@pytest.mark.parametrize("host", GOOD_HOSTS)
def test_this_machine_s_own_names_are_let_in(server: Threaded, fakes: Fakes, host: str) -> None:
    reply = ask(server.port, request("POST", CHAT, BODY, host=host, headers=JSON))
    assert reply.status == 200
    assert fakes.chats == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": "https://127.0.0.1"},
        {"Origin": "file://"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "script"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "what-is-to-come"},
        {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "cross-site"},
    ],
    ids=lambda headers: " ".join(headers.values()),
)
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        FORM["Content-Type"],
        "",
    ],
)
def test_no_route_answers_a_page_of_another_origin(
    server: Threaded, fakes: Fakes, headers: dict[str, str], content_type: str
) -> None:
    headers = headers | ({"Content-Type": content_type} if content_type else {})
    for method, path in ROUTES:
        reply = ask(server.port, request(method, path, body_for(method), headers=headers))
        assert refused(reply), (method, path, reply)
        assert reply.status == 403
        if path in NO_CODES:
            assert "POINTSMAN_ALLOWED_ORIGINS" in json.dumps(reply.json["error"])
        else:
            assert reply.code == "origin_not_allowed"
    assert fakes.chats == 0


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "application/jsonp",
        "",
    ],
)
@pytest.mark.parametrize("origin", [None, "http://127.0.0.1"])
def test_what_a_form_can_send_is_not_taken(
    server: Threaded, fakes: Fakes, content_type: str, origin: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    headers |= {"Origin": origin} if origin else {}
    for method, path in ROUTES if origin else STRICT_ROUTES:
        if method in ("POST", "PUT", "PATCH"):
            reply = ask(server.port, request(method, path, BODY, headers=headers))
            assert refused(reply)
            is_form = path in FORM_PATHS and content_type == FORM["Content-Type"]
            assert reply.status == (400 if is_form or path in NO_415 else 415)
            assert is_form or "content type must be" in json.dumps(reply.json["error"])
    assert fakes.chats == 0


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[1] != EVENTS])
def test_the_page_itself_and_plain_clients_are_let_in(
    server: Threaded, fakes: Fakes, method: str, path: str
) -> None:
    own = {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}
    told = FORM if path in FORM_PATHS else JSON
    for headers in (told, told | own):
        reply = ask(server.port, request(method, path, body_for(method), headers=headers))
        if path in CHANGE:
            assert reply.json["error"].startswith("this server does not")
        else:
            assert reply.status not in (403, 415, 421)
        assert not [name for name in reply.headers if name.startswith("access-control-")]


def test_a_link_on_this_machine_may_lead_to_the_page(server: Threaded) -> None:
    headers = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "document"}
    assert ask(server.port, request("GET", "/admin", headers=headers)).status == 200


def test_no_preflight_of_another_origin_is_answered(server: Threaded, fakes: Fakes) -> None:
    for (_, path), method in itertools.product(ROUTES, ("POST", "PUT", "PATCH", "DELETE")):
        headers = {
            "Origin": "https://evil.example",
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "content-type",
            "Access-Control-Request-Private-Network": "true",
        }
        reply = ask(server.port, request("OPTIONS", path, headers=headers))
        assert refused(reply)
        assert reply.status == 403


@pytest.mark.parametrize("path", [path for method, path in ROUTES if method != "GET"])
def test_looking_never_changes_anything(server: Threaded, fakes: Fakes, path: str) -> None:
    before = ask(server.port, request("GET", "/api/user/preferences")).json
    for query in ("?default_llm_provider=ollama", "?provider=ollama", "?model=x"):
        for method in ("GET", "HEAD"):
            ask(server.port, request(method, path.partition("?")[0] + query))
    assert ask(server.port, request("GET", "/api/user/preferences")).json == before
    assert fakes.chats == 0


def test_one_configured_origin_gets_exactly_its_own_name(fakes: Fakes, tmp_path: Path) -> None:
    mine = "https://notes.example"
    settings = settings_for(fakes, tmp_path, allowed_origins=(mine,))
    with serving(settings) as server:
        preflight = ask(
            server.port,
            request(
                "OPTIONS", CHAT, headers={"Origin": mine, "Access-Control-Request-Method": "POST"}
            ),
        )
        assert preflight.status == 204
        assert preflight.headers["access-control-allow-origin"] == mine
        answer = ask(server.port, post(body_of(), Origin=mine))
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == mine
        assert "access-control-allow-credentials" not in answer.headers
        for origin in ("https://notes.example.evil", "http://notes.example", "null"):
            assert refused(ask(server.port, post(body_of(), Origin=origin)))
        for method, path in ROUTES:
            if path.startswith(
                ("/admin", "/api/user/preferences")
            ):  # an origin for the API is none for the page
                data = request(method, path, body_for(method), headers={**JSON, "Origin": mine})
                assert refused(ask(server.port, data))
    assert fakes.chats == 1


def test_the_page_may_be_shown_by_a_server_that_adds_tls(fakes: Fakes, tmp_path: Path) -> None:
    given = {"allowed_hosts": ("my.example",), "allowed_origins": ("https://my.example",)}
    with serving(settings_for(fakes, tmp_path, admin_token="a-token", **given)) as server:
        page = {"Origin": "https://my.example", "Sec-Fetch-Site": "same-origin"}
        headers = {**JSON, **page, "Authorization": "Bearer a-token"}
        data = request("GET", "/admin/api/status", host="my.example", headers=headers)
        assert ask(server.port, data).status == 200
        data = request("GET", "/admin/api/status", host="localhost", headers=headers)
        assert ask(server.port, data).status == 403


def test_authorisation_goes_by_the_route_that_answers(fakes: Fakes, tmp_path: Path) -> None:
    settings = settings_for(fakes, tmp_path, api_keys="notes:client-key-of-the-tests")
    with serving(settings) as server:
        for path in (
            CHAT,
            "/admin/../v1/chat/completions",
            "/health/live/../../v1/chat/completions",
            "//v1/chat/completions",
            "/v1/chat/completions?/admin",
            "/v1/chat/completions;/admin",
            "/v1/chat/completions%23/admin",
            "/%76%31/chat/completions",
            "/admin%2f..%2fv1/chat/completions",
        ):
            assert ask(server.port, post(body_of(), path)).status in (401, 404), path
        assert fakes.chats == 0
        for shown in (
            {"Authorization": "Bearer client-key-of-the-tests"},
            {"x-api-key": "client-key-of-the-tests"},
            {"x-goog-api-key": "client-key-of-the-tests"},
        ):
            assert ask(server.port, post(body_of(), **shown)).status == 200
        shown_in_query = f"{CHAT}?alt=sse&key=client-key-of-the-tests"
        assert ask(server.port, post(body_of(), shown_in_query)).status == 200
        assert ask(server.port, post(body_of(), f"{CHAT}?monkey=x&key=wrong")).status == 401
        for key in ("%C3%A4", "%FF%00", "%E2%80%AE", "%", "%zz", "&key", "=", "a%20b+c"):
            assert ask(server.port, post(body_of(), f"{CHAT}?key={key}")).status == 401, key


@pytest.mark.parametrize(
    "shown",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer client-key-of-the-test"},
        {"Authorization": "Bearer client-key-of-the-tests2"},
        {"Authorization": "Basic client-key-of-the-tests"},
        {"Authorization": "Bearer clé"},
        {"x-api-key": ""},
        {"x-api-key": "notes:client-key-of-the-tests"},
    ],
    ids=str,
)
def test_a_wrong_key_is_a_401_of_openai_s(
    fakes: Fakes, tmp_path: Path, shown: dict[str, str]
) -> None:
    settings = settings_for(fakes, tmp_path, api_keys="notes:client-key-of-the-tests,,empty:")
    with serving(settings) as server:
        reply = ask(server.port, post(body_of(), **shown))
    assert reply.status == 401
    assert reply.code == "invalid_api_key"
    assert fakes.chats == 0


def test_the_names_that_containers_have_for_this_machine_are_its_own(server: Threaded) -> None:
    for name in ("host.docker.internal", "gateway.docker.internal", "host.containers.internal"):
        for host in (name, f"{name}:8000", name.upper()):
            assert ask(server.port, request("GET", "/v1/models", host=host)).status == 200
            own = {"Origin": f"http://{host}"}
            for path, headers in (("/v1/models", own), ("/admin", {}), ("/admin/api/status", {})):
                reply = ask(server.port, request("GET", path, host=host, headers=headers))
                assert (reply.status, reply.code) == (403, "host_not_allowed")
    for name in ("docker.internal", "a.host.docker.internal", "x.internal", "x.local", "internal"):
        assert ask(server.port, request("GET", "/v1/models", host=name)).status == 403
