"""An exchange over a toy dialect: what goes out, and the headers of both ways."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.base import AdapterError, ErrorKind, NativeCall
from adapters.upstream import Headers, raw_headers, timeouts
from tests.adapters.native_kit import END, URL, Wire, answer, opened

pytestmark = pytest.mark.anyio

# Out


async def test_the_call_goes_out_as_it_was_prepared() -> None:
    wire = Wire(answer(END))

    async for _ in opened(wire):
        pass

    [sent] = wire.requests
    assert (sent.method, sent.url) == ("POST", URL)
    assert wire.bodies == ['{"ask":"é"}'.encode()]
    assert sent.headers.raw == [
        (b"host", b"toy.example"),
        (b"x-key", b"secret"),
        (b"accept-encoding", b"identity"),
        (b"content-type", b"application/json"),
        (b"content-length", b"12"),
    ]
    assert sent.extensions["timeout"] == {"connect": 3.0, "read": 30, "write": 10.0, "pool": 5.0}


def test_headers_of_an_sdk_are_taken_over_but_for_those_of_the_message() -> None:
    given = {
        "Host": "elsewhere",
        "Content-Length": "5",
        "Connection": "close",
        "Accept-Encoding": "gzip",
        "Content-Type": "text/plain",
        "Authorization": "Bearer é",
    }

    assert raw_headers(given, host="toy.example:8080") == (
        (b"host", b"toy.example:8080"),
        (b"accept-encoding", b"identity"),
        (b"content-type", b"application/json"),
        (b"authorization", "Bearer é".encode("latin-1")),
    )


def test_connecting_never_waits_longer_than_a_short_timeout() -> None:
    assert timeouts(0.5)["connect"] == 0.5
    assert timeouts(600)["connect"] == 3.0
    assert all(timeouts(600).values())


@pytest.mark.parametrize(
    "body", [{"deep": json.loads("[" * 300 + "]" * 300)}, {"big": 2**70}, {"half": "\ud800"}]
)
async def test_a_body_that_is_no_json_is_refused_before_it_is_sent(body: Any) -> None:
    wire = Wire()

    with pytest.raises(AdapterError) as caught:
        [_ async for _ in opened(wire, NativeCall("POST", "/chat", body))]

    assert caught.value.kind is ErrorKind.BAD_REQUEST
    assert wire.requests == []


# Headers


def test_headers_are_found_by_name_whatever_its_case_and_added_up() -> None:
    headers = Headers([(b"X-Left", b"3"), (b"via", b"a"), (b"Via", b"b"), (b"odd", b"\xe9")])
    assert dict(headers) == {"x-left": "3", "via": "a, b", "odd": "é"}
    assert "via" in headers
    assert "missing" not in headers
    assert headers.get("missing", "-") == "-"
    assert len(headers) == 3
