"""What the door has of the service behind it: rows, what was said, deadlines, the last word."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from adapters.base import Json, Reasoning, Text, ToolCall
from tests.proxy.doors.serving.kit import LONG_S, Build, Station
from tests.proxy.kit import HANG

CHAT = "/api/chat"
SAID = "My secret is 4711."
HELLO: Json = {"model": "llama-x", "messages": [{"role": "user", "content": SAID}], "stream": False}
PROMPT: Json = {"model": "llama-x", "prompt": SAID, "stream": False}
EACH = pytest.mark.parametrize(("path", "data"), [(CHAT, HELLO), ("/api/generate", PROMPT)])


@EACH
def test_a_plain_answer_is_cut_at_its_deadline_and_says_so(
    build: Build, path: str, data: Json
) -> None:
    station = build(deadline_s=0.2)
    station.north.play([[Text("Once upon")], HANG])
    answer = station.client.post(path, json=data)

    told = answer.json()
    assert (answer.status_code, told["done"], told["done_reason"]) == (200, True, "length")
    assert told.get("response") or told["message"]["content"] == "Once upon"
    assert "cut=deadline" in answer.headers["x-pointsman-warnings"]


@pytest.mark.parametrize(
    "before", [[], [[Reasoning("Hm.")]], [[Text("a")], [ToolCall(0, "f", '{"a"')]]]
)
def test_what_is_no_answer_yet_is_late_at_its_deadline(build: Build, before: list[Any]) -> None:
    station = build(deadline_s=0.2)
    for script in (station.north, station.south):
        script.play([*before, HANG])
    answer = station.client.post(CHAT, json=HELLO)

    assert (answer.status_code, list(answer.json())) == (504, ["error"])


@EACH
def test_a_row_tells_of_the_door_and_never_of_what_was_said(
    station: Station, path: str, data: Json
) -> None:
    station.client.post(path, json=data | {"stream": True})
    listed: Any = {}
    ends_at = time.monotonic() + LONG_S
    while not listed.get("requests") and time.monotonic() < ends_at:
        listed = station.client.get("/admin/api/requests").json()
    [row] = listed["requests"]

    assert (row["asked"], row["status"]) == ("llama-x", 200)
    assert "4711" not in json.dumps(listed)
    assert 'door="ollama"' in station.client.get("/metrics").text


def test_what_was_said_is_kept_for_the_time_that_was_asked_for(station: Station) -> None:
    station.client.put("/admin/api/kept", json={"minutes": 5})
    answer = station.client.post(CHAT, json=HELLO)
    said = station.client.get(f"/admin/api/kept/{answer.headers['x-request-id']}").json()

    assert "4711" in said["request"] and '"done":true' in said["answer"]
