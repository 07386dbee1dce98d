"""A door of another kind: lines of JSON, a parameter in its path, an envelope of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pytest

from adapters.base import ChatRequest, ErrorKind, Text
from proxy.doors import DOORS, Entrance
from proxy.doors.door import Asked, Call, Opening
from proxy.errors import ApiError
from proxy.reply import Reply
from tests.proxy.doors.serving.kit import Build, Station, error_of
from tests.proxy.kit import failure

LINES = ((b"content-type", b"application/x-ndjson"),)


class Lines:
    """Stream and whole answer in one: a line for each text."""

    headers = LINES

    def __init__(self) -> None:
        self.texts: list[str] = []

    def feed(self, events: Sequence[Any]) -> bytes:
        new = [event.text for event in events if type(event) is Text]
        self.texts += new
        return b"".join(_line({"text": text}) for text in new)

    def cut(self) -> bool:
        return bool(self.texts)

    def end(self) -> bytes:
        return _line({"done": "".join(self.texts)})

    def wait(self) -> bytes:
        return b"\n"

    def fail(self, error: ApiError) -> bytes:
        return _line({"broke": error.message})


class Folded(Lines):
    headers = ((b"content-type", b"application/json"),)

    def feed(self, events: Sequence[Any]) -> None:  # type: ignore[override] # a Fold's
        super().feed(events)


class LineDoor:
    """POST and GET /toy/{name}."""

    name = "lines"

    def read(self, call: Call) -> Asked | Reply:
        if call.method == "GET":
            return Reply(200, LINES, _line({"name": call.params["name"], "q": call.query.decode()}))
        said = orjson.loads(call.body)
        messages = [{"role": "user", "content": said["say"]}]
        stream = said.get("stream", True)
        return Asked(ChatRequest(call.params["name"], messages, stream), stream)

    def stream(self, asked: Asked, opening: Opening) -> Lines:
        return Lines()

    def fold(self, asked: Asked, opening: Opening) -> Folded:
        return Folded()

    def refusal(self, error: ApiError) -> Reply:
        return Reply(529, ((b"x-mine", b"1"),), _line({"no": error.message}))

    def cut(self, error: ApiError) -> bytes:
        return _line({"broke": error.message})


def _line(payload: Any) -> bytes:
    return orjson.dumps(payload) + b"\n"


@pytest.fixture
def toys(build: Build, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    doors = (*DOORS, Entrance(LineDoor(), ("/toy/{name}",), ("POST", "GET")))
    monkeypatch.setattr("proxy.doors.DOORS", doors)
    monkeypatch.setattr("proxy.doors.open.DOORS", doors)
    yield build()


def test_its_stream_and_its_object_are_in_its_own_form(toys: Station) -> None:
    streamed = toys.client.post("/toy/north", json={"say": "Hi."})
    whole = toys.client.post("/toy/north", json={"say": "Hi.", "stream": False})

    assert streamed.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in streamed.text.splitlines()]
    assert lines == [{"text": "Hel"}, {"text": "lo"}, {"done": "Hello"}]
    assert whole.json() == {"done": "Hello"}
    assert whole.headers["x-pointsman-provider"] == "north"


def test_it_may_answer_by_itself(toys: Station) -> None:
    response = toys.client.get("/toy/boat?size=2")

    assert response.json() == {"name": "boat", "q": "size=2"}
    assert toys.north.requests == []


def test_what_breaks_on_the_way_is_told_in_its_own_form(toys: Station) -> None:
    toys.north.play(([Text("Hel")], failure(ErrorKind.BROKEN, "north")))

    response = toys.client.post("/toy/north", json={"say": "Hi."})

    last = json.loads(response.text.splitlines()[-1])
    assert response.status_code == 200
    assert "failed with broken" in last["broke"]


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", {"host": "evil.example", "content-type": "application/json"}),  # by the guard
        ("POST", {"content-type": "text/plain"}),
        ("DELETE", {}),  # by Starlette
        ("POST", {"content-type": "application/json"}),  # by the router: no such model
    ],
)
def test_who_refuses_does_so_in_the_words_of_the_path(
    method: str, headers: dict[str, str], toys: Station
) -> None:
    toys.north.play((failure(ErrorKind.MODEL_MISSING, "north"),))
    body = b'{"say": "Hi."}'

    there = toys.client.request(method, "/toy/north", headers=headers, content=body)

    assert (there.status_code, list(there.json())) == (529, ["no"])
    assert there.headers["x-mine"] == "1"


def test_other_paths_keep_to_their_own_words(toys: Station) -> None:
    elsewhere = toys.client.post("/v1/chat/completions", headers={"host": "evil.example"}, json={})

    assert error_of(elsewhere)["code"] == "host_not_allowed"
