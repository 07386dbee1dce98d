"""At every door where something is said: rotation, failures, clients that leave, deadlines."""

from __future__ import annotations

import pytest

from adapters.base import ErrorKind, Text
from proxy.doors import Entrance
from tests.proxy.doors.golden.reader import entrances
from tests.proxy.doors.golden.test_golden import NO_TALK
from tests.proxy.doors.serving.kit import LONG_S, Build, Station
from tests.proxy.doors.talks import TALKS, Talk, paths
from tests.proxy.kit import HANG, failure

NOTHING_IS_SAID = ("/embed", "/embeddings", "/compact")
EACH = pytest.mark.parametrize("talk", TALKS.values(), ids=TALKS)
BOTH = (False, True)


def test_every_door_is_here() -> None:
    def talks(one: Entrance) -> bool:
        is_other = one.door.name in NO_TALK or one.paths[0].endswith(NOTHING_IS_SAID)
        return hasattr(one.door, "stream") and not is_other

    missing = [
        one.paths
        for one in entrances()
        if talks(one) and not any(one.speaks_at(path.format(model="m")) for path in paths())
    ]
    assert missing == []


@EACH
def test_who_fails_before_the_first_content_is_passed_over(station: Station, talk: Talk) -> None:
    for stream in BOTH:
        station.north.play((failure(ErrorKind.SERVER),))
        path, body = talk.asked(stream=stream)
        response = station.client.post(path, json=body)

        assert response.status_code == 200
        assert response.headers["x-pointsman-provider"] == "south"
        assert response.headers["x-pointsman-attempts"].count(",") == 1
        assert "Hel" in response.text and "lo" in response.text
        if stream:
            assert talk.ends in response.text and talk.fails not in response.text


@EACH
def test_who_fails_after_it_is_told_of_aloud(station: Station, talk: Talk) -> None:
    station.north.play(([Text("Hel")], failure(ErrorKind.BROKEN, "north")))
    path, body = talk.asked(stream=True)
    response = station.client.post(path, json=body)

    said, _, told = response.text.partition(talk.fails)
    assert response.status_code == 200
    assert "Hel" in said and "failed with broken" in told
    assert talk.ends not in response.text
    assert station.south.requests == []


@EACH
def test_a_client_that_leaves_stops_the_provider(station: Station, talk: Talk) -> None:
    path, body = talk.asked(stream=True)
    station.north.play(([Text("a")], [Text("b")], HANG))
    with station.client.stream("POST", path, json=body) as response:
        pieces = response.iter_bytes()  # which closes when nobody holds it
        next(pieces)
        assert station.north.open_calls == 1

    assert station.north.ended.wait(LONG_S)
    assert station.south.requests == []


@EACH
def test_the_deadline_ends_what_has_no_content(build: Build, talk: Talk) -> None:
    station = build(deadline_s=0.05)
    for stream in BOTH:
        station.north.play((HANG,))
        station.south.play((HANG,))
        path, body = talk.asked(stream=stream)
        response = station.client.post(path, json=body)

        assert response.status_code == 504
        assert response.headers["x-should-retry"] == "false"
        assert "answer" in str(response.json()["error"]) and talk.ends not in response.text


@EACH
def test_the_deadline_hands_over_what_there_is_of_a_whole_answer(build: Build, talk: Talk) -> None:
    station = build(deadline_s=0.05)
    station.north.play(([Text("so far")], HANG))
    path, body = talk.asked(stream=False)
    response = station.client.post(path, json=body)

    assert response.status_code == 200
    assert "so far" in response.text
    assert response.headers["x-pointsman-warnings"].endswith("cut=deadline")
    assert station.north.ended.wait(LONG_S)
