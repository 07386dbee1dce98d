"""Ollama's own client over a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import ollama
import pytest
from pydantic import BaseModel

from adapters.base import ErrorKind, Finish, Reasoning, Start, Text, ToolCall, Usage, Warn
from tests.proxy.doors.ollama.kit import PNG
from tests.proxy.doors.serving.kit import LONG_S, Station
from tests.proxy.kit import HANG, failure

CALLS: list[Any] = [
    ToolCall(0, "weather", '{"city":"Rome"}'),
    ToolCall(1, "weather", '{"city":"Oslo"}'),
    Finish("tool_calls"),
    Usage(7, 9),
]
THOUGHT: list[Any] = [[Start(model="toy-1")], [Reasoning("Hm.")], [Text("Hel"), Text("lo")], CALLS]
USER = {"role": "user", "content": "Weather?"}


class Place(BaseModel):
    city: str


def weather(city: str) -> str:
    """Tells the weather."""
    return f"warm in {city}"


@pytest.fixture
def client(station: Station) -> Iterator[ollama.Client]:
    with ollama.Client(station.host.base_url, trust_env=False, timeout=LONG_S) as made:
        yield made


def test_an_answer_is_had_whole(client: ollama.Client, station: Station) -> None:
    answer = client.chat("llama3.2:latest", [USER])

    assert (answer.message.content, answer.model, answer.done) == ("Hello", "llama3.2:latest", True)
    assert (answer.done_reason, answer.prompt_eval_count, answer.eval_count) == ("stop", 3, 2)
    assert answer.eval_duration and answer.total_duration
    assert station.north.requests[0].stream is False


def test_a_prompt_is_answered(client: ollama.Client) -> None:
    first = client.generate("llama3.2", "Hi", system="Be short.", images=[PNG])
    assert (first.response, first.done_reason) == ("Hello", "stop")

    pieces = list(client.generate("llama3.2", "Again", context=first.context, stream=True))
    assert [piece.response for piece in pieces] == ["Hel", "lo", ""]
    assert pieces[-1].context and not pieces[0].context


def test_what_was_said_before_is_asked_along(client: ollama.Client, station: Station) -> None:
    first = client.generate("m", "My cat is Tom.")
    client.generate("m", "Who is it?", context=first.context)

    said = [message["content"] for message in station.north.requests[1].messages]
    assert said == ["My cat is Tom.", "Hello", "Who is it?"]


def test_a_stream_is_told_line_by_line(client: ollama.Client, station: Station) -> None:
    station.north.play(THOUGHT)
    pieces = list(client.chat("m", [USER], stream=True, think=True, tools=[weather]))

    assert "".join(piece.message.thinking or "" for piece in pieces) == "Hm."
    assert "".join(piece.message.content or "" for piece in pieces) == "Hello"
    calls = [call.function for piece in pieces for call in piece.message.tool_calls or ()]
    assert [call.arguments["city"] for call in calls] == ["Rome", "Oslo"]
    assert [piece.done for piece in pieces].count(True) == 1 and pieces[-1].done
    assert pieces[-1].eval_count == 9


@pytest.mark.parametrize("stream", [False, True])
def test_a_loop_of_tools_comes_to_its_end(
    client: ollama.Client, station: Station, stream: bool
) -> None:
    """The client drops the ids of calls both ways: names and places must do."""
    station.north.play([CALLS])
    talk: list[Any] = [USER]
    answer: Any = client.chat("m", talk, tools=[weather], stream=stream)
    talk += [piece.message for piece in (answer if stream else [answer])]
    calls = [call for message in talk[1:] for call in message.tool_calls or ()]
    for call in calls:
        words = weather(**call.function.arguments)
        talk.append({"role": "tool", "tool_name": call.function.name, "content": words})
    last = client.chat("m", talk)

    assert last.message.content == "Hello"
    said = station.north.requests[1].messages
    made = {
        call["id"]: json.loads(call["function"]["arguments"])["city"]
        for message in said
        for call in message.get("tool_calls", ())
    }
    results = {made[m["tool_call_id"]]: m["content"] for m in said if m["role"] == "tool"}
    assert results == {"Rome": "warm in Rome", "Oslo": "warm in Oslo"}


def test_an_answer_is_read_by_its_schema(client: ollama.Client, station: Station) -> None:
    station.north.play([[Text('{"city":'), Text('"Rome"}'), Finish("stop")]])
    answer = client.chat("m", [USER], format=Place.model_json_schema())

    assert Place.model_validate_json(answer.message.content or "") == Place(city="Rome")
    form = station.north.requests[0].response_format
    assert form and form.schema and form.schema["required"] == ["city"]


def test_an_image_is_sent_on(client: ollama.Client, station: Station) -> None:
    client.chat("m", [{"role": "user", "content": "See", "images": [PNG]}])

    [message] = station.north.requests[0].messages
    assert message["content"][1]["image_url"]["url"] == f"data:image/png;base64,{PNG}"


def test_a_failure_before_the_first_word_is_a_status(
    client: ollama.Client, station: Station
) -> None:
    for script in (station.north, station.south):
        script.play(*([[failure(ErrorKind.SERVER)]] * 4))
    for stream in (False, True):
        with pytest.raises(ollama.ResponseError) as caught:
            list(client.chat("m", [USER], stream=stream))
        assert caught.value.status_code in (502, 503)
        assert "failed with" in caught.value.error


def test_who_fails_before_the_first_word_is_passed_by(station: Station) -> None:
    station.north.play([failure(ErrorKind.RATE_LIMIT, "north", status=429, retry_after_s=5)])
    station.south.play([[Warn("dropped=seed"), Start(model="s-2")], [Text("Hi"), Finish("stop")]])
    answer = station.client.post("/api/chat", json={"model": "m", "messages": [USER]})

    headers = answer.headers
    assert headers["x-pointsman-attempts"] == "north:429,south:200"
    assert headers["x-pointsman-model"] == "s-2"
    assert headers["x-pointsman-warnings"] == "unknown_model=m; dropped=seed"
    assert headers["content-type"] == "application/x-ndjson"
    assert json.loads(answer.text.splitlines()[-1])["model"] == "m"


def test_a_failure_on_the_way_is_raised_by_the_client(
    client: ollama.Client, station: Station
) -> None:
    station.north.play([[Text("Hel")], failure(ErrorKind.BROKEN)])
    pieces = client.chat("m", [USER], stream=True)

    assert next(pieces).message.content == "Hel"
    with pytest.raises(ollama.ResponseError, match="failed with broken"):
        next(pieces)


def test_who_hangs_up_stops_the_provider(client: ollama.Client, station: Station) -> None:
    station.north.play([[Text("Hel")], HANG])
    for _ in client.chat("m", [USER], stream=True):
        break

    assert station.north.ended.wait(LONG_S)


def test_refusals_are_in_the_words_of_the_door(client: ollama.Client, station: Station) -> None:
    with pytest.raises(ollama.ResponseError) as caught:
        client.chat("../m", [USER])
    assert (caught.value.error, caught.value.status_code) == ("model '../m' not found", 404)
    with pytest.raises(ollama.ResponseError) as caught:
        client._request_raw("GET", "/api/experimental/x")
    assert (caught.value.error, caught.value.status_code) == ("404 page not found", 404)
    guarded = station.client.post("/api/chat", headers={"host": "evil.example"}, json={})
    assert (guarded.status_code, list(guarded.json())) == (403, ["error"])


def test_a_model_is_loaded_without_a_word_to_anyone(
    client: ollama.Client, station: Station
) -> None:
    for answer in (client.chat("m"), client.generate("m"), client.generate("m", keep_alive=0)):
        assert answer.done_reason in ("load", "unload")
    assert station.north.requests == []


def test_the_lack_of_a_model_is_told_by_its_name(client: ollama.Client, station: Station) -> None:
    for script in (station.north, station.south):
        script.play(*([[failure(ErrorKind.MODEL_MISSING)]] * 2))
    for ask in (client.chat, client.generate):
        with pytest.raises(ollama.ResponseError) as caught:
            ask(
                "north/gone:7b",
                **({"prompt": "a"} if ask == client.generate else {"messages": [USER]}),
            )
        assert caught.value.status_code == 404
        assert caught.value.error.startswith("model 'north/gone:7b' not found: ")


def test_a_wrong_flag_is_named(station: Station) -> None:
    for name in ("truncate", "shift"):
        body = {"model": "m", "messages": [USER], name: "yes"}
        assert name in station.client.post("/api/chat", json=body).json()["error"]
