"""Each house's own stream is read whole: thoughts, words, counts, whatever stands beside them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from adapters.base import ChatRequest, Finish, RateLimits, Usage
from adapters.openai.profiles import PRESETS
from tests.adapters.kit import Answer, FakeUpstream, Reply, collect, fold, stream_reply
from tests.adapters.openai.exchanges import EXCHANGES, chunks
from tests.adapters.openai.kit import ASK, OpenAIKit, adapter

pytestmark = pytest.mark.anyio


def test_no_profile_is_without_an_exchange() -> None:
    assert EXCHANGES.keys() == PRESETS.keys()


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_what_the_house_streams_is_read_however_it_is_cut(name: str, size: int) -> None:
    told = EXCHANGES[name]
    lines = [told.first, *(f"data: {json.dumps(one)}\n\n" for one in chunks(told))]
    body = "".join([*lines, "data: [DONE]\n\n"]).encode()
    pieces = tuple(body[at : at + size] for at in range(0, len(body), size))
    wire = FakeUpstream(Reply(pieces, content_type="text/event-stream"))
    asked = ChatRequest("toy-1", ASK, stream=True)
    events = await collect(adapter(wire.upstream, name), asked)
    found = fold(events)

    assert (found.text, found.reasoning) == ("To the left.", "Left?" if told.thoughts else "")
    assert [one for one in events if type(one) is Usage] == [told.counted]
    assert [one.reason for one in events if type(one) is Finish] == ["stop"]
    assert wire.sent["model"] == "toy-1" and wire.sent["stream"] is True


@pytest.mark.parametrize(
    ("name", "headers", "told"),
    [
        (
            "openai",
            {
                "limit-requests": "500",
                "remaining-requests": "499",
                "reset-requests": "120ms",
                "limit-tokens": "30000",
                "remaining-tokens": "29000",
                "reset-tokens": "2s",
            },
            RateLimits(500, 499, 0.12, 30_000, 29_000, 2.0, requests_s=60),
        ),
        (
            "mistral",
            {
                "limit-req-minute": "720",
                "remaining-req-minute": "717",
                "limit-tokens-minute": "5000000",
                "remaining-tokens-minute": "4999911",
                "tokens-query-cost": "52",
            },
            RateLimits(720, 717, None, 5_000_000, 4_999_911, None, requests_s=60),
        ),
        (
            "cerebras",
            {
                "limit-requests-day": "14400",
                "remaining-requests-day": "14399",
                "reset-requests-day": "33011.382867097855",
                "limit-tokens-minute": "60000",
                "remaining-tokens-minute": "59000",
                "reset-tokens-minute": "11.382867097854614",
            },
            RateLimits(
                *(14_400, 14_399, 33_011.382867097855, 60_000, 59_000, 11.382867097854614),
                requests_s=86_400,
            ),
        ),
        (
            "sambanova",
            {
                "limit-requests": "240",
                "remaining-requests": "239",
                "reset-requests": "1795000000",
            },
            RateLimits(240, 239, None, requests_s=60),
        ),
    ],
)
async def test_limits_are_read_as_the_house_calls_them(
    name: str, headers: dict[str, str], told: RateLimits
) -> None:
    named = tuple((f"x-ratelimit-{name}", value) for name, value in headers.items())
    reply = replace(stream_reply(OpenAIKit(), Answer(("x",))), headers=named)
    events = await collect(
        adapter(FakeUpstream(reply).upstream, name), ChatRequest("m", ASK, stream=True)
    )

    assert [one for one in events if type(one) is RateLimits] == [told]
