"""Whatever goes wrong at home, an app that is local only is never answered by a cloud."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import httpx
import pytest

from tests.faults.conftest import Build
from tests.faults.dialects import DIALECTS
from tests.faults.fake import Reply, refusal, whole
from tests.faults.rows import good
from tests.faults.test_broken_streams import AFTER_CONTENT, broken_stream
from tests.faults.test_bytes import too_much
from tests.faults.test_limits import TOLD, limited
from tests.faults.test_no_content import FAULTS
from tests.faults.test_refusals import TOO_LONG, dead_key
from tests.faults.world import World

pytestmark = pytest.mark.anyio

HOME = "ollama"
CLOUDS = ("groq", "gemini")
ELSEWHERE = ("groq", "gemini/other", "GROQ:any")
SHORT_S = 0.05
"""A good answer may come too late for that as well: what is asked elsewhere counts alone."""
STATUSES = (400, 401, 402, 403, 404, 408, 409, 410, 413, 418, 422, 429, 451)
STATUSES_OF_SERVERS = (*range(500, 506), 520, 521, 522, 523, 524, 529)


def _replies() -> Iterator[tuple[bool, Reply]]:
    """All that the matrix has a provider answer, in the words of the one at home."""
    home = DIALECTS[HOME]
    for streamed in (False, True):
        for fault in FAULTS.values():
            if fault.streamed if streamed else fault.whole:
                yield streamed, fault.reply(home, streamed)
        for status in (*STATUSES, *STATUSES_OF_SERVERS):
            yield streamed, refusal(home, status)
        for headers, _ in TOLD.values():
            yield streamed, limited(HOME, *headers)
        yield streamed, TOO_LONG[HOME]
        yield streamed, dead_key(HOME, 401)
        yield streamed, whole(good(home, streamed), 200, ("content-type", "text/html"))
    for how in AFTER_CONTENT:
        yield True, broken_stream(home, how)
    for how in ("a body", "a bomb", "a line"):
        yield how == "a line", too_much(home, how)


async def _at_home(build: Build, **options: Any) -> World:
    """A world whose owner prefers a cloud, and keeps all that apps ask at home."""
    world = await build("groq", "gemini", HOME, silence_s=SHORT_S, **options)
    chosen = {
        "local_only": True,
        "aliases": {"fast": {"groq": "small", HOME: "tiny"}},
        "split": {"groq": 80, "gemini": 20},
    }
    url = world.url.removesuffix("/v1")
    async with httpx.AsyncClient(base_url=url, trust_env=False) as owner:
        answer = await owner.put("/api/user/preferences", json=chosen)
    assert answer.status_code == 200, answer.text
    return world


def _asked(world: World) -> list[int]:
    return [len(world.fakes[name].calls) for name in CLOUDS]


async def test_no_fault_of_the_matrix_leads_to_a_cloud(build: Build) -> None:
    world = await _at_home(build)
    home, tried = world.fakes[HOME], 0
    for streamed, reply in _replies():
        home.always(reply)
        world.parts.try_again(HOME)
        before = len(home.calls)
        for model in ("gpt-4o", "fast"):
            fields = {"extra_headers": {"x-pointsman-fallback": "true"}}
            seen = await world.ask(model, stream=streamed, **fields)
            assert all(one.startswith(f"{HOME}:") for one in seen.attempts)
        assert len(home.calls) > before
        tried += 1
        world.time.pass_(7200)
    assert tried >= 130
    assert _asked(world) == [0, 0]


@pytest.mark.parametrize("where", range(4))
async def test_no_place_where_nobody_is_leads_to_a_cloud(
    build: Build, closed_port: int, black_hole: str, no_handshake: str, where: int
) -> None:
    closed = f"http://127.0.0.1:{closed_port}"
    url = (closed, black_hole, no_handshake, "http://nowhere.local")[where]
    world = await _at_home(build, urls={HOME: url})
    for model, streamed in product(("gpt-4o", "fast", f"{HOME}/x"), (False, True)):
        seen = await world.ask(model, stream=streamed)
        assert seen.status in (502, 503, 504), (url, seen.outcome)
        assert "by the owner's choice: nobody elsewhere was asked" in str(seen.error)
    assert _asked(world) == [0, 0]


async def test_a_cloud_that_is_named_is_refused_and_says_why(build: Build) -> None:
    world = await _at_home(build)
    for model, streamed in product(ELSEWHERE, (False, True)):
        seen = await world.ask(model, stream=streamed)
        assert seen.outcome == (403, "local_only")
    assert _asked(world) == [0, 0]
