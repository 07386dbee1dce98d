"""One exchange with a provider over a toy dialect: what goes out, what comes back, how it ends."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from adapters import lines, native
from adapters.base import (
    AdapterError,
    ErrorKind,
    Event,
    Finish,
    NativeCall,
    Phase,
    RateLimits,
    Scope,
    Text,
    Warn,
)
from adapters.lines import NdjsonDecoder
from adapters.native import exchange, transport_error
from adapters.upstream import Headers, Upstream, raw_headers, timeouts

pytestmark = pytest.mark.anyio

URL = httpx.URL("https://toy.example/v1/chat?x=1")
PLAIN = NativeCall("POST", "/chat", {"ask": "é"})
STREAM = NativeCall("POST", "/chat", {"ask": "é"}, warnings=("dropped=user",), stream=True)
HEADERS = raw_headers({"x-key": "secret"}, host="toy.example")
NDJSON = {"content-type": "application/x-ndjson"}
JSON = {"content-type": "application/json; charset=utf-8"}


@dataclass
class ToyDialect:
    """Lines of `{"text": …}`, the last one `{"end": true}`; a plain answer is one such object."""

    mended: NativeCall | list[Event] | None = None
    provider: str = "toy"
    decoder: NdjsonDecoder = field(default_factory=NdjsonDecoder)
    is_done: bool = False
    refusals: list[httpx.Response] = field(default_factory=list)

    def head(self, headers: Mapping[str, str]) -> list[Event]:
        left = headers.get("x-left")
        return [RateLimits(remaining_requests=int(left))] if left else []

    def whole(self, body: bytes) -> list[Event]:
        return [*self._events(self.decoder.feed(body)), *self.end()]

    def feed(self, data: bytes) -> list[Event]:
        return self._events(self.decoder.feed(data))

    def end(self) -> list[Event]:
        rest = self._events(self.decoder.end())
        if not self.is_done:
            raise AdapterError(ErrorKind.BAD_RESPONSE, "no end mark", provider="toy")
        return rest

    @property
    def done(self) -> bool:
        return self.is_done

    def refusal(self, response: httpx.Response) -> AdapterError:
        self.refusals.append(response)
        return AdapterError(
            ErrorKind.SERVER, response.text, provider="toy", status=response.status_code
        )

    def amend(self, call: NativeCall, error: AdapterError) -> NativeCall | list[Event] | None:
        return self.mended

    def _events(self, rows: Iterable[bytes]) -> list[Event]:
        events: list[Event] = []
        for row in map(json.loads, rows):
            if "text" in row:
                events.append(Text(row["text"]))
            if row.get("end"):
                self.is_done = True
                events.append(Finish("stop"))
        return events


class Body(httpx.AsyncByteStream):
    """The bytes of an answer; it knows how much of it was read, and whether it was closed."""

    def __init__(self, *pieces: bytes | Exception, hangs: bool = False) -> None:
        self.pieces = pieces
        self.hangs = hangs
        self.read = 0
        self.closed = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            self.read += 1
            if isinstance(piece, Exception):
                raise piece
            yield piece
        if self.hangs:
            await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.closed += 1


Answer = httpx.Response | Exception


class Wire(httpx.AsyncBaseTransport):
    """A transport that gives these answers, one a request."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.bodies: list[bytes] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.bodies.append(await request.aread())
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def answer(*pieces: bytes | Exception, status: int = 200, **more: Any) -> httpx.Response:
    headers = more.get("headers", NDJSON)
    return httpx.Response(status, headers=headers, stream=Body(*pieces, hangs=more.get("hangs")))


def row(text: str) -> bytes:
    return json.dumps({"text": text}).encode() + b"\n"


END = b'{"end": true}\n'


def opened(wire: Wire, call: NativeCall = STREAM, dialect: ToyDialect | None = None) -> Any:
    client = httpx.AsyncClient(transport=wire)
    target = Upstream(client, wire).target(URL, HEADERS, timeouts(30))
    return exchange(target, call, dialect or ToyDialect())


async def batches_of(*answers: Answer, call: NativeCall = STREAM) -> list[list[Event]]:
    """What comes of these answers; every one of their bodies must be closed at the end."""
    batches = [batch async for batch in opened(Wire(*answers), call)]
    assert_closed(*answers)
    return batches


async def failure_of(
    *answers: Answer, call: NativeCall = STREAM
) -> tuple[AdapterError, list[Event]]:
    found: list[Event] = []
    with pytest.raises(AdapterError) as caught:
        async for batch in opened(Wire(*answers), call):
            found += batch
    assert_closed(*answers)
    return caught.value, found


def assert_closed(*answers: Answer) -> None:
    for one in answers:
        if isinstance(one, httpx.Response):
            assert isinstance(one.stream, Body)
            assert one.stream.closed


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


