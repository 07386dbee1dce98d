"""Google's own client over a real server, and what of a request is seen besides its answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from adapters.base import ErrorKind, Finish, Reasoning, Start, Text, ToolCall, Usage
from tests.proxy.doors.gemini.kit import HELLO
from tests.proxy.doors.serving.kit import Build, Station
from tests.proxy.kit import HANG, failure

CALLS: list[Any] = [
    ToolCall(0, "weather", '{"city":"Rome"}', id="a"),
    ToolCall(1, "weather", '{"city":"Oslo"}'),
    Finish("tool_calls"),
    Usage(7, 9),
]
PLAIN = "/v1beta/models/m:generateContent"
STREAM = "/v1beta/models/m:streamGenerateContent"


def weather(city: str) -> str:
    """How the weather is."""
    return f"warm in {city}"


@pytest.fixture
def client(station: Station) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=station.host.base_url)
    with genai.Client(api_key="app-test", http_options=options) as made:
        yield made


def _error(response: Any) -> Any:
    assert response.headers["content-type"] == "application/json; charset=UTF-8"
    assert "x-request-id" in response.headers
    return response.json()["error"]


def test_an_answer_is_had_whole_and_in_pieces(client: genai.Client) -> None:
    whole = client.models.generate_content(model="m", contents="Hi")
    *_, last = pieces = list(client.models.generate_content_stream(model="m", contents="Hi"))

    assert (whole.text, whole.model_version) == ("Hello", "toy-1")
    assert whole.response_id
    assert "".join(piece.text or "" for piece in pieces) == "Hello"
    for answer in (whole, last):
        assert answer.usage_metadata and answer.usage_metadata.total_token_count == 5
        assert answer.candidates and answer.candidates[0].finish_reason == types.FinishReason.STOP


@pytest.mark.parametrize("stream", [False, True])
def test_a_loop_of_tools_comes_to_its_end(
    client: genai.Client, station: Station, stream: bool
) -> None:
    station.north.play([CALLS])
    chat = client.chats.create(model="m", config={"tools": [weather]})
    if stream:
        text = "".join(piece.text or "" for piece in chat.send_message_stream("Weather?"))
    else:
        text = chat.send_message("Weather?").text or ""
    assert chat.send_message("Thanks").text == text == "Hello"

    roles = [message["role"] for message in station.north.requests[1].messages]
    assert roles == ["user", "assistant", "tool", "tool"]
    told = [message["content"] for message in station.north.requests[2].messages[2:4]]
    assert told == ["warm in Rome", "warm in Oslo"]
    [tool] = station.north.requests[0].tools
    assert tool["function"]["parameters"]["properties"] == {"city": {"type": "string"}}


def test_thoughts_come_to_who_asks(client: genai.Client, station: Station) -> None:
    station.north.play(*[[[Start(), Reasoning("Hm."), Text("42"), Finish("stop")]]] * 2)
    config: Any = {"thinking_config": {"include_thoughts": True}}
    shown = client.models.generate_content(model="m", contents="Hi", config=config)
    hidden = client.models.generate_content(model="m", contents="Hi")

    parts = [[(part.text, part.thought) for part in one.candidates[0].content.parts]
             for one in (shown, hidden)]  # type: ignore[index, union-attr]  # fmt: skip
    assert parts == [[("Hm.", True), ("42", None)], [("42", None)]]


def test_models_are_listed_in_its_form(client: genai.Client, station: Station) -> None:
    names = {model.name for model in client.models.list(config={"page_size": 1})}
    assert "models/default" in names
    assert client.models.get(model="default").name == "models/default"
    with pytest.raises(errors.ClientError) as caught:
        client.models.get(model="nobody")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
    openai = station.client.get("/v1/models").json()
    assert openai["object"] == "list"


def test_tokens_are_guessed_without_asking_anybody(client: genai.Client, station: Station) -> None:
    counted = client.models.count_tokens(
        model="m", contents="Eight words are about as many tokens."
    )
    request = {"generateContentRequest": {"model": "models/m", **HELLO}}
    whole = station.client.post("/v1beta/models/m:countTokens", json=request).json()

    assert counted.total_tokens and 8 <= counted.total_tokens <= 12
    assert whole["totalTokens"] == 1
    assert station.north.requests == []


def test_what_is_wrong_in_a_whole_request_is_named_from_the_top(station: Station) -> None:
    for wrong, field in (
        ({"generationConfig": {"topP": True}}, "generationConfig.topP"),
        ({"contents": []}, "contents"),
    ):
        for path, body in ((field, {**HELLO, **wrong}),
                           (f"generateContentRequest.{field}",
                            {"generateContentRequest": {**HELLO, **wrong}})):  # fmt: skip
            answer = station.client.post("/v1beta/models/m:countTokens", json=body)
            error = answer.json()["error"]
            [violation] = error["details"][0]["fieldViolations"]
            assert (answer.status_code, violation["field"]) == (400, path)
            assert f"'{field}'" not in error["message"] or path == field


def test_failures_are_raised_by_the_client(client: genai.Client, station: Station) -> None:
    for script in (station.north, station.south):
        script.play(*([[failure(ErrorKind.RATE_LIMIT)]] * 2))
    for ask in (client.models.generate_content, client.models.generate_content_stream):
        with pytest.raises(errors.ClientError) as caught:
            list(ask(model="m", contents="Hi"))  # type: ignore[operator]
        assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
        kinds = {one["@type"] for one in caught.value.details["error"]["details"]}
        assert kinds >= {"type.googleapis.com/google.rpc.RetryInfo"}


def test_the_lack_of_a_model_is_told_as_google_tells_it(
    client: genai.Client, station: Station
) -> None:
    station.north.play([failure(ErrorKind.MODEL_MISSING)])
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="north/gone", contents="Hi")

    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
    assert str(caught.value.message).startswith("models/north/gone is not found for API version")


def test_who_fails_before_the_first_word_is_passed_over(station: Station) -> None:
    station.north.play([failure(ErrorKind.SERVER)])
    response = station.client.post(STREAM, params={"alt": "sse"}, json=HELLO)

    assert response.headers["x-pointsman-provider"] == "south"
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    texts = [json.loads(line[6:]) for line in response.text.split("\r\n\r\n") if line]
    assert texts[-1]["candidates"][0]["finishReason"] == "STOP"


def test_who_fails_on_the_way_is_heard_of(client: genai.Client, station: Station) -> None:
    broken = ([Text("Hel")], failure(ErrorKind.BROKEN, "north"))
    station.north.play(broken, broken)
    with pytest.raises(errors.APIError, match="failed with broken") as caught:
        list(client.models.generate_content_stream(model="m", contents="Hi"))
    assert caught.value.code == 502
    array = station.client.post(STREAM, json=HELLO)
    assert array.headers["content-type"] == "application/json; charset=UTF-8"
    first, last = array.json()
    assert first["candidates"] and last["error"]["status"] == "INTERNAL"


def test_who_leaves_stops_the_provider(station: Station) -> None:
    station.north.play(([Text("Hel")], HANG))
    with station.client.stream("POST", f"{STREAM}?alt=sse", json=HELLO) as response:
        next(response.iter_lines())
    assert station.north.ended.wait(5)


def test_time_runs_out_here_as_everywhere(build: Build) -> None:
    for longest_s, headers in ((0.2, {}), (60, {"x-server-timeout": "0.2"})):
        station = build(deadline_s=longest_s, fallback="north")
        station.north.play((HANG,))
        path = "/v1beta/models/north:generateContent"
        late = station.client.post(path, json=HELLO, headers=headers)
        assert late.status_code == 504
        assert _error(late)["status"] == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", PLAIN, {"host": "evil.example"}, 403),
        ("POST", PLAIN, {"content-type": "text/plain"}, 400),
        ("POST", PLAIN, {}, 400),
        ("GET", PLAIN, {}, 404),
        ("POST", "/v1beta/models/m:predict", {}, 501),
        ("POST", "/v1/models/m:predict", {}, 501),
        ("GET", "/v1beta/files/x", {}, 404),
        ("POST", "/v1beta/cachedContents", {}, 404),
        ("GET", "/v1beta/models/nobody", {}, 404),
    ],
)
def test_who_refuses_does_so_in_its_envelope(
    method: str, path: str, headers: dict[str, str], status: int, station: Station
) -> None:
    headers = {"content-type": "application/json", **headers}
    response = station.client.request(method, path, headers=headers, content=b"{")

    assert response.status_code == status == _error(response)["code"]


def test_a_key_may_come_in_any_way_and_is_never_told(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    station = build(api_keys="one:s3cret-key")
    with caplog.at_level(logging.DEBUG):
        asked = [
            station.client.post(PLAIN, json=HELLO, headers={"x-goog-api-key": "s3cret-key"}),
            station.client.post(PLAIN, json=HELLO, params={"key": "s3cret-key"}),
            station.client.post(f"{PLAIN}x", json={}, params={"key": "s3cret-key"}),
            station.client.post(PLAIN, json=HELLO, params={"key": "wrong-s3cret"}),
            station.client.post(PLAIN, json=HELLO, headers={"x-goog-api-key": ""}),
        ]
    assert [response.status_code for response in asked] == [200, 200, 501, 401, 401]
    assert _error(asked[-1])["details"][0]["reason"] == "API_KEY_INVALID"
    logged = [one.getMessage() for one in caplog.records if one.name.startswith("pointsman")]
    assert len(logged) >= 2
    assert "s3cret" not in "".join([*logged, *(response.text for response in asked)])


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1beta/models/north/a/b:8b", "a/b:8b"),
        ("/v1/models/north%2Fa:latest", "a:latest"),
        ("/v1beta/north/a", "a"),
        ("/v1/models/north:a", "a"),
    ],
)
def test_any_name_of_a_model_may_stand_in_the_path(path: str, model: str, station: Station) -> None:
    response = station.client.post(f"{path}:generateContent", json=HELLO)

    assert response.status_code == 200
    assert [request.model for request in station.north.requests] == [model]
