"""Each house's own stream is read whole: thoughts, words, counts, whatever stands beside them."""

from __future__ import annotations

import json

import pytest

from adapters.base import ChatRequest, Finish, Usage
from adapters.openai.profiles import PRESETS
from tests.adapters.kit import FakeUpstream, Reply, collect, fold
from tests.adapters.openai.exchanges import EXCHANGES, chunks
from tests.adapters.openai.kit import ASK, adapter

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
