"""POST /v1/chat/completions over a real server: what clients see, whatever happens behind it."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from adapters.base import Capabilities, ErrorKind, Finish, Model, Start, Text, ToolCall, Usage, Warn
from proxy import body
from tests.proxy.kit import HANG, Script, adapter_class, failure
from tests.proxy.serving import Host, app_over

PATH = "/v1/chat/completions"
HELLO = {"model": "gpt-4o", "messages": [{"role": "user", "content": "My secret is 4711."}]}
STREAM = HELLO | {"stream": True}
LONG_S = 5.0
"""Longer than anything here takes; only a test that fails waits for it."""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host().running() as running:
        yield running


class Station:
    """The application over two scripted providers, `north` preferred."""

    def __init__(self, host: Host, north: Script, south: Script) -> None:
        self.host = host
        self.north = north
        self.south = south
        self.client = httpx.Client(base_url=host.base_url, trust_env=False, timeout=LONG_S)
        self.sdk = openai.OpenAI(
            base_url=f"{host.base_url}/v1", api_key="x", max_retries=0, timeout=LONG_S
        )

    def post(self, data: Any = None, **more: Any) -> httpx.Response:
        return self.client.post(PATH, json=HELLO if data is None else data, **more)

    def events(self, data: Any = None) -> list[Any]:
        """What the events of a stream hold; `[DONE]` as text."""
        response = self.post(STREAM if data is None else data)
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        lines = response.text.removesuffix("\n\n").split("\n\n")
        assert all(line.startswith("data: ") for line in lines)
        return [text if (text := line[6:]) == "[DONE]" else json.loads(text) for line in lines]


Build = Callable[..., Station]


@pytest.fixture
def build(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Build]:
    opened: list[Any] = []

    def make(**settings: Any) -> Station:
        north, south = adapter_class("north"), adapter_class("south")
        store = f"sqlite:///{tmp_path}/store.db"
        chosen = {"LLM_PROVIDER": "north", "database_url": store} | settings
        app = app_over(monkeypatch, north, south, **chosen)
        serving = host.serving(app)
        serving.__enter__()
        station = Station(host, north.script, south.script)
        opened.append((serving, station))
        return station

    yield make
    for serving, station in opened:
        station.client.close()
        station.sdk.close()
        serving.__exit__(None, None, None)
        assert (station.north.open_calls, station.south.open_calls) == (0, 0)


@pytest.fixture
def station(build: Build) -> Station:
    return build()


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The error, after a look at its envelope."""
    assert response.headers["content-type"].startswith("application/json")
    assert "x-request-id" in response.headers
    answer = response.json()
    assert set(answer) == {"error"}
    error: dict[str, Any] = answer["error"]
    assert set(error) == {"message", "type", "param", "code", "provider", "provider_code"}
    return error


# Good answers


def test_a_plain_answer(station: Station) -> None:
    response = station.post()

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    completion = ChatCompletion.model_validate(response.json())
    assert completion.choices[0].message.content == "Hello"
    assert completion.usage is not None and completion.usage.total_tokens == 5


def test_a_stream(station: Station) -> None:
    *chunks, end = station.events()

    assert end == "[DONE]"
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == "Hello"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("path", [PATH, f"/openai{PATH}"])
def test_both_prefixes_serve(station: Station, path: str) -> None:
    assert station.client.post(path, json=HELLO).status_code == 200
    assert station.client.get(path.replace("chat/completions", "models")).status_code == 200


def test_an_answer_carries_its_receipt(station: Station) -> None:
    station.north.play([failure(ErrorKind.RATE_LIMIT, "north", status=429, retry_after_s=5)])
    station.south.play([[Warn("dropped=logit_bias"), Start(model="s-2")], [Finish("stop")]])

    headers = station.post(headers={"x-request-id": "mine-1"}).headers

    assert headers["x-request-id"] == "mine-1"
    assert headers["x-pointsman-provider"] == "south"
    assert headers["x-pointsman-model"] == "s-2"
    assert headers["x-pointsman-attempts"] == "north:429,south:200"
    assert headers["x-pointsman-warnings"] == "dropped=logit_bias"


