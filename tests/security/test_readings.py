"""One reading of each path, each answer, and each version of HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.security.kit import (
    CHAT,
    Fakes,
    Threaded,
    ask,
    body_of,
    connect,
    is_closed,
    post,
    read_reply,
    request,
    serving,
    settings_for,
)

OLLAMA = "ollama/llama3.2"


@pytest.fixture(scope="module")
def server(session_fakes: Fakes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Threaded]:
    with serving(settings_for(session_fakes, tmp_path_factory.mktemp("readings"))) as one:
        yield one


def test_every_answer_is_what_it_says_it_is_and_nobody_s_to_keep(server: Threaded) -> None:
    asked = (
        *(request("GET", path) for path in ("/v1/models", "/health/live", "/nowhere", "/metrics")),
        *(request("GET", path) for path in ("/admin", "/admin/api/status", "/admin/page/page.js")),
        *(post(body_of(OLLAMA, stream=stream), CHAT) for stream in (False, True)),
        *(post(b"{", CHAT), request("GET", "/", host="evil.example"), b"nonsense\r\n\r\n"),
    )
    for data in asked:
        headers = ask(server.port, data).headers
        assert headers["x-content-type-options"] == "nosniff", data
        assert "no-store" in headers["cache-control"], data


@pytest.mark.parametrize(
    "path",
    [
        "/v1%2fmodels",
        "/v1%2Fchat%2Fcompletions",
        "/%761/models",
        "/%61dmin",
        "/admin%2fapi%2fstatus",
        "/admi%6e/api/status",
        "/metric%73",
        "/health%2flive",
        "/%2e%2e/admin",
        "/v1/chat%2fcompletions",
        "/v1/%63hat/completions",
        "/v1/models/m%3AgenerateContent",
        "/v1/models/m:generateC%6Fntent",
        "/v1beta/%6Dodels/m:generateContent",
        "/v1/responses/x%2finput_items",
    ],
)
def test_a_path_that_is_another_one_once_it_is_decoded_is_none(server: Threaded, path: str) -> None:
    for method in ("GET", "POST"):
        assert (
            ask(server.port, request(method, path) if method == "GET" else post({}, path)).status
            == 404
        )


def test_a_name_may_be_written_in_any_way(server: Threaded) -> None:
    for name in ("llama3.2", "%6Clama3.2", "llama3.2%3Alatest", "openai%2Fgpt-oss-120b"):
        asked = post({"contents": []}, f"/v1beta/models/{name}:generateContent")
        assert ask(server.port, asked).status == 400
        assert ask(server.port, request("GET", f"/v1/models/{name}")).status in (200, 404)
        said = ask(server.port, request("GET", f"/v1/models/{name}")).json
        assert said.get("object") == "model" or said["error"]["code"] == "model_not_found"


def test_http_1_0_gets_no_chunks(server: Threaded) -> None:
    for stream, alive in ((True, ""), (True, "keep-alive"), (False, "keep-alive"), (False, "")):
        headers = {"Connection": alive} if alive else {}
        data = post(body_of(OLLAMA, stream=stream), CHAT, **headers)
        with connect(server.port) as sock:
            sock.sendall(data.replace(b"HTTP/1.1", b"HTTP/1.0", 1))
            answer = b""
            while piece := sock.recv(65536):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head.lower()
        assert b"connection: close" in head.lower()
        if stream:
            assert body.startswith(b"data: {")
            assert body.endswith(b"data: [DONE]\n\n")
        else:
            assert json.loads(body)["object"] == "chat.completion"


def test_http_1_1_gets_them_and_goes_on(server: Threaded) -> None:
    with connect(server.port) as sock:
        for _ in range(2):
            sock.sendall(post(body_of(OLLAMA, stream=True), CHAT))
            assert read_reply(sock).headers["transfer-encoding"] == "chunked"
        sock.sendall(post(body_of(OLLAMA), CHAT, Connection="close"))
        assert read_reply(sock).status == 200
        assert is_closed(sock)
