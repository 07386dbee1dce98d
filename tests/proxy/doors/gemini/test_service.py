"""What every door has of the service behind it: receipts, what is kept, deadlines."""

from __future__ import annotations

import json
import time
from typing import Any

from adapters.base import Json, Text, ToolCall
from tests.proxy.doors.serving.kit import LONG_S, Build, Station
from tests.proxy.kit import HANG

PLAIN = "/v1beta/models/gemini-x:generateContent"
STREAM = "/v1beta/models/gemini-x:streamGenerateContent?alt=sse"
HELLO: Json = {"contents": [{"role": "user", "parts": [{"text": "My secret is 4711."}]}]}


def test_a_plain_answer_is_cut_at_its_deadline_and_says_so(build: Build) -> None:
    station = build(deadline_s=0.2)
    station.north.play([[Text("Once"), Text(" upon")], HANG])
    answer = station.client.post(PLAIN, json=HELLO)

    [candidate] = answer.json()["candidates"]
    assert candidate["content"]["parts"] == [{"text": "Once upon"}]
    assert candidate["finishReason"] == "MAX_TOKENS"
    assert "cut=deadline" in answer.headers["x-pointsman-warnings"]


def test_a_call_that_is_not_whole_is_late_at_its_deadline(build: Build) -> None:
    station = build(deadline_s=0.2)
    for script in (station.north, station.south):
        script.play([[Text("a")], [ToolCall(0, "f", '{"a"')], HANG])
    answer = station.client.post(PLAIN, json=HELLO)

    assert answer.status_code == 504
    assert answer.json()["error"]["status"] == "DEADLINE_EXCEEDED"


def test_a_row_tells_of_the_door_and_never_of_what_was_said(station: Station) -> None:
    station.client.post(STREAM, json=HELLO)
    listed: Any = {}
    ends_at = time.monotonic() + LONG_S
    while not listed.get("requests") and time.monotonic() < ends_at:
        listed = station.client.get("/admin/api/requests").json()
    [row] = listed["requests"]

    assert (row["asked"], row["status"]) == ("gemini-x", 200)
    assert "4711" not in json.dumps(listed)
    assert 'door="gemini"' in station.client.get("/metrics").text


def test_what_was_said_is_kept_for_the_time_that_was_asked_for(station: Station) -> None:
    station.client.put("/admin/api/kept", json={"minutes": 5})
    answer = station.client.post(PLAIN, json=HELLO)
    said = station.client.get(f"/admin/api/kept/{answer.headers['x-request-id']}").json()

    assert "4711" in said["request"] and '"candidates"' in said["answer"]