def test_an_id_is_made_where_the_client_gives_none(station: Station) -> None:
    ids = [station.post().headers.get_list("x-request-id") for _ in range(2)]

    assert len(ids[0]) == len(ids[1]) == 1 and ids[0] != ids[1]


def test_what_a_provider_says_cannot_break_a_header(station: Station) -> None:
    start = Start(model="modèle\r\nset-cookie: a=1" + "x" * 2000, request_id="id\u2028")
    station.north.play([[start], [Finish("stop")]])

    headers = station.post().headers

    assert "set-cookie" not in headers
    assert headers["x-pointsman-model"].startswith("mod?le??set-cookie")
    assert len(headers["x-pointsman-model"]) <= 1024


def test_the_sdk_reads_answer_and_stream(station: Station) -> None:
    messages: Any = HELLO["messages"]
    answer = station.sdk.chat.completions.create(model="x", messages=messages)
    assert answer.choices[0].message.content == "Hello"

    with station.sdk.chat.completions.stream(
        model="x", messages=messages, stream_options={"include_usage": True}
    ) as stream:
        completion = stream.get_final_completion()
    assert completion.choices[0].message.content == "Hello"
    assert completion.usage is not None and completion.usage.total_tokens == 5


def test_several_choices_and_older_functions_come_through(station: Station) -> None:
    station.north.abilities = Capabilities(image_urls=True, n=False)
    assert [choice["index"] for choice in station.post(HELLO | {"n": 2}).json()["choices"]] == [
        0,
        1,
    ]
    station.north.play([[ToolCall(0, "f", "{}"), Finish("tool_calls")]])

    choice = station.post(HELLO | {"functions": [{"name": "f"}]}).json()["choices"][0]

    assert choice["message"]["function_call"] == {"name": "f", "arguments": "{}"}
    assert choice["finish_reason"] == "function_call"


@pytest.mark.parametrize(("tags", "content"), [("split", "b"), ("keep", "<think>a</think>b")])
def test_thoughts_in_tags_are_split_off_where_wanted(build: Build, tags: str, content: str) -> None:
    station = build(think_tags=tags)
    station.north.play([[Text("<think>a</thi")], [Text("nk>b"), Finish("stop")]])

    message = station.post().json()["choices"][0]["message"]

    assert message["content"] == content
    assert message.get("reasoning_content") == ("a" if tags == "split" else None)


def test_many_answers_at_once_stay_apart(station: Station) -> None:
    texts = [f"answer {i:02}" for i in range(24)]
    station.north.play(*[[[Text(text)], [Text("!"), Finish("stop")]] for text in texts])

    def ask(i: int) -> str:
        data = station.post(STREAM if i % 2 else HELLO).text
        [found] = [text for text in texts if f'"{text}' in data]
        return found

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(ask, range(24))) == sorted(texts)


# The commit point


def test_a_200_whose_first_event_is_an_error_rotates(station: Station) -> None:
    station.north.play([[Start(model="n-1"), Usage(1, 0)], failure(ErrorKind.SERVER, "north")])

    response = station.post(STREAM)

    assert response.status_code == 200
    assert response.headers["x-pointsman-attempts"] == "north:server,south:200"
    assert "n-1" not in response.text


def test_a_failure_after_content_is_an_error_event_and_no_done(station: Station) -> None:
    station.north.play([[Text("partial")], failure(ErrorKind.STALL, "north")])

    *chunks, last = station.events()

    assert chunks[-1]["choices"][0]["delta"] == {"content": "partial"}
    assert set(last) == {"error"}
    assert last["error"]["code"] == "upstream_stalled"
    assert last["error"]["provider"] == "north"
    assert station.south.requests == []


def test_the_sdk_raises_a_failure_after_content(station: Station) -> None:
    station.north.play([[Text("partial")], failure(ErrorKind.NETWORK, "north")])
    messages: Any = HELLO["messages"]
    found = ""

    with pytest.raises(openai.APIError) as caught:
        for chunk in station.sdk.chat.completions.create(model="x", messages=messages, stream=True):
            found += chunk.choices[0].delta.content or ""

    assert found == "partial"
    assert not isinstance(caught.value, openai.APIStatusError)
    assert caught.value.code == "no_provider_available"


