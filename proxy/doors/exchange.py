"""POST /v1/chat/completions: HTTP in, HTTP out."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial

import orjson
from starlette.types import Message, Receive, Scope, Send

from adapters.base import AdapterError, ChatRequest, ErrorKind, Event
from adapters.native import UNREADABLE
from proxy.doors.chat.read import Parsed, parse_json, parse_request
from proxy.doors.chat.write import ChunkStream, Fold, error_object, new_head, sse
from proxy.errors import ApiError, from_adapter, internal_error
from proxy.gate.body import WATCH, ClientLeft, read_body
from proxy.gate.room import Admission, Place
from proxy.gate.work import Rounds, Work
from proxy.routing.candidates import Preference
from proxy.routing.receipt import Receipt
from proxy.routing.router import Router
from proxy.routing.thinktags import split_think_tags
from proxy.store.rows import LEFT, UsageRow, usage_row

log = logging.getLogger("pointsman.request")

LINE = "%(request_id)s %(status)d %(provider)s/%(model)s %(ms).0f ms attempts=%(attempts)s"
LINE_OF_ERROR = f"{LINE} error=%(error)s"

Header = tuple[bytes, bytes]
MAX_TRACEPARENT = 128
JSON_TYPE: Header = (b"content-type", b"application/json; charset=utf-8")
SSE_HEADERS: Sequence[Header] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


class ChatEndpoint:
    """The ASGI application behind the route. Every failure is an answer; nothing is raised."""

    def __init__(
        self,
        router: Router,
        preference: Callable[[str | None], Awaitable[Preference]],
        *,
        deadline_s: float,
        split_tags: bool,
        admission: Admission | None = None,
        record: Callable[[UsageRow], None] | None = None,
    ) -> None:
        self._router = router
        self._preference = preference
        self._deadline_s = deadline_s
        self._split_tags = split_tags
        self._admission = admission or Admission()
        self._record = record
        self._rounds = Rounds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a client that leaves cancels everything done for it."""
        exchange = _Exchange(scope, send)
        place = Place(self._admission, scope["state"].get("client", ""))
        work = Work(self._rounds)
        try:
            await self._serve(scope, receive, exchange, place, work)
        except asyncio.CancelledError:
            if not work.has_left():
                raise
            exchange.left()
        finally:
            work.close()
            place.leave()
            exchange.log()
            if self._record is not None:
                self._record(exchange.row())

    async def _serve(
        self, scope: Scope, receive: Receive, exchange: _Exchange, place: Place, work: Work
    ) -> None:
        unwatch: Callable[[], None] | None = None
        try:
            body = await read_body(scope["state"]["headers"], receive, place)
            exchange.bytes_in = len(body)
            unwatch = _watch(scope, receive, work.stop_left)
            await place.enter()
            parsed = parse_request(parse_json(body))
            exchange.asked = parsed.request.model
            exchange.is_stream = parsed.request.stream
            await self._answer(parsed, exchange, work)
        except ApiError as error:
            await exchange.fail(error)
        except ClientLeft:
            exchange.left()
        except Exception:
            log.exception("%s failed inside the proxy", exchange.id.decode("ascii"))
            await exchange.fail(internal_error())
        finally:
            if unwatch is not None:
                unwatch()

    async def _answer(self, parsed: Parsed, exchange: _Exchange, work: Work) -> None:
        request = parsed.request
        preference = await self._preference(exchange.app)
        head = new_head(model=request.model, now_s=time.time())
        deadline_s = exchange.deadline_s(self._deadline_s)
        work.end_in(deadline_s)
        try:
            answer = await self._router.chat(
                request,
                preference,
                exchange.receipt,
                work,
                deadline_s=deadline_s,
                fallback=exchange.fallback(request),
            )
            try:
                events = split_think_tags(answer) if self._split_tags else answer
                if request.stream:
                    work.end_in(math.inf)  # from the first content on, the idle limits hold
                    stream = ChunkStream(
                        head,
                        include_usage=parsed.include_usage,
                        legacy_functions=parsed.legacy_functions,
                    )
                    await exchange.stream(stream, events)
                else:
                    fold = Fold(head, legacy_functions=parsed.legacy_functions)
                    await exchange.read(fold, events, work)
                    work.end_in(math.inf)  # how long the client takes to read it is its own matter
                    await exchange.single(fold)
            finally:
                await answer.aclose()
        except asyncio.CancelledError:
            if not work.is_late():
                raise
            raise _too_late(deadline_s) from None
        finally:
            work.ends_at = math.inf  # who reads slowly may still be told of a failure


