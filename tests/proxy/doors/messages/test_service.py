"""What every door has of the service behind it: receipts, leaving, deadlines, the last word."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest

from adapters.base import Json, Reasoning, Start, Text, ToolCall
from tests.proxy.doors.messages.kit import Grammar
from tests.proxy.doors.serving.kit import LONG_S, Build, Station
from tests.proxy.kit import HANG

URL = "/v1/messages"
HELLO: Json = {
    "model": "claude-x",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "My secret is 4711."}],
}
STREAM = HELLO | {"stream": True}


def send(port: int, data: Json) -> socket.socket:
    """A connection on which a request has been sent."""
    content = json.dumps(data).encode()
    connection = socket.create_connection(("127.0.0.1", port), timeout=LONG_S)
    connection.sendall(
        b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (URL.encode(), len(content), content)
    )
    return connection


@pytest.mark.parametrize("data", [HELLO, STREAM], ids=["plain", "stream"])
@pytest.mark.parametrize("before", [[], [[Start()]], [[Text("a")]]])
def test_a_client_that_leaves_stops_the_provider(
    station: Station, data: Json, before: list[Any]
) -> None:
    station.north.play([*before, HANG])
    connection = send(station.host.port, data)
    assert station.north.began.wait(LONG_S)

    connection.close()

    assert station.north.ended.wait(LONG_S)
    assert station.south.requests == []


def test_a_plain_answer_is_cut_at_its_deadline_and_says_so(build: Build) -> None:
    station = build(deadline_s=0.2)
    station.north.play([[Text("Once upon")], HANG])
    answer = station.client.post(URL, json=HELLO)

    assert answer.status_code == 200
    assert answer.json()["content"] == [{"type": "text", "text": "Once upon"}]
    assert answer.json()["stop_reason"] == "max_tokens"
    assert "cut=deadline" in answer.headers["x-pointsman-warnings"]


@pytest.mark.parametrize(
    "before", [[], [[Reasoning("Hm.")]], [[Text("a")], [ToolCall(0, "f", '{"a"')]]]
)
def test_what_is_no_answer_yet_is_late_at_its_deadline(build: Build, before: list[Any]) -> None:
    station = build(deadline_s=0.2)
    for script in (station.north, station.south):
        script.play([*before, HANG])
    answer = station.client.post(URL, json=HELLO)

    assert answer.status_code == 504
    assert answer.json()["error"]["type"] == "timeout_error"


def test_a_row_tells_of_the_door_and_never_of_what_was_said(station: Station) -> None:
    answer = station.client.post(URL, json=STREAM)
    Grammar(answer.content)
    listed: Any = {}
    ends_at = time.monotonic() + LONG_S
    while not listed.get("requests") and time.monotonic() < ends_at:
        listed = station.client.get("/admin/api/requests").json()
    [row] = listed["requests"]

    assert (row["asked"], row["status"]) == ("claude-x", 200)
    assert "4711" not in json.dumps(listed)
    told = station.client.get("/metrics").text
    assert 'door="messages"' in told


def test_what_was_said_is_kept_for_the_time_that_was_asked_for(station: Station) -> None:
    station.client.put("/admin/api/kept", json={"minutes": 5})
    answer = station.client.post(URL, json=HELLO)
    said = station.client.get(f"/admin/api/kept/{answer.headers['request-id']}").json()

    assert "4711" in said["request"] and '"type":"message"' in said["answer"]
