"""Conversations that are kept by their own ids, and long ones made short."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from adapters.base import ErrorKind, Finish, Text, ToolCall
from proxy.doors.responses.in_memory import MAX_BYTES, Turns, sized
from proxy.errors import ApiError
from tests.proxy.doors.responses.kit import Clock
from tests.proxy.doors.serving.kit import Station
from tests.proxy.kit import failure

CALL = [ToolCall(0, "weather", '{"city":"Rome"}', id="call_a"), Finish("tool_calls")]


def test_a_conversation_goes_on_by_its_id(station: Station) -> None:
    sdk = station.sdk
    talk = sdk.conversations.create(
        items=[{"role": "user", "content": "I am Ann"}], metadata={"a": "b"}
    )
    station.north.play([CALL])
    first = sdk.responses.create(model="m", conversation=talk.id, input="Weather?")
    call: Any = first.output[0]
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "warm"}
    with sdk.responses.stream(model="m", conversation={"id": talk.id}, input=[result]) as stream:
        last = stream.get_final_response()

    assert (first.conversation and first.conversation.id) == talk.id
    assert last.output_text == "Hello"
    messages = station.north.requests[1].messages
    assert [m["role"] for m in messages] == ["user", "user", "assistant", "tool"]
    kinds = [item.type for item in sdk.conversations.items.list(talk.id, order="asc")]
    assert kinds == ["message", "message", "function_call", "function_call_output", "message"]
    assert sdk.conversations.retrieve(talk.id).metadata == {"a": "b"}


def test_its_items_are_listed_added_and_deleted(station: Station) -> None:
    sdk = station.sdk
    talk = sdk.conversations.create()
    said: list[Any] = [{"role": "user", "content": f"{i}"} for i in range(5)]
    added = sdk.conversations.items.create(talk.id, items=said)
    newest: Any = sdk.conversations.items.list(talk.id, limit=2)
    first: Any = sdk.conversations.items.retrieve(added.data[0].id or "", conversation_id=talk.id)
    assert [item.content[0].text for item in newest] == ["4", "3", "2", "1", "0"]
    assert first.content[0].text == "0"

    sdk.conversations.items.delete(first.id, conversation_id=talk.id)
    assert len(list(sdk.conversations.items.list(talk.id))) == 4
    assert sdk.conversations.update(talk.id, metadata={"x": "y"}).metadata == {"x": "y"}
    assert sdk.conversations.delete(talk.id).deleted
    with pytest.raises(openai.NotFoundError):
        sdk.conversations.retrieve(talk.id)


def test_what_fails_or_is_not_to_be_kept_is_not_added(station: Station) -> None:
    sdk = station.sdk
    talk = sdk.conversations.create()
    sdk.responses.create(model="m", conversation=talk.id, input="a", store=False)
    station.north.play([[Text("Hel")], failure(ErrorKind.BROKEN)])
    with pytest.raises(openai.APIError):
        list(sdk.responses.create(model="m", conversation=talk.id, input="b", stream=True))

    assert not list(sdk.conversations.items.list(talk.id))


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/conversations", {"items": "a"}, 400, "items"),
        ("/conversations", {"items": [1]}, 400, "items[0]"),
        ("/conversations", {"items": [{"type": "odd"}]}, 400, "items[0].type"),
        ("/conversations", {"items": [{"type": "item_reference", "id": "msg_1"}]}, 404, "input"),
        ("/conversations", {"metadata": {"a": 1}}, 400, "metadata.a"),
        ("/conversations/conv_1", {"metadata": {}}, 404, "conversation"),
        ("/conversations/conv_1/items", {"items": []}, 404, "conversation"),
        ("/responses", {"model": "m", "conversation": "conv_1", "input": "a"}, 404, "conversation"),
        ("/responses", {"model": "m", "conversation": 5, "input": "a"}, 400, "conversation"),
        (
            "/responses",
            {"model": "m", "conversation": "c", "previous_response_id": "r", "input": "a"},
            400,
            "conversation",
        ),
        ("/responses/compact", {"input": "a"}, 400, "model"),
        ("/responses/compact", {"model": "m"}, 400, "input"),
    ],
)
def test_what_is_wrong_is_named(
    station: Station, path: str, body: Any, status: int, param: str
) -> None:
    answer = station.client.post(f"/v1{path}", json=body)

    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)


def test_a_conversation_is_its_owners_and_makes_room_as_turns_do() -> None:
    turns = Turns(Clock(), now=lambda: 7.0, most=1000)
    ann, bob = turns.of("ann"), turns.of("bob")
    one = {"id": "msg_1", "content": "a"}
    talk = ann.begin({}, [one], sized(one))
    assert talk.created_at == 7
    assert not bob.forget(talk.id)
    size = talk.size
    ann.go_on(talk.id, [one | {"id": "msg_2"}], sized(one))
    ann.take_out(talk.id, "msg_2")
    talk = ann.talk(talk.id)
    assert (talk.size, list(talk.items)) == (size, ["msg_1"])
    ann.go_on(talk.id, [one | {"id": "msg_3"}], 1000)
    assert not ann.forget(talk.id)
    ann.go_on(talk.id, [one | {"id": "msg_4"}], sized(one))
    assert not ann.forget(talk.id)


def test_a_conversation_lives_a_day_after_its_last_word() -> None:
    clock = Clock()
    own = Turns(clock, most=MAX_BYTES).of("")
    talk = own.begin({}, [])
    clock.now += 23 * 3600
    own.go_on(talk.id, [{"id": "msg_1"}], 1)
    clock.now += 23 * 3600
    assert own.talk(talk.id).items
    clock.now += 2 * 3600
    with pytest.raises(ApiError, match="not found"):
        own.talk(talk.id)


def test_a_long_conversation_is_made_short(station: Station) -> None:
    sdk = station.sdk
    station.north.play([[Text("Ann asked "), Text("of Rome."), Finish("stop")]])
    said: list[Any] = [
        {"role": "user", "content": "Rome?"},
        {"role": "assistant", "content": "In Italy."},
    ]
    short = sdk.responses.compact(model="m", input=said)
    assert [item.type for item in short.output] == ["message", "compaction"]
    assert short.object == "response.compaction"
    asked = station.north.requests[0].messages
    assert [m["role"] for m in asked] == ["user", "assistant", "user"]

    again: list[Any] = [item.model_dump(exclude_none=True, warnings=False) for item in short.output]
    sdk.responses.create(model="m", input=[*again, {"role": "user", "content": "Go on"}])
    [user, summary, last] = station.north.requests[1].messages
    assert (user["role"], summary["role"], last["content"]) == ("user", "system", "Go on")
    assert "Ann asked of Rome." in summary["content"]


def test_a_trigger_at_the_end_asks_for_the_summary_in_place_of_an_answer(
    station: Station,
) -> None:
    sdk = station.sdk
    tool: Any = {"type": "function", "name": "look", "parameters": {"type": "object"}}
    said: list[Any] = [{"role": "user", "content": "Rome?"}, {"type": "compaction_trigger"}]
    for stream in (False, True):
        station.north.play([[Text("Ann asked "), Text("of Rome."), Finish("stop")]])
        given: Any = {"model": "m", "input": said, "tools": [tool], "stream": stream}
        made: Any = sdk.responses.create(**given)
        response = [*made][-1].response if stream else made
        [item] = response.output
        assert (response.status, item.type) == ("completed", "compaction")
        asked = station.north.requests[-1]
        assert len(asked.messages) == 2 and not asked.tools

        sdk.responses.create(model="m", previous_response_id=response.id, input="Go on")
        told = [m["content"] for m in station.north.requests[-1].messages]
        assert (told[0], told[-1]) == ("Rome?", "Go on") and "Ann asked of Rome." in told[1]


def test_a_conversation_by_ids_is_made_short_with_all_of_it(station: Station) -> None:
    sdk = station.sdk
    first = sdk.responses.create(model="m", input="One")
    sdk.responses.compact(model="m", previous_response_id=first.id)

    contents = [m["content"] for m in station.north.requests[1].messages]
    assert contents[:2] == ["One", "Hello"] and len(contents) == 3