def _too_late(deadline_s: float) -> ApiError:
    return ApiError(
        504,
        f"No answer within {deadline_s:g} seconds.",
        type_="api_error",
        code="upstream_timeout",
        should_retry=False,
    )


def _watch(scope: Scope, receive: Receive, on_left: Callable[[], None]) -> Callable[[], None]:
    """Have `on_left` called when the client leaves; what is returned ends that."""
    if extension := scope.get("extensions", {}).get(WATCH):
        watch = extension["watch"]
        watch(on_left)
        return partial(watch, None)

    async def until_gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        on_left()

    task = asyncio.create_task(until_gone())

    def end() -> None:
        task.cancel()

    return end


class _Exchange:
    """One request's answer while it is written: headers once, then a body or a stream."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.id: bytes = scope["state"]["request_id"]
        self.app: str | None = scope["state"]["app"]
        self.receipt = Receipt()
        self.status = 0
        self.asked = ""
        self.is_stream = False
        self.bytes_in = 0
        self._bytes_out = 0
        self._is_over = False
        self._headers: Mapping[bytes, bytes] = scope["state"]["headers"]
        if parent := self._headers.get(b"traceparent"):
            self.receipt.traceparent = parent[:MAX_TRACEPARENT]
        self._send = send
        self._at = time.time()
        self._error: str | None = None

    def deadline_s(self, longest_s: float) -> float:
        """Seconds for this request: no more than the client itself will wait.

        The SDKs tell their read timeout; a second less lets our error arrive before they hang up.
        """
        told_ms = _number(self._headers.get(b"x-request-timeout-ms"))
        if told_ms:
            longest_s = min(longest_s, told_ms / 1000)
        read_s = _number(self._headers.get(b"x-stainless-read-timeout"))
        if read_s:
            longest_s = min(longest_s, read_s - 1 if read_s > 2 else read_s / 2)
        return longest_s

    def fallback(self, request: ChatRequest) -> bool | None:
        """Whether the request itself says if others may answer it: by header, or in its body."""
        word: object = self._headers.get(b"x-pointsman-fallback", b"").decode("latin-1")
        if request.extensions:
            match request.extensions.get("pointsman"):
                case {"fallback": said}:
                    word = word or said
        return {"off": False, "on": True, False: False, True: True}.get(word)

    async def read(self, fold: Fold, events: AsyncIterator[list[Event]], work: Work) -> None:
        """Read the whole answer, or as much of it as there is when its time is up."""
        try:
            async for batch in events:
                try:
                    fold.feed(batch)
                except UNREADABLE as error:
                    raise self._unreadable(error) from None
        except AdapterError as error:
            raise from_adapter(error) from None
        except asyncio.CancelledError:
            if not (fold.cut() and work.is_late()):
                raise
            self.receipt.warn("cut=deadline")

    async def single(self, fold: Fold) -> None:
        """Send the answer as one object."""
        try:
            body = fold.end()
        except UNREADABLE as error:
            raise from_adapter(self._unreadable(error)) from None
        await self._respond(200, [JSON_TYPE], body)

    async def stream(self, chunks: ChunkStream, events: AsyncIterator[list[Event]]) -> None:
        """Send the answer as it comes; a failure on the way is an error event, and no `[DONE]`."""
        try:
            async for batch in events:
                try:
                    data = chunks.feed(batch)
                except UNREADABLE as error:
                    raise self._unreadable(error) from None
                if not self.status:
                    await self._start(200, SSE_HEADERS)
                if data:
                    await self._send_body(data, more=True)
        except AdapterError as error:
            failure = from_adapter(error)
            if not self.status:
                raise failure from None
            self._error = failure.code or failure.type
            await self._send_body(sse(error_object(failure)), more=False)
            return
        await self._send_body(chunks.end(), more=False)

    def _unreadable(self, error: Exception) -> AdapterError:
        """The error of an answer that cannot be told in OpenAI's words."""
        log.warning("%s: the answer cannot be told: %s", self.id.decode("ascii"), type(error))
        return AdapterError(
            ErrorKind.BAD_RESPONSE,
            "the answer is not what the provider's API promises",
            provider=self.receipt.provider or "",
        )

    def left(self) -> None:
        """The client has hung up: of no matter, if it had its answer by then."""
        if not self._is_over:
            self.status = LEFT

    async def fail(self, error: ApiError) -> None:
        """Send `error` as the answer, or as the last event of a stream that has begun."""
        self._error = error.code or error.type
        body = error_object(error)
        if self.status:
            await self._send_body(sse(body), more=False)
        else:
            await self._respond(error.status, [JSON_TYPE, *error.headers()], orjson.dumps(body))

    async def _respond(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        await self._start(status, [*headers, (b"content-length", b"%d" % len(body))])
        await self._send_body(body, more=False)

    async def _start(self, status: int, headers: Sequence[Header]) -> None:
        message: Message = {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, *self._receipt_headers()],
        }
        await self._send(message)
        self.status = status  # not before: while it waited for its turn, it may have been given up

    async def _send_body(self, data: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
        self._bytes_out += len(data)
        self._is_over = not more

    def _receipt_headers(self) -> list[Header]:
        receipt = self.receipt
        headers: list[Header] = []
        if receipt.provider:
            headers.append((b"x-pointsman-provider", receipt.provider.encode()))
            headers.append((b"x-pointsman-model", _printable(receipt.model or "")))
            headers.append((b"x-pointsman-attempts", ",".join(receipt.attempts).encode()))
        if receipt.warnings:
            headers.append((b"x-pointsman-warnings", _printable("; ".join(receipt.warnings))))
        if receipt.upstream_id:
            headers.append((b"x-pointsman-upstream-id", _printable(receipt.upstream_id)))
        return headers

    def log(self) -> None:
        """One line a request: no prompt, no answer, no key."""
        if not log.isEnabledFor(logging.INFO):
            return
        receipt = self.receipt
        fields = {
            "request_id": self.id.decode("ascii"),
            "status": self.status,
            "provider": receipt.provider or "-",
            "model": receipt.model or "-",
            "ms": int(receipt.elapsed_s() * 10_000) / 10,
            "attempts": ",".join(receipt.attempts) or "-",
        }
        if self._error:
            fields["error"] = self._error
        log.info(LINE_OF_ERROR if self._error else LINE, fields)

    def row(self) -> UsageRow:
        """What is kept of the request, now that it has ended."""
        return usage_row(
            self.receipt,
            request_id=self.id.decode("ascii"),
            at=self._at,
            app=self.app,
            asked=self.asked,
            is_stream=self.is_stream,
            status=self.status,
            error=self._error,
            bytes_in=self.bytes_in,
            bytes_out=self._bytes_out,
            is_retry=self._headers.get(b"x-stainless-retry-count", b"0") != b"0",
        )


def _number(value: bytes | None) -> float | None:
    """A positive, finite number of a header, or None."""
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None


def _printable(text: str) -> bytes:
    """Text that may stand in a header: a model's name is the provider's word, not ours."""
    if text.isascii() and text.isprintable() and len(text) <= 1024:
        return text.encode("ascii")
    return "".join(c if " " <= c <= "~" else "?" for c in text[:1024]).encode("ascii")