def test_a_plain_answer_that_breaks_off_is_an_error(station: Station) -> None:
    station.north.play([[Text("partial")], failure(ErrorKind.BAD_RESPONSE, "north")])

    response = station.post()

    assert response.status_code == 502
    assert error_of(response)["code"] == "upstream_invalid_response"
    assert "partial" not in response.text


def test_events_of_one_read_leave_in_one_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    north = adapter_class("north")
    north.script.play([[Text("a"), Text("b")], [Usage(1, 1)], [Text("c"), Finish("stop")]])
    app = app_over(monkeypatch, north, database_url=f"sqlite:///{tmp_path}/store.db")
    sent: list[Any] = []

    async def receive() -> Any:
        if receive.calls:  # type: ignore[attr-defined]
            await asyncio.Event().wait()
        receive.calls = 1  # type: ignore[attr-defined]
        return {"type": "http.request", "body": json.dumps(STREAM).encode()}

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": PATH, "headers": headers}
        async with app.router.lifespan_context(app):
            await app(scope | {"scheme": "http", "query_string": b""}, receive, send)

    receive.calls = 0  # type: ignore[attr-defined]
    asyncio.run(run())

    bodies = [message["body"] for message in sent if message["type"] == "http.response.body"]
    assert [body.count(b"data: ") for body in bodies] == [3, 2, 1]


# Errors before content


@pytest.mark.parametrize("data", [HELLO, STREAM], ids=["plain", "stream"])
def test_a_failure_of_all_has_a_status_and_a_receipt(station: Station, data: Any) -> None:
    station.north.play([failure(ErrorKind.AUTH, "north", status=401)])
    station.south.play([failure(ErrorKind.AUTH, "south", status=403)])

    response = station.post(data)

    assert response.status_code == 502
    error = error_of(response)
    assert error["code"] == "upstream_authentication_failed"
    assert error["provider_code"] == "AUTHENTICATION_FAILED"
    assert response.headers["x-should-retry"] == "false"
    assert response.headers["x-pointsman-attempts"] == "north:401,south:403"


@pytest.mark.parametrize(
    ("kind", "error_class"),
    [
        (ErrorKind.RATE_LIMIT, openai.RateLimitError),
        (ErrorKind.QUOTA_DAY, openai.RateLimitError),
        (ErrorKind.BAD_REQUEST, openai.BadRequestError),
        (ErrorKind.MODEL_MISSING, openai.NotFoundError),
        (ErrorKind.AUTH, openai.InternalServerError),
        (ErrorKind.NETWORK, openai.InternalServerError),
    ],
)
def test_the_sdk_raises_its_own_class(
    station: Station, kind: ErrorKind, error_class: type[openai.APIStatusError]
) -> None:
    wait_s = 70.0 if kind in (ErrorKind.RATE_LIMIT, ErrorKind.QUOTA_DAY) else None
    station.north.play(*[[failure(kind, "north", retry_after_s=wait_s)]] * 2)
    messages: Any = HELLO["messages"]

    with pytest.raises(error_class) as caught:
        station.sdk.chat.completions.create(model="north/m", messages=messages)

    assert type(caught.value) is error_class
    if wait_s:
        assert 60 < int(caught.value.response.headers["retry-after"]) <= 80
        assert caught.value.response.headers["x-should-retry"] == "false"


def test_what_nobody_can_do_names_the_parameter(station: Station) -> None:
    station.north.abilities = station.south.abilities = Capabilities(tools=False)

    response = station.post(HELLO | {"tools": [{"type": "function", "function": {"name": "f"}}]})

    assert response.status_code == 400
    error = error_of(response)
    assert (error["code"], error["param"]) == ("unsupported_feature", "tools")


def test_strict_params_are_a_setting(build: Build) -> None:
    station = build(strict_params=True)
    station.north.warnings = ("dropped=logit_bias",)

    response = station.post()

    assert (response.status_code, error_of(response)["param"]) == (400, "logit_bias")


