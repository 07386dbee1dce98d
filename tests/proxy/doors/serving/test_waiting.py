"""A stream whose first content is long in coming: its client is kept, whatever then comes."""

from __future__ import annotations

import json

from adapters.base import ErrorKind, Text
from tests.proxy.doors.serving.kit import HELLO, PATH, STREAM, Build, Station
from tests.proxy.kit import HANG, failure

OFTEN = 0.01


def _lines(station: Station, enough: int) -> list[str]:
    """The first lines of a stream that nothing comes of."""
    lines: list[str] = []
    with station.client.stream("POST", PATH, json=STREAM) as response:
        assert response.status_code == 200
        assert "x-pointsman-provider" not in response.headers  # as nobody knows yet
        for line in response.iter_lines():
            lines.append(line)
            if len(lines) == enough:
                break
    return lines


def test_it_begins_and_says_that_it_waits(build: Build) -> None:
    station = build(keepalive_s=OFTEN)
    station.north.play((HANG,))
    assert _lines(station, 6) == [": waiting", ""] * 3


def test_rotation_goes_on_behind_it(build: Build) -> None:
    station = build(keepalive_s=OFTEN, deadline_s=0.5)
    station.north.play((HANG,))
    response = station.post(STREAM)
    assert response.status_code == 200
    said = [line for line in response.text.split("\n\n") if line.startswith("data: {")]
    assert response.text.startswith(": waiting\n\n")
    assert ": waiting" not in response.text.partition("data: ")[2]
    assert "".join(_texts(said)) == "Hello"
    assert response.text.endswith("data: [DONE]\n\n")
    assert len(station.south.requests) == 1


def test_what_fails_then_is_the_end_of_the_stream(build: Build) -> None:
    station = build(keepalive_s=OFTEN, deadline_s=0.2, fallback="north")
    station.north.play((HANG,))
    response = station.post(STREAM | {"model": "north"})
    assert response.status_code == 200
    last = response.text.removesuffix("\n\n").split("\n\n")[-1]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "upstream_timeout"


def test_who_leaves_meanwhile_stops_the_provider(build: Build) -> None:
    station = build(keepalive_s=OFTEN)
    station.north.play((HANG,))
    _lines(station, 2)
    station.client.close()
    assert station.north.ended.wait(5)


def test_an_answer_in_one_piece_does_not_begin_before_it_is_there(build: Build) -> None:
    station = build(keepalive_s=OFTEN, deadline_s=0.3)
    station.north.play((HANG,))
    response = station.post(HELLO)
    assert response.headers["x-pointsman-provider"] == "south"
    assert response.json()["choices"][0]["message"]["content"] == "Hello"


def test_it_can_be_turned_off(build: Build) -> None:
    station = build(keepalive_s=0, deadline_s=0.3)
    station.north.play((HANG,))
    response = station.post(STREAM)
    assert ": waiting" not in response.text
    assert response.headers["x-pointsman-provider"] == "south"


def test_nothing_is_said_once_there_is_content(build: Build) -> None:
    station = build(keepalive_s=OFTEN)
    station.north.play(([Text("Hel")], failure(ErrorKind.BROKEN, "north")))
    assert ": waiting" not in station.post(STREAM).text


def _texts(events: list[str]) -> list[str]:
    chunks = (json.loads(event.removeprefix("data: ")) for event in events)
    return [choice["delta"].get("content") or "" for one in chunks for choice in one["choices"]]
