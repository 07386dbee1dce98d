"""What is kept of responses, for how long, and what clients may do with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import pytest

from adapters.base import ErrorKind, Text
from proxy.doors.responses.in_memory import (
    LONGEST_S,
    MAX_HISTORY_BYTES,
    MAX_OWNERS,
    OwnTurns,
    Turns,
    as_items,
)
from proxy.errors import ApiError
from tests.proxy.doors.responses.kit import Clock
from tests.proxy.doors.serving.kit import Station
from tests.proxy.kit import failure


def put(turns: OwnTurns, name: str, previous: str | None = None, size: int = 10) -> None:
    output = [{"id": f"msg_of_{name}", "type": "message"}]
    turns.put(previous, as_items(f"asked {name}"), {"id": name, "output": output}, size)


def contents(turns: OwnTurns, name: str) -> list[str]:
    return [item.get("content") or item["id"] for item in turns.history(name)]


def test_a_history_is_the_whole_chain_in_order() -> None:
    turns = Turns(Clock()).of("")
    put(turns, "a")
    put(turns, "b", "a")
    put(turns, "c", "a")  # a branch

    assert contents(turns, "b") == ["asked a", "msg_of_a", "asked b", "msg_of_b"]
    assert contents(turns, "c") == ["asked a", "msg_of_a", "asked c", "msg_of_c"]


def test_what_was_used_longest_ago_makes_room() -> None:
    turns = Turns(Clock(), most=25).of("")
    put(turns, "a")
    put(turns, "b")
    assert turns.turn("a")
    put(turns, "c")

    assert [bool(turns.turn(name)) for name in "abc"] == [True, False, True]
    with pytest.raises(ApiError):
        turns.item("", "msg_of_b")
    put(turns, "d", size=26)
    assert turns.turn("d") is None


def test_nothing_is_kept_for_longer_than_a_day() -> None:
    clock = Clock()
    turns = Turns(clock).of("")
    put(turns, "a")
    clock.now += LONGEST_S + 1

    assert turns.turn("a") is None
    with pytest.raises(ApiError, match="Previous response with id 'a' not found"):
        turns.history("a")


def test_nobody_reads_names_or_deletes_what_another_client_was_told() -> None:
    turns = Turns(Clock())
    one, other = turns.of("notes"), turns.of("mail")
    put(one, "a")

    assert other.turn("a") is None
    assert not other.forget("a")
    for ask in (other.history, lambda name: other.item("", f"msg_of_{name}")):
        with pytest.raises(ApiError):
            ask("a")
    assert contents(one, "a") == ["asked a", "msg_of_a"]


def test_who_has_most_makes_room_and_not_others() -> None:
    turns = Turns(Clock(), most=100)
    put(turns.of("quiet"), "q")
    for number in range(50):
        put(turns.of("loud"), f"l{number}")
    assert turns.of("quiet").turn("q")
    assert [bool(turns.of("loud").turn(f"l{at}")) for at in (0, 40, 41, 49)] == [0, 0, 1, 1]

    for number in range(MAX_OWNERS):
        put(turns.of(f"app {number}"), "x", size=0)
    assert turns.of("quiet").turn("q") is None


def test_a_history_has_an_end() -> None:
    turns = Turns(Clock()).of("")
    put(turns, "a", size=MAX_HISTORY_BYTES // 3)
    put(turns, "b", "a", size=MAX_HISTORY_BYTES // 3)
    put(turns, "c", "b", size=MAX_HISTORY_BYTES // 2)

    assert turns.size_of_history("b") == MAX_HISTORY_BYTES // 3 * 2
    with pytest.raises(ApiError, match="MiB"):
        turns.history("c")


def test_what_names_an_item_is_none_that_could_be_named() -> None:
    turns = Turns(Clock()).of("")
    given = as_items([{"id": "me", "type": "item_reference"}, {"id": ["odd"], "role": "user"}])
    turns.put(None, given, {"id": "a", "output": []}, 10)

    with pytest.raises(ApiError):
        turns.item("", "me")
    assert turns.item("", given[1]["id"]) == given[1]


# By the client of OpenAI


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_goes_on_by_its_id_at_another_provider(
    station: Station, stream: bool
) -> None:
    sdk = station.sdk.responses
    if stream:
        with sdk.stream(model="m", input="One", instructions="Be brief.") as events:
            first: Any = events.get_final_response()
    else:
        first = sdk.create(model="m", input="One", instructions="Be brief.")
    second = sdk.create(model="south/m", input="Two", previous_response_id=first.id)

    assert (first.store, second.previous_response_id) == (True, first.id)
    assert station.south.requests[-1].messages == [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Two"},
    ]


def test_an_item_may_be_named_in_place_of_being_sent(station: Station) -> None:
    first = station.sdk.responses.create(model="m", input="One")
    given: Any = [
        {"role": "user", "content": "One"},
        {"type": "item_reference", "id": first.output[0].id},
        {"role": "user", "content": "Two"},
    ]
    station.sdk.responses.create(model="m", input=given)
    roles = [message["role"] for message in station.north.requests[-1].messages]

    assert roles == ["user", "assistant", "user"]


def test_who_sends_the_whole_history_besides_is_not_heard_twice(station: Station) -> None:
    first = station.sdk.responses.create(model="m", input="One")
    again: Any = [item.model_dump(exclude_none=True) for item in first.output]
    again.append({"role": "user", "content": "Two"})
    station.sdk.responses.create(model="m", input=again, previous_response_id=first.id)

    contents = [message["content"] for message in station.north.requests[-1].messages]
    assert contents == ["One", "Hello", "Two"]


def test_what_is_kept_can_be_read_and_deleted(station: Station) -> None:
    sdk = station.sdk.responses
    first = sdk.create(model="m", input="One")
    second = sdk.create(model="m", input="Two", previous_response_id=first.id)

    assert sdk.retrieve(second.id).output_text == "Hello"
    listed: Any = sdk.input_items.list(second.id, order="asc").data
    assert [item.id for item in listed][1] == first.output[0].id
    newest: Any = sdk.input_items.list(second.id, limit=1)
    assert newest.data[0].content[0].text == "Two" and newest.has_more
    sdk.delete(second.id)
    for call in (sdk.retrieve, sdk.delete, sdk.input_items.list):
        gone: Callable[[str], Any] = call
        with pytest.raises(openai.NotFoundError):
            gone(second.id)


def test_what_was_not_to_be_kept_is_not(station: Station, build: Any) -> None:
    first = station.sdk.responses.create(model="m", input="One", store=False)
    assert first.store is False
    with pytest.raises(openai.NotFoundError):
        station.sdk.responses.retrieve(first.id)
    station.north.play([[Text("Hel")], failure(ErrorKind.BROKEN)])
    with pytest.raises(openai.APIError):
        list(station.sdk.responses.create(model="m", input="Hi", stream=True))


def test_where_nothing_is_kept_the_answer_says_so(build: Any) -> None:
    station = build(responses_store="off")
    first = station.sdk.responses.create(model="m", input="One")

    assert first.store is False
    with pytest.raises(openai.BadRequestError) as caught:
        station.sdk.responses.create(model="m", input="Two", previous_response_id=first.id)
    assert caught.value.code == "previous_response_not_found"


def test_tokens_of_an_input_are_guessed_without_asking_anyone(station: Station) -> None:
    counted = station.sdk.responses.input_tokens.count(model="m", input="12345678")

    assert counted.input_tokens == 2
    assert station.north.requests == []
