"""What is too long for every window: refused with the sizes, or summarised, and then said so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters.base import ErrorKind, Finish, Json, Start, Text, Usage
from proxy.candidate import Candidate
from proxy.errors import ApiError
from proxy.gate.work import Rounds, Work
from proxy.routing.answers.receipt import Receipt
from proxy.routing.compact import MAX_PIECES, SUMMARY, Compacting
from tests.proxy.kit import failure, request
from tests.proxy.routing.kit import SERVER, Build, Station

pytestmark = pytest.mark.anyio

LONG = failure(ErrorKind.CONTEXT, "north", status=400)
SAID = ([Start()], [Text("They spoke of boats.")], [Finish("stop"), Usage(100, 7)])
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


def _talk(turns: int, size: int = 400) -> list[Json]:
    said: list[Json] = [{"role": "system", "content": "Be kind."}]
    for i in range(turns):
        said += [
            {"role": "user", "content": f"Question {i}. {'x' * size}"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": f"Result {i}."},
            {"role": "assistant", "content": f"Answer {i}."},
        ]
    return [*said, {"role": "user", "content": "And the newest?"}]


@dataclass
class Asker:
    """A router that may compact, over a window of so many tokens."""

    station: Station
    window: int | None = 1000
    receipt: Receipt = field(default_factory=Receipt)

    async def ask(self, messages: list[Json], **more: Any) -> str:
        async def windows(candidates: Any) -> dict[Candidate, int]:
            return {one: self.window for one in candidates if self.window}

        router = Compacting(self.station.router, windows, self.station.clock)
        work = Work(Rounds())
        try:
            asked = request("default", messages=messages, **more)
            answer = await router.answer(asked, self.station.preference, self.receipt, work)
            events = [event async for batch in answer for event in batch]
            await answer.aclose()
        finally:
            work.close()
        return "".join(event.text for event in events if type(event) is Text)

    @property
    def asked(self) -> list[Any]:
        return self.station.adapters["north"].script.requests


@pytest.fixture
def asker(build: Build) -> Asker:
    return Asker(build("north"))


async def test_what_fits_is_left_as_it_is(asker: Asker) -> None:
    assert await asker.ask(_talk(3)) == "Hello"
    assert len(asker.asked) == 1
    assert asker.receipt.warnings == []


async def test_older_turns_are_summarised_by_who_answers(asker: Asker) -> None:
    asker.window = 8000
    asker.station.play("north", [LONG], SAID)
    talk = _talk(30)

    assert await asker.ask(talk) == "Hello"

    _, summary, final = asker.asked
    assert "Question 0." in summary.messages[0]["content"]
    assert "calls look with {}" in summary.messages[0]["content"]
    told = list(final.messages)
    assert told[0] == talk[0]
    assert told[1] == {"role": "system", "content": f"{SUMMARY}They spoke of boats."}
    kept = told[2:]
    assert kept == talk[-len(kept) :]
    assert kept[0]["role"] == "user"
    assert asker.receipt.warnings == [f"compacted={len(talk) - 1 - len(kept)}"]
    assert asker.receipt.spent_before == Usage(100, 7)


async def test_no_call_is_parted_from_its_result(asker: Asker) -> None:
    for turns in range(2, 30):
        asker.station.play("north", [LONG], *[SAID] * MAX_PIECES)
        asker.asked.clear()
        asker.receipt = Receipt()
        try:
            await asker.ask(_talk(turns))
        finally:
            asker.station.adapters["north"].script.answers.clear()
        messages = asker.asked[-1].messages
        calls = [one for one in messages if one.get("tool_calls")]
        assert len(calls) == sum(one["role"] == "tool" for one in messages)
        assert messages[-1] == {"role": "user", "content": "And the newest?"}


async def test_a_long_past_is_summarised_piece_after_piece(asker: Asker) -> None:
    asker.station.play("north", [LONG], SAID, SAID, SAID)
    await asker.ask(_talk(6))
    first, second, *_ = asker.asked[1:]
    assert "Summary of what came before" not in first.messages[0]["content"]
    assert "They spoke of boats." in second.messages[0]["content"]


@pytest.mark.parametrize(
    "messages",
    [[{"role": "user", "content": "x" * 9000}], _talk(200)],
    ids=["one turn", "far too much"],
)
async def test_where_nothing_can_be_left_out_it_is_refused_with_the_sizes(
    asker: Asker, messages: list[Json]
) -> None:
    asker.station.windows["north"] = 1000
    asker.station.play("north", [LONG])
    with pytest.raises(ApiError) as caught:
        await asker.ask(messages)
    assert (caught.value.status, caught.value.code) == (400, "context_length_exceeded")
    assert "north/north-model takes 1,000" in caught.value.message
    assert "The request has about" in caught.value.message
    assert len(asker.asked) == 1


async def test_a_summary_that_fails_is_the_end_of_it(asker: Asker) -> None:
    asker.station.play("north", [LONG], *[[failure(SERVER, "north", status=500)]] * 2)
    with pytest.raises(ApiError) as caught:
        await asker.ask(_talk(12))
    assert caught.value.code != "context_length_exceeded"
    assert not any(word.startswith("compacted") for word in asker.receipt.warnings)


async def test_other_failures_are_nobody_s_to_summarise(asker: Asker) -> None:
    asker.station.play("north", [failure(ErrorKind.BAD_REQUEST, "north", status=400)])
    with pytest.raises(ApiError):
        await asker.ask(_talk(12))
    assert len(asker.asked) == 1
