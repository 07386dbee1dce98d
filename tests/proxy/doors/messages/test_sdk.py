"""Anthropic's own client over a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import anthropic
import pytest
from pydantic import BaseModel

from adapters.base import ErrorKind, Finish, Json, Reasoning, Text, ToolCall, Usage
from tests.proxy.doors.messages.kit import Grammar
from tests.proxy.doors.serving.kit import LONG_S, Build, Station
from tests.proxy.kit import failure

HELLO: Any = {
    "model": "claude-x",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "My secret is 4711."}],
}
WEATHER: Any = {"name": "weather", "input_schema": {"type": "object", "properties": {}}}
CALLS: list[Any] = [
    ToolCall(0, "weather", '{"city":"Rome"}', id="functions.weather:0"),
    ToolCall(1, "weather", '{"city":"Oslo"}', id="functions.weather:1"),
    Finish("tool_calls"),
    Usage(7, 9),
]
URL = "/v1/messages"


class Place(BaseModel):
    city: str


@pytest.fixture
def client(station: Station) -> Iterator[anthropic.Anthropic]:
    url = station.host.base_url
    with anthropic.Anthropic(base_url=url, api_key="x", max_retries=0, timeout=LONG_S) as made:
        yield made


def test_an_answer_is_had_whole(station: Station, client: anthropic.Anthropic) -> None:
    raw = client.messages.with_raw_response.create(**HELLO)
    message = raw.parse()

    assert [block.type for block in message.content] == ["text"]
    assert cast(Any, message.content[0]).text == "Hello"
    assert (message.model, message.stop_reason) == ("claude-x", "end_turn")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (3, 2)
    assert raw.headers["x-pointsman-model"] == "toy-1"
    assert message._request_id == raw.headers["x-request-id"]


def test_a_stream_is_one_that_the_client_takes_for_whole(
    station: Station, client: anthropic.Anthropic
) -> None:
    station.north.play([[Reasoning("Hm.")], [Text("Hel"), Text("lo")], CALLS])
    thinking: Any = {"type": "adaptive"}
    with client.messages.stream(**HELLO, tools=[WEATHER], thinking=thinking) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()

    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
    assert [block.type for block in final.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert final.stop_reason == "tool_use" and final.usage.output_tokens == 9
    assert stream.request_id


@pytest.mark.parametrize("stream", [False, True])
def test_a_loop_of_tools_comes_to_its_end(
    station: Station, client: anthropic.Anthropic, stream: bool
) -> None:
    station.north.play([CALLS])
    talk = [*HELLO["messages"]]
    asked = HELLO | {"messages": talk, "tools": [WEATHER]}
    if stream:
        with client.messages.stream(**asked) as events:
            first: Any = events.get_final_message()
    else:
        first = client.messages.create(**asked)
    talk.append({"role": "assistant", "content": first.content})
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": "warm"} for call in first.content
    ]
    talk.append({"role": "user", "content": results})
    last: Any = client.messages.create(**asked)

    assert last.content[0].text == "Hello"
    said = station.north.requests[1].messages
    assert [message["role"] for message in said] == ["user", "assistant", "tool", "tool"]
    assert [message["tool_call_id"] for message in said[2:]] == [call.id for call in CALLS[:2]]


def test_the_runner_of_tools_goes_on_with_the_whole_history(
    station: Station, client: anthropic.Anthropic
) -> None:
    station.north.play([[ToolCall(0, "weather", '{"city":"Rome"}'), Finish("tool_calls")]])

    @anthropic.beta_tool
    def weather(city: str) -> str:
        """The weather of a city."""
        return f"warm in {city}"

    runner: Any = client.beta.messages.tool_runner(**HELLO, tools=[weather])
    final = runner.until_done()

    assert final.content[0].text == "Hello"
    first, second = (request.messages for request in station.north.requests)
    assert second[: len(first)] == first
    assert second[-1]["content"] == "warm in Rome"


def test_an_answer_is_parsed_by_its_schema(station: Station, client: anthropic.Anthropic) -> None:
    station.north.play([[Text('{"city":'), Text('"Rome"}'), Finish("stop")]])
    parsed = client.messages.parse(**HELLO, output_format=Place)

    assert parsed.parsed_output == Place(city="Rome")
    form = station.north.requests[0].response_format
    assert form and form.schema and form.schema["additionalProperties"] is False


def test_tokens_are_counted_without_a_provider(
    station: Station, client: anthropic.Anthropic
) -> None:
    short = client.messages.count_tokens(model="m", messages=HELLO["messages"])
    long = client.messages.count_tokens(
        model="m", messages=HELLO["messages"], system="Be brief. " * 40, tools=[WEATHER]
    )

    assert 0 < short.input_tokens < long.input_tokens - 100
    assert not station.north.requests


def test_a_cache_is_warmed_without_a_provider(
    station: Station, client: anthropic.Anthropic
) -> None:
    asked = HELLO | {"max_tokens": 0}
    with client.messages.stream(**asked) as stream:
        for message in (client.messages.create(**asked), stream.get_final_message()):
            assert (message.content, message.stop_reason) == ([], "max_tokens")
    assert not station.north.requests


def test_models_are_listed_page_by_page(station: Station, client: anthropic.Anthropic) -> None:
    assert "default" in [model.id for model in client.models.list(limit=1)]
    assert client.models.retrieve("default").id == "default"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("absent")


# Failures

KINDS: list[tuple[ErrorKind, type[anthropic.APIStatusError], str]] = [
    (ErrorKind.RATE_LIMIT, anthropic.RateLimitError, "rate_limit_error"),
    (ErrorKind.SERVER, anthropic.InternalServerError, "api_error"),
    (ErrorKind.BAD_REQUEST, anthropic.BadRequestError, "invalid_request_error"),
    (ErrorKind.MODEL_MISSING, anthropic.NotFoundError, "not_found_error"),
    (ErrorKind.TOO_LARGE, anthropic.RequestTooLargeError, "request_too_large"),
    (ErrorKind.CONTEXT, anthropic.BadRequestError, "invalid_request_error"),
]


@pytest.mark.parametrize(("kind", "expected", "type_"), KINDS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_before_the_first_word_is_an_http_error(
    station: Station,
    client: anthropic.Anthropic,
    kind: ErrorKind,
    expected: type[anthropic.APIStatusError],
    type_: str,
    stream: bool,
) -> None:
    for script in (station.north, station.south):
        script.play(*([[failure(kind)]] * 4))
    with pytest.raises(expected) as caught:
        client.messages.create(**HELLO, stream=cast(Any, stream))

    body: Any = caught.value.body
    assert body["type"] == "error" and body["error"]["message"]
    assert body["error"]["type"] == type_ or caught.value.status_code == 529
    assert body["request_id"] == caught.value.request_id


def test_a_failure_on_the_way_is_raised_by_the_client(
    station: Station, client: anthropic.Anthropic
) -> None:
    station.north.play([[Text("Hel")], failure(ErrorKind.BROKEN)])
    with (
        pytest.raises(anthropic.APIStatusError),
        client.messages.stream(**HELLO) as stream,
    ):
        stream.get_final_message()

    station.north.play([[Text("Hel")], failure(ErrorKind.BROKEN)])
    read = Grammar(station.client.post(URL, json=HELLO | {"stream": True}).content)
    assert read.message["content"] == [{"type": "text", "text": "Hel"}]
    assert read.error and read.error["type"] == "api_error"


def test_another_provider_answers_before_the_first_word(
    station: Station, client: anthropic.Anthropic
) -> None:
    station.north.play([failure(ErrorKind.SERVER)], [failure(ErrorKind.SERVER)])
    raw = client.messages.with_raw_response.create(**HELLO)

    assert raw.headers["x-pointsman-provider"] == "south"
    assert cast(Any, raw.parse().content[0]).text == "Hello"


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "type_"),
    [
        ("POST", URL, b"{", 400, "invalid_request_error"),
        ("POST", URL, b"[]", 400, "invalid_request_error"),
        ("POST", f"{URL}?beta=true", b"{}", 400, "invalid_request_error"),
        ("POST", f"{URL}/batches", b"{}", 404, "not_found_error"),
        ("GET", URL, b"", 404, "not_found_error"),
        ("GET", "/v1/files", b"", 404, "not_found_error"),
    ],
)
def test_a_refusal_is_in_the_envelope_of_the_protocol(
    station: Station, method: str, path: str, sent: bytes, status: int, type_: str
) -> None:
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
    answer = station.client.request(method, path, content=sent, headers=headers)

    assert answer.status_code == status
    told: Json = answer.json()
    assert (told["type"], told["error"]["type"]) == ("error", type_)
    assert told["request_id"] == answer.headers["request-id"] == answer.headers["x-request-id"]


def test_the_guard_speaks_the_protocol_too(build: Build) -> None:
    station = build(api_keys="app:key-of-the-app")
    version = {"anthropic-version": "2023-06-01"}
    for path, headers in ((URL, {}), ("/v1/models", version)):
        answer = station.client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "authentication_error"
    with anthropic.Anthropic(base_url=station.host.base_url, api_key="key-of-the-app") as known:
        assert known.messages.create(**HELLO).stop_reason == "end_turn"
    with anthropic.Anthropic(base_url=station.host.base_url, auth_token="key-of-the-app") as known:
        assert known.messages.create(**HELLO).stop_reason == "end_turn"


def test_agents_are_told_to_make_their_talk_shorter(
    station: Station, client: anthropic.Anthropic
) -> None:
    for script in (station.north, station.south):
        script.play([failure(ErrorKind.CONTEXT)])
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(**HELLO)

    assert "prompt is too long: " in caught.value.message
