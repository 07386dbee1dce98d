"""What the tests of an exchange share: a toy dialect, and a wire that plays its provider."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from adapters.base import AdapterError, ErrorKind, Event, Finish, NativeCall, RateLimits, Text
from adapters.upstream import Upstream, raw_headers, timeouts
from adapters.wire.ceiling import Ceilings
from adapters.wire.lines import NdjsonDecoder
from adapters.wire.native import exchange

URL = httpx.URL("https://toy.example/v1/chat?x=1")
PLAIN = NativeCall("POST", "/chat", {"ask": "é"})
STREAM = NativeCall("POST", "/chat", {"ask": "é"}, warnings=("dropped=user",), stream=True)
HEADERS = raw_headers({"x-key": "secret"}, host="toy.example")
NDJSON = {"content-type": "application/x-ndjson"}
JSON = {"content-type": "application/json; charset=utf-8"}
Answer = httpx.Response | Exception
END = b'{"end": true}\n'


@dataclass
class ToyDialect:
    """Lines of `{"text": …}`, the last one `{"end": true}`; a plain answer is one such object."""

    mended: NativeCall | list[Event] | None = None
    provider: str = "toy"
    most: int = 1
    decoder: NdjsonDecoder = field(default_factory=NdjsonDecoder)
    is_done: bool = False
    refusals: list[httpx.Response] = field(default_factory=list)

    def head(self, headers: Mapping[str, str]) -> list[Event]:
        left = headers.get("x-left")
        return [RateLimits(remaining_requests=int(left))] if left else []

    def whole(self, body: bytes | bytearray) -> list[Event]:
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

    def refusal(self, response: httpx.Response) -> AdapterError | list[Event]:
        self.refusals.append(response)
        if isinstance(self.mended, list):
            return self.mended
        return AdapterError(
            ErrorKind.SERVER, response.text, provider="toy", status=response.status_code
        )

    def amended(self, call: NativeCall, error: AdapterError) -> NativeCall | None:
        return None if isinstance(self.mended, list) else self.mended

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


def opened(
    wire: Wire,
    call: NativeCall = STREAM,
    dialect: ToyDialect | None = None,
    ceilings: Ceilings | None = None,
) -> Any:
    client = httpx.AsyncClient(transport=wire)
    target = Upstream(client, wire).target(URL, HEADERS, timeouts(30))
    dialect = dialect or ToyDialect()
    return exchange(target, call, dialect, *([ceilings] if ceilings else []), dialect)


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