def test_an_unexpected_exception_is_a_500_that_tells_nothing(
    station: Station, caplog: pytest.LogCaptureFixture
) -> None:
    station.north.play([ZeroDivisionError("gsk-secret in a traceback")])

    response = station.post()

    assert response.status_code == 500
    error = error_of(response)
    assert error["code"] == "internal_error"
    assert response.headers["x-should-retry"] == "false"
    for word in ("gsk-secret", "ZeroDivision", "Traceback", ".py"):
        assert word not in response.text
    assert "ZeroDivisionError" in caplog.text


def test_an_unexpected_exception_after_content_is_an_error_event(station: Station) -> None:
    station.north.play([[Text("a")], ZeroDivisionError("secret")])

    *_, last = station.events()

    assert last["error"]["code"] == "internal_error"
    assert "secret" not in json.dumps(last)


# What comes in


@pytest.mark.parametrize(
    ("data", "param"),
    [
        (b"", None),
        (b"{", None),
        (b'{"model":"x","messages":[]}', "messages"),
        (b'{"messages":[]}', "model"),
        (b'{"model":"x","messages":[{"role":"user","content":"\\ud800"}]}', None),
        (b'{"model":"x","messages":[{"role":"robot","content":"x"}]}', "messages[0].role"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, None),
        (b'{"model":"x","messages":[{"role":"user","content":"x"}],"n":NaN}', None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_bad_body_is_a_400_and_the_connection_stays(
    station: Station, data: bytes, param: str | None
) -> None:
    [(status, answer), (next_status, _)] = on_one_connection(station, data, json.dumps(HELLO))

    error = json.loads(answer)["error"]
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert next_status == 200
    assert len(station.north.requests) == 1


def test_after_a_500_the_connection_stays(station: Station) -> None:
    station.north.play([ZeroDivisionError("a bug")])

    answers = on_one_connection(station, *[json.dumps(HELLO)] * 2)

    assert [status for status, _ in answers] == [500, 200]


def on_one_connection(station: Station, *bodies: bytes | str) -> list[tuple[int, bytes]]:
    """Status and body of each answer; all come over the same socket."""
    connection = http.client.HTTPConnection("127.0.0.1", station.host.port, timeout=LONG_S)
    connection.connect()
    first = connection.sock
    answers = []
    for content in bodies:
        connection.request("POST", PATH, content, {"content-type": "application/json"})
        response = connection.getresponse()
        answers.append((response.status, response.read()))
        assert connection.sock is first
    connection.close()
    return answers


@pytest.mark.parametrize("model", ["x#frag", "../x", "a\r\nx: y", "a//b", "a" * 129])
def test_a_hostile_model_name_goes_nowhere(station: Station, model: str) -> None:
    response = station.post(HELLO | {"model": model})

    assert response.status_code == 404
    assert error_of(response)["code"] == "model_not_found"
    assert station.north.requests == station.south.requests == []


def chunked(pieces: int) -> Iterator[bytes]:
    for _ in range(pieces):
        yield b" " * 1000


@pytest.mark.parametrize("content", [b" " * 5000, chunked(5)], ids=["told", "chunked"])
def test_a_body_that_is_too_large_is_413(
    station: Station, monkeypatch: pytest.MonkeyPatch, content: Any
) -> None:
    monkeypatch.setattr(body, "MAX_BODY_BYTES", 4000)

    response = station.client.post(
        PATH, content=content, headers={"content-type": "application/json"}
    )

    assert response.status_code == 413
    assert error_of(response)["code"] == "request_too_large"
    assert response.headers["connection"] == "close"


def test_a_compressed_body_is_415(station: Station) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}

    response = station.client.post(PATH, content=b"\x1f\x8b", headers=headers)

    assert response.status_code == 415
    assert error_of(response)["code"] == "unsupported_encoding"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", PATH, 405),
        ("PUT", PATH, 405),
        ("DELETE", "/v1/models", 405),
        ("GET", "/", 404),
        ("GET", "/v2/models", 404),
        ("POST", "/chat/completions", 404),
        ("GET", "/v1/models/absent", 404),
        ("GET", "/v1/models/a%0d%0ab", 404),
    ],
)
def test_a_wrong_path_or_method_has_an_envelope(
    station: Station, method: str, path: str, status: int
) -> None:
    headers = {"content-type": "application/json"}
    response = station.client.request(method, path, headers=headers)

    assert response.status_code == status
    assert error_of(response)["type"] == "invalid_request_error"
    assert ("allow" in response.headers) == (status == 405)


