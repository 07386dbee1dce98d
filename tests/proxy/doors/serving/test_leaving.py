"""A client that leaves and a deadline that passes: both stop the provider."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from adapters.base import Capabilities, Start, Text, ToolCall
from tests.proxy.doors.serving.kit import HELLO, LONG_S, PATH, STREAM, Build, Station, error_of
from tests.proxy.kit import HANG


def send(port: int, data: Any) -> socket.socket:
    """A connection on which a request has been sent."""
    content = json.dumps(data).encode()
    connection = socket.create_connection(("127.0.0.1", port), timeout=LONG_S)
    connection.sendall(
        b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (PATH.encode(), len(content), content)
    )
    return connection


@pytest.mark.parametrize("data", [HELLO, STREAM], ids=["plain", "stream"])
@pytest.mark.parametrize(
    "before", [[], [[Start()]], [[Text("a")], [Text("b")]]], ids=["nothing", "start", "content"]
)
def test_a_client_that_leaves_stops_the_provider(
    station: Station, data: Any, before: list[Any]
) -> None:
    station.north.play([*before, HANG])
    connection = send(station.host.port, data)
    assert station.north.began.wait(LONG_S)
    assert station.north.open_calls == 1

    connection.close()

    assert station.north.ended.wait(LONG_S)
    assert station.south.requests == []
    assert station.post().status_code == 200


def test_a_client_that_leaves_stops_every_choice(station: Station) -> None:
    station.north.abilities = Capabilities(image_urls=True, n=False)
    station.north.play(*[[[Text("a")], HANG]] * 3)
    connection = send(station.host.port, HELLO | {"n": 3})
    assert station.north.began.wait(LONG_S)

    connection.close()

    assert station.north.ended.wait(LONG_S)


def test_a_client_that_leaves_in_the_middle_of_a_thought_stops_the_provider(build: Build) -> None:
    station = build(think_tags="split")
    station.north.play([[Text("<think>hm")], HANG])
    connection = send(station.host.port, STREAM)
    assert station.north.began.wait(LONG_S)

    connection.close()

    assert station.north.ended.wait(LONG_S)


def test_half_a_body_is_no_request(station: Station, caplog: pytest.LogCaptureFixture) -> None:
    connection = socket.create_connection(("127.0.0.1", station.host.port), timeout=LONG_S)
    connection.sendall(
        b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b'Content-Length: 100\r\n\r\n{"model"' % PATH.encode()
    )
    connection.close()

    assert station.post().status_code == 200
    assert len(station.north.requests) == 1
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("before", [[], [[Start()]]], ids=["nothing", "start"])
@pytest.mark.parametrize("data", [HELLO, STREAM], ids=["plain", "stream"])
def test_the_deadline_ends_a_request_without_content(
    build: Build, before: list[Any], data: Any
) -> None:
    station = build(deadline_s=0.05)
    station.north.play([*before, HANG])
    station.south.play([HANG])

    response = station.post(data)

    assert response.status_code == 504
    assert error_of(response)["code"] == "upstream_timeout"
    assert response.headers["x-should-retry"] == "false"


def test_the_deadline_hands_over_what_there_is_of_a_plain_answer(build: Build) -> None:
    station = build(deadline_s=0.05)
    station.north.play([[Text("a")], HANG])

    response = station.post()

    choice = response.json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("a", "length")
    assert response.headers["x-pointsman-warnings"].endswith("cut=deadline")
    assert station.north.ended.wait(LONG_S)


def test_a_call_that_the_deadline_cuts_is_not_handed_over(build: Build) -> None:
    station = build(deadline_s=0.05)
    station.north.play([[Text("a"), ToolCall(0, "f", '{"a": ')], HANG])

    response = station.post()

    assert (response.status_code, error_of(response)["code"]) == (504, "upstream_timeout")
    assert station.north.ended.wait(LONG_S)
