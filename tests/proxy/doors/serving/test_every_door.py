"""What the routing promises, seen at every door that a chat comes in by."""

from __future__ import annotations

import re
import time
from itertools import product
from typing import Any

import httpx
import pytest

from adapters.base import ErrorKind, Finish, Start, Text, Usage
from tests.proxy.doors.every import EVERY, WITHOUT_TALKS, Way
from tests.proxy.doors.serving.kit import Build, Station
from tests.proxy.kit import HANG, failure

HELLO = [("user", "Hello.")]
SAID = ([Start()], [Text("They spoke of boats.")], [Finish("stop"), Usage(100, 7)])
LONG = failure(ErrorKind.CONTEXT, "north", status=400)
OFTEN = 0.01
WAITS = {
    "messages": b"event: ping",
    "ollama": b'"message":{"role":"assistant","content":""}',
    "generate": b'"response":""',
    "gemini": b"",  # its clients take nothing of the kind
}
"""What a door says while nothing is there yet; the others have a comment."""
ALL = [
    pytest.param(way, stream, id=f"{way.name}-{'stream' if stream else 'plain'}")
    for way, stream in product(EVERY, (False, True))
]
OF_ANY_KIND = [
    *ALL,
    *(
        pytest.param(way, stream, id=f"{way.name}-{'stream' if stream else 'plain'}")
        for way, stream in product(WITHOUT_TALKS, (False, True))
    ),
]
STREAMS = [pytest.param(way, id=way.name) for way in (*EVERY, *WITHOUT_TALKS)]


def _post(station: Station, way: Way, turns: Any, **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    path, body = way.asked(turns, **more)
    return station.client.post(path, json=body, headers=headers)


@pytest.mark.parametrize("way", STREAMS)
def test_who_says_nothing_in_time_is_passed_over(build: Build, way: Way) -> None:
    """A head and a role are no word; who is asked next has time of its own."""
    station = build(first_s={"north": 0.05})
    station.north.play(([Start()], HANG))
    answer = _post(station, way, HELLO, stream=True)
    assert answer.headers["x-pointsman-attempts"] == "north:timeout_first_byte,south:200"
    assert "Hel" in answer.text  # and the rest of it
    assert (len(station.north.requests), len(station.south.requests)) == (1, 1)


@pytest.mark.parametrize("way", STREAMS)
def test_a_stream_that_waits_says_so_in_the_doors_own_form(build: Build, way: Way) -> None:
    station = build(keepalive_s=OFTEN, first_s={"north": 0.3})
    station.north.play(([Start()], HANG))
    answer = _post(station, way, HELLO, stream=True)
    told = WAITS.get(way.name, b": waiting\n\n")
    before, said, _ = answer.content.partition(b"Hel")
    assert answer.status_code == 200 and said, answer.text
    assert before.count(told) > 1 if told else b": waiting" not in answer.content
    assert len(station.south.requests) == 1  # rotation went on behind it


@pytest.mark.parametrize("way", STREAMS)
def test_a_stream_that_waits_in_vain_ends_with_the_doors_own_error(build: Build, way: Way) -> None:
    station = build(keepalive_s=OFTEN, deadline_s=0.3, fallback="north")
    station.north.play(([Start()], HANG))
    answer = _post(station, way, HELLO, stream=True)
    if way.name == "gemini":  # nothing could be said, so that the status still can
        assert answer.status_code in (200, 504)
    else:
        assert answer.status_code == 200
    assert "error" in answer.text and "Hel" not in answer.text
    assert way.name not in ("chat", "completions") or "[DONE]" not in answer.text
    assert "message_stop" not in answer.text and "response.completed" not in answer.text


@pytest.mark.parametrize(("way", "stream"), OF_ANY_KIND)
def test_the_header_says_whether_an_answer_is_kept(build: Build, way: Way, stream: bool) -> None:
    station = build(cache="memory")
    for said, calls, is_kept in (
        ("on", 1, False),
        ("on", 1, True),
        ("refresh", 2, False),
        ("on", 2, True),
        ("off", 3, False),
    ):
        headers = {"x-pointsman-cache": said}
        answer = _post(station, way, HELLO, stream=stream, headers=headers)
        assert (answer.status_code, len(station.north.requests)) == (200, calls), said
        assert ("cached" in answer.headers.get("x-pointsman-warnings", "")) is is_kept, said


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
    row = _written(station, 1)[0]
    assert row.tokens.prompt > 100


@pytest.mark.parametrize(("way", "stream"), ALL)
def test_a_talk_too_long_is_refused_with_the_sizes(build: Build, way: Way, stream: bool) -> None:
    station = build(fallback="north")
    station.north.play([LONG])
    answer = _post(station, way, _talk(12), stream=stream)
    assert answer.status_code == 400
    assert "The request has about" in answer.text
    assert len(station.north.requests) == 1


@pytest.mark.parametrize(("way", "stream"), OF_ANY_KIND)
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
    row = _written(station, 2)[-1]
    assert (row.tokens.prompt, row.tokens.completion, row.receipt.tries) == (0, 0, [])


def _written(station: Station, count: int) -> list[Any]:
    """The rows of the usage log, which come a moment after an answer has ended."""
    for _ in range(2000):
        rows = list(station.host.app.state.parts.storage.usage.oldest(9))  # type: ignore[union-attr]
        if len(rows) >= count:
            return rows
        time.sleep(0.01)
    raise AssertionError(rows)


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


def test_texts_to_go_on_with_stay_together_by_their_agents_word_alone(build: Build) -> None:
    station = build()
    station.north.play([failure(ErrorKind.SERVER, "north", status=500)])
    way, told = WITHOUT_TALKS[0], {"headers": {"x-session-id": "s-1"}}
    by = [
        _post(station, way, [("user", text)], **more).headers["x-pointsman-provider"]
        for text, more in (("One.", told), ("Two.", told), ("One.", {}))
    ]
    assert by == ["south", "south", "north"]


@pytest.mark.parametrize(("way", "stream"), OF_ANY_KIND)
def test_what_is_local_only_never_leaves(build: Build, way: Way, stream: bool) -> None:
    station = build()
    station.client.put("/api/user/preferences", json={"local_only": True}, params={"app": "notes"})
    key = "app-notes"
    headers = {"authorization": f"Bearer {key}", "x-api-key": key, "x-goog-api-key": key}
    for model in ("default", "north", "south/m", "gpt-4o"):
        answer = _post(station, way, HELLO, stream=stream, model=model, headers=headers)
        assert answer.status_code in (403, 503, 529), (model, answer.text)
    assert station.north.requests == station.south.requests == []
