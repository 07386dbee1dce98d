"""OpenAI's own client over a real server: it checks of a stream what it can."""

from __future__ import annotations

import json
from typing import Any, cast

import openai
import pytest
from pydantic import BaseModel

from adapters.base import ErrorKind, Finish, Reasoning, Start, Text, ToolCall, Usage
from tests.proxy.doors.responses.kit import KEYS, Grammar
from tests.proxy.doors.serving.kit import Station, error_of
from tests.proxy.kit import failure

WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}
CALLS: list[Any] = [
    ToolCall(0, "weather", '{"city":"Rome"}', id="call_a"),
    ToolCall(1, "weather", '{"city":"Oslo"}', id="call_b"),
    Finish("tool_calls"),
    Usage(7, 9),
]


class Place(BaseModel):
    city: str


def test_an_answer_is_had_whole(station: Station) -> None:
    response = station.sdk.responses.create(model="gpt-5", input="Hi")

    assert (response.output_text, response.status, response.model) == (
        "Hello",
        "completed",
        "toy-1",
    )
    assert response.usage and response.usage.total_tokens == 5
    assert set(response.model_dump()) >= KEYS


def test_a_stream_is_one_that_the_client_takes_for_whole(station: Station) -> None:
    thought = [[Start(model="toy-1")], [Reasoning("Hm.")], [Text("Hel"), Text("lo")], CALLS]
    station.north.play(thought)
    with station.sdk.responses.stream(model="m", input="Hi", tools=[WEATHER]) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()

    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    assert [item.type for item in final.output] == [
        *("reasoning", "message", "function_call", "function_call")
    ]
    assert final.output_text == "Hello"


def test_an_answer_is_parsed_by_its_schema(station: Station) -> None:
    station.north.play([[Text('{"city":'), Text('"Rome"}'), Finish("stop")]])
    parsed = station.sdk.responses.parse(model="m", input="Where?", text_format=Place)

    assert parsed.output_parsed == Place(city="Rome")
    form = station.north.requests[0].response_format
    assert (
        form
        and form.schema
        and form.schema["properties"] == {"city": {"title": "City", "type": "string"}}
    )


@pytest.mark.parametrize("stream", [False, True])
def test_a_loop_of_tools_comes_to_its_end(station: Station, stream: bool) -> None:
    station.north.play([CALLS])
    talk: list[Any] = [{"role": "user", "content": "Weather?"}]
    if stream:
        with station.sdk.responses.stream(model="m", input=talk, tools=[WEATHER]) as events:
            first: Any = events.get_final_response()
    else:
        first = station.sdk.responses.create(model="m", input=talk, tools=[WEATHER])
    talk += [item.model_dump(exclude_none=True) for item in first.output]
    for call in first.output:
        assert json.loads(call.arguments)["city"] in ("Rome", "Oslo")
        talk.append({"type": "function_call_output", "call_id": call.call_id, "output": "warm"})
    last = station.sdk.responses.create(model="m", input=talk, tools=[WEATHER])

    assert last.output_text == "Hello"
    roles = [message["role"] for message in station.north.requests[1].messages]
    assert roles == ["user", "assistant", "tool", "tool"]


def test_a_failure_before_the_first_word_is_an_http_error(station: Station) -> None:
    for script in (station.north, station.south):
        script.play(*([[failure(ErrorKind.SERVER)]] * 4))
    for stream in (False, True):
        with pytest.raises(openai.APIStatusError) as caught:
            station.sdk.responses.create(model="m", input="Hi", stream=cast(Any, stream))
        assert caught.value.status_code in (502, 503)


def test_a_failure_on_the_way_is_raised_by_the_client(station: Station) -> None:
    station.north.play([[Text("Hel")], failure(ErrorKind.BROKEN)])
    raw = station.client.post("/v1/responses", json={"model": "m", "input": "a", "stream": True})
    read = Grammar(raw.content)
    assert read.errors and read.response["status"] == "failed"

    station.north.play([[Text("Hel")], failure(ErrorKind.BROKEN)])
    with pytest.raises(openai.APIError):
        list(station.sdk.responses.create(model="m", input="Hi", stream=True))


def test_wrong_requests_are_refused_as_openai_refuses_them(station: Station) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        station.sdk.responses.create(model="m", previous_response_id="resp_1", input="Hi")

    assert (caught.value.code, caught.value.param) == (
        "previous_response_not_found",
        "previous_response_id",
    )


def test_it_is_served_where_groqs_clients_look_for_it(station: Station) -> None:
    answer = station.client.post("/openai/v1/responses", json={"model": "m", "input": "Hi"})

    assert answer.json()["object"] == "response"
    assert answer.headers["x-pointsman-provider"] == "north"


@pytest.mark.parametrize("base", ["/v1", "/openai/v1"])
def test_what_only_a_response_in_the_background_has_is_refused(station: Station, base: str) -> None:
    made = station.sdk.responses.create(model="m", input="Hi").id
    there, gone = f"{base}/responses/{made}", f"{base}/responses/resp_1"
    for method, path, status in (
        ("POST", f"{there}/cancel", 400),
        ("POST", f"{gone}/cancel", 404),
        ("GET", f"{there}?stream=true", 400),
        ("GET", f"{gone}?stream=true", 404),
        ("GET", f"{there}?stream=false", 200),
    ):
        answer = station.client.request(method, path, json={} if method == "POST" else None)
        assert answer.status_code == status, path
        if status == 400:
            assert error_of(answer)["type"] == "invalid_request_error"


@pytest.mark.parametrize("stream", [False, True])
def test_the_place_of_a_file_that_cannot_be_fetched_is_the_clients_own(
    station: Station, stream: bool
) -> None:
    file = {"type": "input_file", "file_url": "http://10.0.0.1/a.pdf"}
    said = {"role": "user", "content": [{"type": "input_text", "text": "Well?"}]}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": [file]}
    for items, param in (
        ([said, said | {"content": [*said["content"], file]}], "input[1].content[1].file_url"),
        ([said, call, output, said], "input[2].output[0].file_url"),
    ):
        with pytest.raises(openai.BadRequestError) as caught:
            station.sdk.responses.create(
                model="m", instructions="Be.", input=cast(Any, items), stream=cast(Any, stream)
            )
        assert (caught.value.code, caught.value.param) == ("invalid_file_url", param)