@pytest.mark.parametrize(
    ("path", "status"), [(PATH, 405), ("/v1/models", 200), ("/health/live", 200), ("/x", 404)]
)
def test_a_head_request_gets_headers_alone(station: Station, path: str, status: int) -> None:
    response = station.client.head(path)

    assert (response.status_code, response.content) == (status, b"")


def test_health_is_open(station: Station) -> None:
    assert station.client.get("/health/live").json() == {"status": "ok"}
    assert station.client.get("/health/ready").json() == {"status": "ready"}


def test_a_bug_in_a_list_of_models_spoils_nothing(station: Station) -> None:
    station.north.listed = ZeroDivisionError("a bug")
    station.south.listed = [Model("gemma")]

    response = station.client.get("/v1/models")

    assert [entry["id"] for entry in response.json()["data"]] == ["south/gemma", "gemma"]


# A client that leaves


def send(port: int, data: Any) -> socket.socket:
    """A connection on which a request has been sent."""
    content = json.dumps(data).encode()
    connection = socket.create_connection(("127.0.0.1", port), timeout=LONG_S)
    connection.sendall(
        b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (PATH.encode(), len(content), content)
    )
    return connection


@pytest.mark.parametrize("data", [HELLO, STREAM], ids=["plain", "stream"])
@pytest.mark.parametrize(
    "before", [[], [[Start()]], [[Text("a")], [Text("b")]]], ids=["nothing", "start", "content"]
)
def test_a_client_that_leaves_stops_the_provider(
    station: Station, data: Any, before: list[Any]
) -> None:
    station.north.play([*before, HANG])
    connection = send(station.host.port, data)
    assert station.north.began.wait(LONG_S)
    assert station.north.open_calls == 1

    connection.close()

    assert station.north.ended.wait(LONG_S)
    assert station.south.requests == []
    assert station.post().status_code == 200


def test_a_client_that_leaves_stops_every_choice(station: Station) -> None:
    station.north.abilities = Capabilities(image_urls=True, n=False)
    station.north.play(*[[[Text("a")], HANG]] * 3)
    connection = send(station.host.port, HELLO | {"n": 3})
    assert station.north.began.wait(LONG_S)

    connection.close()

    assert station.north.ended.wait(LONG_S)


def test_a_client_that_leaves_in_the_middle_of_a_thought_stops_the_provider(build: Build) -> None:
    station = build(think_tags="split")
    station.north.play([[Text("<think>hm")], HANG])
    connection = send(station.host.port, STREAM)
    assert station.north.began.wait(LONG_S)

    connection.close()

    assert station.north.ended.wait(LONG_S)


def test_half_a_body_is_no_request(station: Station, caplog: pytest.LogCaptureFixture) -> None:
    connection = socket.create_connection(("127.0.0.1", station.host.port), timeout=LONG_S)
    connection.sendall(
        b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b'Content-Length: 100\r\n\r\n{"model"' % PATH.encode()
    )
    connection.close()

    assert station.post().status_code == 200
    assert len(station.north.requests) == 1
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("before", [[], [[Start()]]], ids=["nothing", "start"])
@pytest.mark.parametrize("data", [HELLO, STREAM], ids=["plain", "stream"])
def test_the_deadline_ends_a_request_without_content(
    build: Build, before: list[Any], data: Any
) -> None:
    station = build(deadline_s=0.05)
    station.north.play([*before, HANG])
    station.south.play([HANG])

    response = station.post(data)

    assert response.status_code == 504
    assert error_of(response)["code"] == "upstream_timeout"
    assert response.headers["x-should-retry"] == "false"


def test_the_deadline_ends_a_plain_answer_under_way(build: Build) -> None:
    station = build(deadline_s=0.05)
    station.north.play([[Text("a")], HANG])

    response = station.post()

    assert (response.status_code, error_of(response)["code"]) == (504, "upstream_timeout")
    assert station.north.ended.wait(LONG_S)


