"""An exchange over a toy dialect: what the wire's failures and refusals are."""

from __future__ import annotations

import gzip
import socket
import ssl

import httpx
import pytest

from adapters.base import (
    AdapterError,
    ErrorKind,
    Event,
    Finish,
    NativeCall,
    Phase,
    Scope,
    Text,
    Warn,
)
from adapters.upstream import AGAIN
from adapters.wire import lines, native
from adapters.wire.broken import transport_error
from tests.adapters.native_kit import (
    END,
    JSON,
    NDJSON,
    PLAIN,
    STREAM,
    Body,
    ToyDialect,
    Wire,
    answer,
    assert_closed,
    failure_of,
    opened,
    row,
)

pytestmark = pytest.mark.anyio

# Failures


@pytest.mark.parametrize(
    ("error", "phase"),
    [
        (httpx.ConnectError("x"), Phase.BEFORE_SEND),
        (httpx.ConnectTimeout("x"), Phase.BEFORE_SEND),
        (httpx.PoolTimeout("x"), Phase.BEFORE_SEND),
        (httpx.ReadTimeout("x"), Phase.BEFORE_CONTENT),
        (httpx.WriteTimeout("x"), Phase.BEFORE_CONTENT),
        (httpx.ReadError("x"), Phase.BEFORE_CONTENT),
        (httpx.WriteError("x"), Phase.BEFORE_CONTENT),
        (httpx.RemoteProtocolError("x"), Phase.BEFORE_CONTENT),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
async def test_only_who_could_not_connect_is_sure_that_nothing_was_sent(
    error: Exception, phase: Phase
) -> None:
    assert (await failure_of(error))[0].phase is phase


@pytest.mark.parametrize(
    ("error", "before", "after"),
    [
        (httpx.ConnectTimeout("x"), ErrorKind.TIMEOUT_CONNECT, ErrorKind.TIMEOUT_CONNECT),
        (httpx.PoolTimeout("x"), ErrorKind.OVERLOADED, ErrorKind.OVERLOADED),
        (httpx.ReadTimeout("x"), ErrorKind.TIMEOUT_FIRST_BYTE, ErrorKind.STALL),
        (httpx.WriteTimeout("x"), ErrorKind.TIMEOUT_FIRST_BYTE, ErrorKind.STALL),
        (httpx.ConnectError("x"), ErrorKind.NETWORK, ErrorKind.NETWORK),
        (httpx.ReadError("x"), ErrorKind.BROKEN, ErrorKind.BROKEN),
        (httpx.WriteError("x"), ErrorKind.BROKEN, ErrorKind.BROKEN),
        (httpx.CloseError("x"), ErrorKind.BROKEN, ErrorKind.BROKEN),
        (httpx.RemoteProtocolError("x"), ErrorKind.BROKEN, ErrorKind.BROKEN),
        (httpx.ProxyError("x"), ErrorKind.NETWORK, ErrorKind.NETWORK),
        (httpx.DecodingError("x"), ErrorKind.BAD_RESPONSE, ErrorKind.BAD_RESPONSE),
        (httpx.StreamConsumed(), ErrorKind.BAD_RESPONSE, ErrorKind.BAD_RESPONSE),
        (httpx.InvalidURL("x"), ErrorKind.BAD_RESPONSE, ErrorKind.BAD_RESPONSE),
        (httpx.TooManyRedirects("x"), ErrorKind.BAD_RESPONSE, ErrorKind.BAD_RESPONSE),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
async def test_what_httpx_raises_has_a_kind_by_its_phase(
    error: Exception, before: ErrorKind, after: ErrorKind
) -> None:
    headless, _ = await failure_of(error)
    unanswered, _ = await failure_of(answer(error))
    cut, found = await failure_of(answer(row("a"), error))

    assert headless.kind == before
    assert (unanswered.kind, unanswered.phase) == (before, Phase.BEFORE_CONTENT)
    assert (cut.kind, cut.phase) == (after, Phase.AFTER_CONTENT)
    assert found[-1] == Text("a")
    assert {one.scope for one in (headless, unanswered, cut)} == {Scope.PROVIDER}


async def test_a_plain_answer_that_is_cut_is_a_broken_connection() -> None:
    error, found = await failure_of(
        answer(row("a"), httpx.ReadError("cut"), headers=JSON), call=PLAIN
    )

    assert (error.kind, found) == (ErrorKind.BROKEN, [])


def test_who_cannot_connect_is_told_why() -> None:
    expired = ssl.SSLCertVerificationError("x")
    expired.verify_message = "certificate has expired"
    for error, kind, words in (
        (expired, ErrorKind.TLS, "no trusted TLS connection: certificate has expired"),
        (ssl.SSLError("x"), ErrorKind.TLS, "no trusted TLS connection"),
        (ConnectionRefusedError("x"), ErrorKind.NETWORK, "connection refused"),
        (socket.gaierror("x"), ErrorKind.NETWORK, "nobody knows the name of its host"),
        (OSError("x"), ErrorKind.NETWORK, "cannot connect"),
    ):
        unconnected = httpx.ConnectError("x")
        unconnected.__cause__ = error
        told = transport_error(unconnected, "toy", Phase.BEFORE_SEND)
        assert told.kind is kind and told.message.endswith(words)
    proxied = httpx.ProxyError("407 Proxy Authentication Required")
    told = transport_error(proxied, "toy", Phase.BEFORE_SEND)
    assert told.message == "cannot connect: the proxy answered 407"


async def test_no_word_of_httpx_reaches_the_message() -> None:
    error, _ = await failure_of(httpx.ConnectError("https://user:key@toy.example refused"))

    assert "key" not in str(error) and "https" not in str(error)


@pytest.mark.parametrize(
    ("limit", "call", "headers"),
    [
        ("MAX_STREAM_BYTES", STREAM, NDJSON),
        ("MAX_ANSWER_BYTES", STREAM, JSON),
        ("MAX_ANSWER_BYTES", PLAIN, JSON),
    ],
)
async def test_an_answer_that_is_too_large_is_cut(
    monkeypatch: pytest.MonkeyPatch, limit: str, call: NativeCall, headers: dict[str, str]
) -> None:
    monkeypatch.setattr(native, limit, 40)
    response = answer(*[row("a")] * 9, END, headers=headers)

    error, _ = await failure_of(response, call=call)

    assert error.kind is ErrorKind.RESPONSE_TOO_LARGE
    assert isinstance(response.stream, Body) and response.stream.read < 9


async def test_a_line_that_never_ends_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 40)

    error, _ = await failure_of(answer(*[b"x" * 30] * 5))

    assert error.kind is ErrorKind.RESPONSE_TOO_LARGE


async def test_a_stream_that_goes_on_for_ever_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "MAX_STREAM_S", -1)

    error, _ = await failure_of(answer(row("a"), END))

    assert error.kind is ErrorKind.RESPONSE_TOO_LARGE


# Refusals


@pytest.mark.parametrize("status", [301, 400, 401, 404, 429, 500, 503, 599])
async def test_a_refusal_is_the_dialects_to_read(status: int) -> None:
    error, found = await failure_of(answer(b"no ", b"way", status=status))

    assert (error.status, error.message, found) == (status, "no way", [])


async def test_a_refusal_can_be_mended_once() -> None:
    again = NativeCall("POST", "/chat", {"ask": "less"}, warnings=("dropped=tools",), stream=True)
    first, second = answer(b"no", status=400), answer(row("a"), END)
    wire = Wire(first, second)

    found = [batch async for batch in opened(wire, STREAM, ToyDialect(mended=again))]

    assert found == [[Warn("dropped=tools")], [Text("a")], [Finish("stop")]]
    assert wire.bodies[1] == b'{"ask":"less"}'
    assert_closed(first, second)


@pytest.mark.parametrize(("wait_s", "sent"), [(0.0, 2), (7.5, 1)])
async def test_what_is_mended_is_counted_before_it_goes_out(wait_s: float, sent: int) -> None:
    wire = Wire(answer(b"no", status=400), answer(row("a"), END))
    counted: list[float] = []

    def again() -> float:
        counted.append(wait_s)
        return wait_s

    known = AGAIN.set(again)
    try:
        batches = [_ async for _ in opened(wire, STREAM, ToyDialect(mended=STREAM))]
    except AdapterError as error:
        batches = []
        assert (error.kind, error.retry_after_s) == (ErrorKind.RATE_LIMIT, wait_s)
    finally:
        AGAIN.reset(known)

    assert (len(counted), len(wire.requests), bool(batches)) == (1, sent, sent == 2)


async def test_a_second_refusal_is_final() -> None:
    wire = Wire(*(answer(b"no", status=status) for status in (400, 500, 400)))

    with pytest.raises(AdapterError) as caught:
        [_ async for _ in opened(wire, STREAM, ToyDialect(mended=STREAM))]

    assert (caught.value.status, len(wire.requests)) == (500, 2)


async def test_an_answer_may_hide_in_a_refusal() -> None:
    hidden: list[Event] = [Text("found"), Finish("stop")]
    refused = answer(b"no", status=400)

    found = [batch async for batch in opened(Wire(refused), STREAM, ToyDialect(mended=hidden))]

    assert found == [[Warn("dropped=user"), *hidden]]
    assert_closed(refused)


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ((b"x" * 30, b"x" * 30, b"never read"), "x" * 60),
        ((b"half", httpx.ReadError("cut")), ""),
    ],
    ids=["too large", "cut"],
)
async def test_a_refusal_that_cannot_be_read_whole_is_one_still(
    monkeypatch: pytest.MonkeyPatch, pieces: tuple[bytes | Exception, ...], text: str
) -> None:
    monkeypatch.setattr(native, "MAX_ERROR_BYTES", 50)

    error, _ = await failure_of(answer(*pieces, status=503))

    assert (error.status, error.message) == (503, text)


async def test_a_compressed_refusal_is_read() -> None:
    headers = {"content-encoding": "gzip", "retry-after": "7"}
    dialect = ToyDialect()
    wire = Wire(answer(gzip.compress(b"busy"), status=503, headers=headers))

    with pytest.raises(AdapterError) as caught:
        [_ async for _ in opened(wire, STREAM, dialect)]

    assert caught.value.message == "busy"
    assert dialect.refusals[0].headers["retry-after"] == "7"


def exceptions_of_httpx() -> list[type[Exception]]:
    found = [getattr(httpx, name) for name in dir(httpx)]
    return [one for one in found if isinstance(one, type) and issubclass(one, Exception)]


@pytest.mark.parametrize("error_class", exceptions_of_httpx(), ids=lambda one: one.__name__)
def test_every_exception_of_httpx_has_a_kind(error_class: type[Exception]) -> None:
    error = error_class.__new__(error_class)

    assert transport_error(error, "toy", Phase.BEFORE_CONTENT).kind in ErrorKind
