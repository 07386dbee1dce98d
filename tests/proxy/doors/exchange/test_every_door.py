"""What the routing promises, seen at every door that a chat comes in by."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import httpx
import pytest

from adapters.base import ErrorKind, Finish, Start, Text, Usage
from tests.proxy.doors.every import EVERY, Way
from tests.proxy.doors.exchange.kit import Build, Station
from tests.proxy.kit import failure

HELLO = [("user", "Hello.")]
SAID = ([Start()], [Text("They spoke of boats.")], [Finish("stop"), Usage(100, 7)])
LONG = failure(ErrorKind.CONTEXT, "north", status=400)
ALL = [
    pytest.param(way, stream, id=f"{way.name}-{'stream' if stream else 'plain'}")
    for way, stream in product(EVERY, (False, True))
]


def _post(station: Station, way: Way, turns: Any, **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    path, body = way.asked(turns, **more)
    return station.client.post(path, json=body, headers=headers)


def _talk(turns: int) -> list[tuple[str, str]]:
    said = [(who, f"{i} {'x' * 400}") for i in range(turns) for who in ("user", "assistant")]
    return [*said, ("user", "And the newest?")]


@pytest.mark.parametrize(("way", "stream"), ALL)
def test_a_talk_too_long_is_summarised_only_where_it_is_allowed(
    build: Build, way: Way, stream: bool
) -> None:
    station = build(compact=True, fallback="north")
    station.north.play([LONG], *[SAID] * 3)
    answer = _post(station, way, _talk(12), stream=stream)
    assert answer.status_code == 200, answer.text
    assert "compacted=" in answer.headers["x-pointsman-warnings"]
    assert station.north.requests[-1].messages[-1]["content"] == "And the newest?"
    row = station.host.app.state.parts.storage.usage.oldest(1)[0]  # type: ignore[union-attr]
    assert row.tokens.prompt > 100


@pytest.mark.parametrize(("way", "stream"), ALL)
def test_a_talk_too_long_is_refused_with_the_sizes(build: Build, way: Way, stream: bool) -> None:
    station = build(fallback="north")
    station.north.play([LONG])
    answer = _post(station, way, _talk(12), stream=stream)
    assert answer.status_code == 400
    assert "The request has about" in answer.text
    assert len(station.north.requests) == 1


@pytest.mark.parametrize(("way", "stream"), ALL)
def test_a_kept_answer_is_the_first_one_byte_for_byte_but_ids(
    build: Build, way: Way, stream: bool
) -> None:
    station = build(cache="memory")
    first = _post(station, way, HELLO, stream=stream, greedy=True)
    again = _post(station, way, HELLO, stream=stream, greedy=True)
    assert first.status_code == again.status_code == 200
    assert len(station.north.requests) == 1
    assert "cached" in again.headers["x-pointsman-warnings"]
    assert _without_ids(first.text) == _without_ids(again.text)
    row = list(station.host.app.state.parts.storage.usage.oldest(9))[-1]  # type: ignore[union-attr]
    assert (row.tokens.prompt, row.tokens.completion, row.receipt.tries) == (0, 0, [])


def _without_ids(text: str) -> str:
    ids = r'"(?:id|item_id|responseId|request_id)":\s*"[^"]*"'
    times = r'"(?:created|created_at|completed_at|\w+_duration)":\s*(?:"[^"]*"|[\d.]+)'
    return re.sub(f"{ids}|{times}", "", text)


@pytest.mark.parametrize(("way", "stream"), ALL)
def test_a_talk_keeps_its_arm_and_the_other_stands_in(build: Build, way: Way, stream: bool) -> None:
    station = build()
    split = {"split": {"north": 1, "south": 1}}
    assert station.client.put("/api/user/preferences", json=split).status_code == 200
    found: dict[str, set[str]] = {}
    for talk, turn in product(range(12), range(2)):
        said = [("user", f"Talk {talk}."), *[("assistant", "Yes."), ("user", "And?")] * turn]
        answer = _post(station, way, said, stream=stream)
        found.setdefault(f"{talk}", set()).add(answer.headers["x-pointsman-provider"])
    assert all(len(one) == 1 for one in found.values())
    assert set.union(*found.values()) == {"north", "south"}
    whose = next(name for name, by in found.items() if by == {"south"})
    station.south.play([failure(ErrorKind.SERVER, "south", status=500)])
    answer = _post(station, way, [("user", f"Talk {whose}.")], stream=stream)
    assert answer.headers["x-pointsman-attempts"] == "south:500,north:200"


@pytest.mark.parametrize(("way", "stream"), ALL)
def test_a_talk_stays_where_it_went_and_the_switch_wins(
    build: Build, way: Way, stream: bool
) -> None:
    station = build()
    station.north.play([failure(ErrorKind.SERVER, "north", status=500)])
    begin, later = HELLO, [*HELLO, ("assistant", "Yes."), ("user", "And?")]
    by = [
        _post(station, way, said, stream=stream).headers["x-pointsman-provider"]
        for said in (begin, later)
    ]
    assert by == ["south", "south"]
    station.client.put("/api/user/preferences", json={"default_llm_provider": "north"})
    assert _post(station, way, later, stream=stream).headers["x-pointsman-provider"] == "north"


@pytest.mark.parametrize(("way", "stream"), ALL)
def test_what_is_local_only_never_leaves(build: Build, way: Way, stream: bool) -> None:
    station = build()
    station.client.put("/api/user/preferences", json={"local_only": True}, params={"app": "notes"})
    key = "app-notes"
    headers = {"authorization": f"Bearer {key}", "x-api-key": key, "x-goog-api-key": key}
    for model in ("default", "north", "south/m", "gpt-4o"):
        answer = _post(station, way, HELLO, stream=stream, model=model, headers=headers)
        assert answer.status_code in (403, 503, 529), (model, answer.text)
    assert station.north.requests == station.south.requests == []