# Back


async def test_each_read_is_one_batch_and_warnings_come_first() -> None:
    headers = {**NDJSON, "x-left": "9"}
    batches = await batches_of(
        answer(row("a") + row("b"), b"", row("c")[:4], row("c")[4:], END, headers=headers)
    )

    assert batches == [
        [Warn("dropped=user"), RateLimits(remaining_requests=9)],
        [Text("a"), Text("b")],
        [Text("c")],
        [Finish("stop")],
    ]


async def test_a_plain_answer_is_one_batch() -> None:
    body = answer(row("a")[:3], row("a")[3:] + END, headers=JSON)

    assert await batches_of(body, call=PLAIN) == [[Text("a"), Finish("stop")]]


async def test_a_json_answer_to_a_stream_call_is_read_whole() -> None:
    batches = await batches_of(answer(row("a"), END, headers=JSON))

    assert batches == [[Warn("dropped=user")], [Text("a"), Finish("stop")]]


@pytest.mark.parametrize(
    "content_type", ["text/event-stream; charset=utf-8", NDJSON["content-type"]]
)
async def test_a_stream_answer_to_a_plain_call_is_read_as_a_stream(content_type: str) -> None:
    streamed = answer(row("a"), END, headers={"content-type": content_type})

    assert await batches_of(streamed, call=PLAIN) == [[Text("a")], [Finish("stop")]]


@pytest.mark.parametrize("call", [STREAM, PLAIN], ids=["stream", "plain"])
async def test_a_compressed_answer_is_read_although_none_was_asked_for(call: NativeCall) -> None:
    data = gzip.compress(row("a") + END)
    headers = {**(NDJSON if call.stream else JSON), "content-encoding": "gzip"}
    batches = await batches_of(answer(data[:9], data[9:], headers=headers), call=call)

    assert [event for batch in batches for event in batch][-2:] == [Text("a"), Finish("stop")]


async def test_what_stands_behind_a_compressed_answer_is_not_read() -> None:
    garbage = [b"x" * 1000] * 50
    headers = {**NDJSON, "content-encoding": "gzip"}
    response = answer(gzip.compress(row("a")), *garbage, headers=headers)

    await failure_of(response)

    assert isinstance(response.stream, Body)
    assert response.stream.read == 2


async def test_broken_compression_is_a_bad_response() -> None:
    headers = {**NDJSON, "content-encoding": "gzip"}
    error, _ = await failure_of(answer(b"not gzip at all", headers=headers))

    assert error.kind is ErrorKind.BAD_RESPONSE


# Ends


async def test_after_the_end_mark_the_rest_is_drained() -> None:
    response = answer(row("a"), END, b"\n", b"\n")

    await batches_of(response)

    assert isinstance(response.stream, Body)
    assert response.stream.read == 4


async def test_an_answer_that_stays_open_behind_its_end_mark_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(native, "DRAIN_S", 0)

    assert (await batches_of(answer(row("a"), END, hangs=True)))[-1] == [Finish("stop")]


async def test_a_cut_behind_the_end_mark_does_no_harm() -> None:
    response = answer(row("a"), END, httpx.ReadError("cut"))

    assert (await batches_of(response))[-1] == [Finish("stop")]


async def test_a_stream_without_its_end_mark_is_an_error() -> None:
    error, found = await failure_of(answer(row("a")))

    assert error.kind is ErrorKind.BAD_RESPONSE
    assert Text("a") in found


async def test_closing_the_events_closes_the_response() -> None:
    response = answer(row("a"), hangs=True)
    events = opened(Wire(response))
    await anext(events)
    await anext(events)

    await events.aclose()

    assert_closed(response)


async def test_cancelling_the_reader_closes_the_response() -> None:
    response = answer(row("a"), hangs=True)
    reading = asyncio.create_task(batches_of(response))
    while isinstance(response.stream, Body) and not response.stream.read:  # noqa: ASYNC110
        await asyncio.sleep(0)

    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading
    assert_closed(response)


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


def test_a_certificate_that_cannot_be_trusted_is_tls() -> None:
    error = httpx.ConnectError("x")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed")

    assert transport_error(error, "toy", Phase.BEFORE_SEND).kind is ErrorKind.TLS


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


# Headers


def test_headers_are_found_by_name_whatever_its_case_and_added_up() -> None:
    headers = Headers([(b"X-Left", b"3"), (b"via", b"a"), (b"Via", b"b"), (b"odd", b"\xe9")])
    assert dict(headers) == {"x-left": "3", "via": "a, b", "odd": "é"}
    assert "via" in headers
    assert "missing" not in headers
    assert headers.get("missing", "-") == "-"
    assert len(headers) == 3
