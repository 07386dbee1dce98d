"""Failures of providers, before and after the first content: status, envelope, error event."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import pytest

from adapters.base import Capabilities, ErrorKind, Finish, Start, Text, ToolCall, Usage
from tests.proxy.doors.serving.kit import HELLO, PATH, STREAM, Build, Station, error_of
from tests.proxy.kit import adapter_class, failure
from tests.proxy.serving import app_over

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


def test_a_stream_whose_end_cannot_be_told_is_one_that_failed_on_the_way(station: Station) -> None:
    calls = [ToolCall(0, "f", "{}"), ToolCall(1, "g", "{"), ToolCall(0, "", "1"), ToolCall(1, "")]
    station.north.play([[*calls, Finish("tool_calls")]])
    body = {"model": "x", "max_tokens": 9, "messages": HELLO["messages"], "stream": True}

    response = station.client.post("/v1/messages", json=body)

    assert "not what the provider's API promises" in response.text
    assert "message_stop" not in response.text


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


def test_a_plain_answer_that_breaks_off_everywhere_is_an_error(station: Station) -> None:
    for name, script in (("north", station.north), ("south", station.south)):
        script.play([[Text("partial")], failure(ErrorKind.BAD_RESPONSE, name)])

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
