"""Several choices, strict parameters and images: what a request may ask of whom."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import structs

from adapters.base import Capabilities, Start, Text, Usage
from proxy.limits.windows import Limits
from tests.proxy.kit import EVERYTHING, HANG, failure
from tests.proxy.routing.kit import LIMIT, Build

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("can", [True, False])
async def test_choices_are_fanned_out_where_a_provider_gives_one(
    build: Build, *, stream: bool, can: bool
) -> None:
    station = build("north")
    abilities = structs.replace(EVERYTHING, n=can or stream, n_stream=can or not stream)
    station.adapters["north"].script.abilities = abilities

    await station.ask(n=2, stream=stream)

    assert [sent.n for sent in station.adapters["north"].script.requests] == (
        [2] if can else [1, 1]
    )
    assert station.receipt.warnings == ([] if can else ["emulated=n"])


ONE_AT_A_TIME = structs.replace(EVERYTHING, n=False, n_stream=False)


async def test_each_choice_takes_a_place_of_its_own_and_all_are_one_attempt(build: Build) -> None:
    station = build(limits={"north": Limits(requests_per_minute=5)})
    station.adapters["north"].script.abilities = ONE_AT_A_TIME

    await station.ask(n=3)
    assert station.receipt.attempts == ["north:200"]
    assert station.receipt.usage == Usage(9, 6)
    await station.ask(n=3)
    assert station.receipt.attempts == ["south:200"]
    await station.ask(n=2)
    assert station.receipt.attempts == ["north:200"]

    assert [len(one.script.requests) for one in station.adapters.values()] == [5, 1]


async def test_more_choices_than_a_limit_has_room_for_are_refused_and_say_why(build: Build) -> None:
    station = build("north", limits={"north": Limits(requests_per_minute=2)})
    station.adapters["north"].script.abilities = ONE_AT_A_TIME

    error = await station.refused(n=3)

    assert (error.status, error.code, error.param) == (400, "unsupported_feature", "n")
    assert "3 calls at once need more than 2 requests a minute" in error.message
    assert error.headers() == []
    assert station.calls() == [0]


async def test_who_is_in_doubt_is_tried_by_one_call_even_for_several_choices(build: Build) -> None:
    station = build("north")
    script = station.adapters["north"].script
    script.abilities = ONE_AT_A_TIME
    station.play("north", [failure(LIMIT, "north", retry_after_s=5)])
    await station.refused()
    station.clock.now_s += 5
    station.play("north", [[Start()], HANG])

    asking = asyncio.create_task(station.ask(n=3))
    assert await asyncio.to_thread(script.began.wait, 5)
    assert [sent.n for sent in script.requests[1:]] == [1]
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    await station.ask(n=3)
    assert len(script.requests) == 5


@pytest.mark.parametrize("strict", [True, False])
async def test_strict_params_refuse_what_would_be_dropped(build: Build, *, strict: bool) -> None:
    station = build("north", strict_params=strict)
    station.adapters["north"].script.warnings = ("dropped=prompt_cache_key", "dropped=logit_bias")

    if not strict:
        await station.ask()
        return
    error = await station.refused()

    assert (error.status, error.code) == (400, "unsupported_parameter")
    assert error.param == "logit_bias"
    assert station.calls() == [0]


@pytest.mark.parametrize("warning", ["dropped=prediction", "emulated=tool_choice"])
async def test_strict_params_let_hints_and_emulations_pass(build: Build, warning: str) -> None:
    station = build("north", strict_params=True)
    station.adapters["north"].script.warnings = (warning,)

    assert Text("lo") in await station.ask()


IMAGE_URL = [
    {
        "role": "user",
        "content": [{"type": "image_url", "image_url": {"url": "https://pictures.example/x.png"}}],
    }
]


async def test_an_image_that_cannot_be_fetched_is_the_requests_fault(build: Build) -> None:
    station = build()
    station.adapters["north"].script.abilities = Capabilities(image_urls=False)

    error = await station.refused(messages=IMAGE_URL)

    assert (error.status, error.code) == (400, "invalid_image_url")
    assert error.param is not None and error.param.startswith("messages[0].content[0]")
    assert station.calls() == [0, 0]


async def test_an_image_url_is_left_to_who_takes_urls(build: Build) -> None:
    station = build()

    await station.ask(messages=IMAGE_URL)

    assert station.adapters["north"].script.requests[0].messages == IMAGE_URL
