"""What comes in: bodies, paths, methods and names that are refused, each with its envelope."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.base import Model
from proxy.gate import body
from tests.proxy.doors.serving.kit import HELLO, LONG_S, PATH, Station, error_of


@pytest.mark.parametrize(
    ("data", "param"),
    [
        (b"", None),
        (b"{", None),
        (b'{"model":"x","messages":[]}', "messages"),
        (b'{"messages":[]}', "model"),
        (b'{"model":"x","messages":[{"role":"user","content":"\\ud800"}]}', None),
        (b'{"model":"x","messages":[{"role":"robot","content":"x"}]}', "messages[0].role"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, None),
        (b'{"model":"x","messages":[{"role":"user","content":"x"}],"n":NaN}', None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_bad_body_is_a_400_and_the_connection_stays(
    station: Station, data: bytes, param: str | None
) -> None:
    [(status, answer), (next_status, _)] = on_one_connection(station, data, json.dumps(HELLO))

    error = json.loads(answer)["error"]
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert next_status == 200
    assert len(station.north.requests) == 1


def test_after_a_500_the_connection_stays(station: Station) -> None:
    station.north.play([ZeroDivisionError("a bug")])

    answers = on_one_connection(station, *[json.dumps(HELLO)] * 2)

    assert [status for status, _ in answers] == [500, 200]


def on_one_connection(station: Station, *bodies: bytes | str) -> list[tuple[int, bytes]]:
    """Status and body of each answer; all come over the same socket."""
    connection = http.client.HTTPConnection("127.0.0.1", station.host.port, timeout=LONG_S)
    connection.connect()
    first = connection.sock
    answers = []
    for content in bodies:
        connection.request("POST", PATH, content, {"content-type": "application/json"})
        response = connection.getresponse()
        answers.append((response.status, response.read()))
        assert connection.sock is first
    connection.close()
    return answers


@pytest.mark.parametrize("model", ["x#frag", "../x", "a\r\nx: y", "a//b", "a" * 129])
def test_a_hostile_model_name_goes_nowhere(station: Station, model: str) -> None:
    response = station.post(HELLO | {"model": model})

    assert response.status_code == 404
    assert error_of(response)["code"] == "model_not_found"
    assert station.north.requests == station.south.requests == []


def chunked(pieces: int) -> Iterator[bytes]:
    for _ in range(pieces):
        yield b" " * 1000


@pytest.mark.parametrize("content", [b" " * 5000, chunked(5)], ids=["told", "chunked"])
def test_a_body_that_is_too_large_is_413(
    station: Station, monkeypatch: pytest.MonkeyPatch, content: Any
) -> None:
    monkeypatch.setattr(body, "MAX_BODY_BYTES", 4000)

    response = station.client.post(
        PATH, content=content, headers={"content-type": "application/json"}
    )

    assert response.status_code == 413
    assert error_of(response)["code"] == "request_too_large"
    assert response.headers["connection"] == "close"


def test_a_compressed_body_is_415(station: Station) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}

    response = station.client.post(PATH, content=b"\x1f\x8b", headers=headers)

    assert response.status_code == 415
    assert error_of(response)["code"] == "unsupported_encoding"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", PATH, 405),
        ("PUT", PATH, 405),
        ("DELETE", "/v1/models", 405),
        ("GET", "/nothing", 404),
        ("GET", "/v2/models", 404),
        ("POST", "/chat/completions", 404),
        ("GET", "/v1/models/absent", 404),
        ("GET", "/v1/models/a%0d%0ab", 404),
    ],
)
def test_a_wrong_path_or_method_has_an_envelope(
    station: Station, method: str, path: str, status: int
) -> None:
    headers = {"content-type": "application/json"}
    response = station.client.request(method, path, headers=headers)

    assert response.status_code == status
    assert error_of(response)["type"] == "invalid_request_error"
    assert ("allow" in response.headers) == (status == 405)


@pytest.mark.parametrize(
    ("path", "status"), [(PATH, 405), ("/v1/models", 200), ("/health/live", 200), ("/x", 404)]
)
def test_a_head_request_gets_headers_alone(station: Station, path: str, status: int) -> None:
    response = station.client.head(path)

    assert (response.status_code, response.content) == (status, b"")


def test_health_is_open(station: Station) -> None:
    assert station.client.get("/health/live").json() == {"status": "ok"}
    assert station.client.get("/health/ready").json() == {"status": "ready"}


def test_a_bug_in_a_list_of_models_spoils_nothing(station: Station) -> None:
    station.north.listed = ZeroDivisionError("a bug")
    station.south.listed = [Model("gemma")]

    response = station.client.get("/v1/models")

    assert [entry["id"] for entry in response.json()["data"]] == ["default", "south/gemma"]