# The log


def test_the_log_tells_the_way_and_no_word_of_the_talk(
    station: Station, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    station.north.play([failure(ErrorKind.RATE_LIMIT, "north", status=429, retry_after_s=5)])

    station.post(headers={"x-request-id": "mine-1", "authorization": "Bearer k-secret"})

    lines = [record.getMessage() for record in caplog.records if record.name == "pointsman.request"]
    assert len(lines) == 1
    assert "mine-1 200 south/toy-1" in lines[0] and "attempts=north:429,south:200" in lines[0]
    own = [record.getMessage() for record in caplog.records if record.name.startswith("pointsman")]
    assert not any(word in line for line in own for word in ("4711", "Hello", "k-secret"))


# Who stands in while nothing is set up


class Yard:
    """A local provider, one in the cloud, and a last resort."""

    def __init__(self, host: Host, patch: pytest.MonkeyPatch, store: str, **settings: Any) -> None:
        self.local = adapter_class("local", local=True)
        self.cloud = adapter_class("cloud")
        self.inside = adapter_class("inside", last_resort=True)
        if not settings.get("keys"):
            self.cloud.script.unset = "CLOUD_API_KEY is not set"
        app = app_over(patch, self.local, self.cloud, self.inside, database_url=store, **settings)
        self.serving = host.serving(app)
        self.url = f"{host.base_url}{PATH}"

    def ask(self, model: str = "default", *, down: bool = False) -> tuple[int, str]:
        """Status and attempts of a request; `down` tells whether the local one is."""
        if down:
            self.local.script.play([failure(ErrorKind.NETWORK, "local")])
        response = httpx.post(self.url, json=HELLO | {"model": model}, trust_env=False)
        return response.status_code, response.headers.get("x-pointsman-attempts", "")


@pytest.fixture
def yard(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., Yard]]:
    opened: list[Yard] = []

    def make(**settings: Any) -> Yard:
        opened.append(Yard(host, monkeypatch, f"sqlite:///{tmp_path}/store.db", **settings))
        opened[-1].serving.__enter__()
        return opened[-1]

    yield make
    for one in opened:
        one.serving.__exit__(None, None, None)


def test_the_last_resort_answers_while_nothing_is_set_up(yard: Callable[..., Yard]) -> None:
    assert yard().ask(down=True) == (200, "local:network,inside:200")


def test_the_last_resort_says_that_it_stands_in(yard: Callable[..., Yard]) -> None:
    made = yard()
    made.local.script.play([failure(ErrorKind.NETWORK, "local")])

    stand_in = httpx.post(made.url, json=HELLO, trust_env=False)
    asked_for = httpx.post(made.url, json=HELLO | {"model": "inside"}, trust_env=False)

    assert stand_in.headers["x-pointsman-warnings"] == "stand_in=inside"
    assert "x-pointsman-warnings" not in asked_for.headers


def test_the_last_resort_answers_whoever_asks_for_it(yard: Callable[..., Yard]) -> None:
    made = yard(LLM_PROVIDER="local")

    assert made.ask("inside") == (200, "inside:200")
    assert made.ask("inside-model") == (200, "inside:200")


def test_the_last_resort_can_be_the_choice(yard: Callable[..., Yard]) -> None:
    assert yard(LLM_PROVIDER="inside").ask() == (200, "inside:200")


@pytest.mark.parametrize(
    "settings",
    [{"LLM_PROVIDER": "local"}, {"keys": {"cloud": "k"}}],
    ids=["a choice", "a cloud key"],
)
def test_the_last_resort_never_stands_in_for_who_is_merely_down(
    yard: Callable[..., Yard], settings: dict[str, Any]
) -> None:
    made = yard(**settings)
    made.cloud.script.play([failure(ErrorKind.AUTH, "cloud")])

    status, attempts = made.ask(down=True)

    assert status >= 500
    assert "inside" not in attempts


def test_the_last_resort_steps_back_once_another_has_answered(yard: Callable[..., Yard]) -> None:
    made = yard()
    assert made.ask() == (200, "local:200")

    assert made.ask(down=True) == (503, "local:network")
