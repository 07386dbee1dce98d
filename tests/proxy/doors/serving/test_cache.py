"""The same again: who asks exactly the same gets the same, and nobody is asked for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from adapters.base import ErrorKind, Finish, Text, Usage
from proxy.doors.serving import endpoint
from tests.proxy.doors.serving.kit import HELLO, PATH, Build, Station
from tests.proxy.kit import HANG, failure

SURE = HELLO | {"temperature": 0}
SURE_STREAM = SURE | {"stream": True}


@pytest.fixture
def station(build: Build) -> Station:
    return build(cache="memory")


def _warnings(response: httpx.Response) -> str:
    return response.headers.get("x-pointsman-warnings", "")


def _text(response: httpx.Response) -> Any:
    return response.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize("asked", [SURE, SURE_STREAM], ids=["plain", "stream"])
def test_the_second_answer_is_the_first_one(station: Station, asked: dict[str, Any]) -> None:
    first, second = station.post(asked), station.post(asked)
    assert len(station.north.requests) == 1
    assert _pieces(first) == _pieces(second)
    assert "cached" not in _warnings(first)
    assert "cached" in _warnings(second)
    assert second.headers["x-pointsman-provider"] == "north"
    assert second.headers["x-pointsman-attempts"] == ""


def _pieces(response: httpx.Response) -> list[str]:
    """What was said, without the ids that are each answer's own."""
    text = response.text
    for line in text.replace(",", "\n").splitlines():
        if '"id":' in line or '"created":' in line:
            text = text.replace(line, "")
    return text.split("\n\n")


def test_what_may_differ_is_asked_again(station: Station) -> None:
    for other in (
        HELLO,  # where chance has its part
        HELLO,
        SURE | {"model": "north"},
        SURE | {"max_tokens": 5},
        SURE | {"messages": [*HELLO["messages"], {"role": "user", "content": "And?"}]},
        SURE_STREAM,
    ):
        before = len(station.north.requests)
        assert station.post(SURE).status_code == 200
        assert station.post(other).status_code == 200
        assert len(station.north.requests) > before
    key = {"Authorization": "Bearer app-notes"}
    before = len(station.north.requests)
    station.client.post(PATH, json=SURE, headers=key)
    assert len(station.north.requests) == before + 1


def test_the_header_says_whether(station: Station) -> None:
    for said, asked, calls in (
        ("on", HELLO, 1),
        ("on", HELLO, 1),
        ("refresh", HELLO, 2),
        ("on", HELLO, 2),
        ("off", HELLO, 3),
        ("off", SURE, 4),
        ("off", SURE, 5),
    ):
        station.client.post(PATH, json=asked, headers={"x-pointsman-cache": said})
        assert len(station.north.requests) == calls, (said, asked)


def test_what_is_very_large_is_not_looked_for(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take all others tens of milliseconds."""
    monkeypatch.setattr(endpoint, "MAX_KEYED_BYTES", 150_000)
    for size, calls in ((140_000, 1), (160_000, 2)):
        large = SURE | {"messages": [{"role": "user", "content": "x" * size}]}
        before = len(station.north.requests)
        assert all(station.post(large).status_code == 200 for _ in range(2))
        assert len(station.north.requests) == before + calls


@pytest.mark.parametrize(
    "script",
    [
        ([Text("Hal")], [Finish("length"), Usage(1, 1)]),
        ([Text("Hal")], [Finish("content_filter"), Usage(1, 1)]),
        ([Text("Hal")], failure(ErrorKind.BROKEN, "north")),
        (failure(ErrorKind.SERVER, "north"),),  # another than the first choice answers
    ],
)
def test_only_good_whole_answers_are_kept(station: Station, script: Any) -> None:
    station.north.play(script)
    station.post(SURE_STREAM)
    asked = len(station.north.requests)
    assert "cached" not in _warnings(station.post(SURE_STREAM))
    assert len(station.north.requests) == asked + 1


def test_who_leaves_keeps_nothing_and_holds_nobody_up(station: Station) -> None:
    station.north.play((([Text("Hel")]), HANG))
    with station.client.stream("POST", PATH, json=SURE_STREAM) as response:
        next(response.iter_lines())
    assert station.north.ended.wait(5)
    assert "Hel" in station.post(SURE_STREAM).text
    assert len(station.north.requests) == 2


def test_sixteen_at_once_are_one_call(station: Station) -> None:
    def ask(_: int) -> Any:
        url = f"{station.host.base_url}{PATH}"
        return _text(httpx.post(url, json=SURE, trust_env=False, timeout=20))

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(16))) == {"Hello"}
    assert len(station.north.requests) == 1


def test_it_costs_nothing(station: Station) -> None:
    station.post(SURE)
    station.post(SURE)
    rows = list(station.host.app.state.parts.storage.usage.oldest(10))
    assert rows[-1].tokens.prompt == rows[-1].tokens.completion == 0


def test_without_the_setting_nothing_is_kept(build: Build) -> None:
    station = build()
    for _ in range(2):
        station.client.post(PATH, json=SURE, headers={"x-pointsman-cache": "on"})
    assert len(station.north.requests) == 2
