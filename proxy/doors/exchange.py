"""The way of a request through a door: HTTP in, HTTP out, whatever the protocol."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from adapters.aside import ASIDE, LARGE_BYTES, Aside
from adapters.base import AdapterError, ChatRequest, ErrorKind
from adapters.native import UNREADABLE
from proxy.doors.door import Asked, Call, Desk, Door, Fold, Opening, Stream
from proxy.doors.told import receipt_headers
from proxy.doors.waiting import Waiting
from proxy.doors.wishes import deadline_of, fallback_of
from proxy.errors import ApiError, from_adapter, internal_error
from proxy.gate.body import ClientLeft, read_body, watch
from proxy.gate.room import Admission, Place
from proxy.gate.work import Rounds, Work
from proxy.reply import Header, Reply
from proxy.routing.cache import AnswerCache, Events, key_of
from proxy.routing.candidates import Preference
from proxy.routing.compact import Asks
from proxy.routing.receipt import Receipt
from proxy.routing.sessions import talk_of
from proxy.routing.split import drawn
from proxy.routing.thinktags import split_think_tags
from proxy.store.rows import LEFT, UsageRow, usage_row

log = logging.getLogger("pointsman.request")

LINE = "%(request_id)s %(status)d %(provider)s/%(model)s %(ms).0f ms attempts=%(attempts)s"
LINE_OF_ERROR = f"{LINE} error=%(error)s"

MAX_TRACEPARENT = 128
Identified = Callable[[Reply, bytes], Reply]
"""How a door tells a request's id in a place of its own."""


@dataclass(slots=True)
class Service:
    """What is behind all doors. `record` is told of each request that has ended.

    A stream without content is kept alive every `keepalive_s`, never at 0.
    """

    router: Asks
    preference: Callable[[str | None], Awaitable[Preference]]
    deadline_s: float
    split_tags: bool
    admission: Admission = field(default_factory=Admission)
    record: Callable[[UsageRow], None] | None = None
    rounds: Rounds = field(default_factory=Rounds)
    keepalive_s: float = 0
    cache: AnswerCache | None = None
    aside: Aside = field(default_factory=Aside)


class Endpoint:
    """The ASGI application behind a door. Every failure is an answer; nothing is raised."""

    def __init__(
        self, door: Door[Any] | Desk, service: Service, *, takes_form: bool = False
    ) -> None:
        self._door: Any = door
        self._takes_form = takes_form
        self._answers: Callable[[Call], Awaitable[Reply]] | None = getattr(door, "answer", None)
        self._prepare: Callable[[Call], Awaitable[None]] | None = getattr(door, "prepare", None)
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a client that leaves cancels everything done for it."""
        service = self._service
        exchange = _Exchange(self._door, scope, send)
        place = Place(service.admission, scope["state"].get("client", ""))
        work = Work(service.rounds)
        try:
            await self._serve(scope, receive, exchange, place, work)
        except asyncio.CancelledError:
            if not work.undo_left():
                raise
            exchange.left()
        finally:
            work.close()
            exchange.drop_waiting()
            place.leave()
            exchange.log()
            if service.record is not None and not exchange.is_local:
                service.record(exchange.row())

    async def _serve(
        self, scope: Scope, receive: Receive, exchange: _Exchange, place: Place, work: Work
    ) -> None:
        unwatch: Callable[[], None] | None = None
        try:
            state = scope["state"]
            body = await read_body(state["headers"], receive, place, is_form=self._takes_form)
            exchange.bytes_in = len(body)
            unwatch = watch(scope, receive, work.stop_left)
            await place.enter()
            params = scope.get("path_params") or {}
            method, path, query = scope["method"], scope["path"], scope["query_string"]
            call = Call(body, method, path, params, query, state["headers"], exchange.app or "")
            if self._prepare is not None:
                await self._prepare(call)
            ASIDE.set(self._service.aside)
            if self._answers:
                asked = await self._answers(call)
            elif place.held <= LARGE_BYTES:
                asked = self._door.read(call)
            else:
                asked = await self._service.aside.do(self._door.read, call)
            if isinstance(asked, Reply):
                exchange.is_local = True
                await exchange.reply(asked)
                return
            if asked.beyond:
                await place.weigh_body(place.held + asked.beyond)
            work.weight = place.held
            exchange.asked = asked.request.model
            exchange.is_stream = asked.stream
            await self._answer(asked, exchange, work)
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

    async def _answer(self, asked: Asked, exchange: _Exchange, work: Work) -> None:
        service = self._service
        preference = await service.preference(exchange.app)
        if preference.split:
            talk = talk_of(exchange.headers, exchange.app, asked.request)
            preference = drawn(preference, talk)
        deadline_s = deadline_of(exchange.headers, service.deadline_s)
        work.end_in(deadline_s)
        if asked.stream and service.keepalive_s:
            waiting = exchange.may_wait(partial(self._door.stream, asked))
            work.nudge_every(service.keepalive_s, waiting.nudge)
        try:
            answer = await self._ask(asked, preference, exchange, work, deadline_s)
            try:
                events: AsyncIterator[list[Any]] = answer
                if service.split_tags and type(asked.request) is ChatRequest:
                    events = split_think_tags(answer)
                if asked.stream:
                    work.end_in(math.inf)  # from the first content on, the idle limits hold
                    work.nudges_at = math.inf
                    await exchange.stream(partial(self._door.stream, asked), events)
                else:
                    fold = self._door.fold(asked, exchange.opening())
                    await exchange.read(fold, events, work)
                    work.end_in(math.inf)  # how long the client takes to read it is its own matter
                    await exchange.single(fold)
            finally:
                await answer.aclose()
        except asyncio.CancelledError:
            if not work.undo_late():
                raise
            raise _too_late(deadline_s, is_plain=not asked.stream) from None
        finally:
            work.ends_at = math.inf  # who reads slowly may still be told of a failure

    def _ask(
        self,
        asked: Asked,
        preference: Preference,
        exchange: _Exchange,
        work: Work,
        deadline_s: float,
    ) -> Awaitable[Events]:
        """The answer of a provider, or one that was given before to the same."""
        request, receipt = asked.request, exchange.receipt
        headers, app = exchange.headers, exchange.app
        fallback = fallback_of(headers, asked.own)
        ask = partial(
            self._service.router.answer,
            request,
            preference,
            receipt,
            work,
            deadline_s=deadline_s,
            fallback=fallback,
            talk=partial(talk_of, headers, app, request),
        )
        cache = self._service.cache
        if cache is None:
            return ask()
        said = headers.get(b"x-pointsman-cache", b"").decode("latin-1").lower()
        key = key_of(request, app, preference, fallback, said)
        return ask() if key is None else cache.answer(ask, key, receipt, fresh=said == "refresh")


def _too_late(deadline_s: float, *, is_plain: bool) -> ApiError:
    way_out = " A stream comes as it is written, fewer max_tokens sooner." if is_plain else ""
    return ApiError(
        504,
        f"No answer within {deadline_s:g} seconds.{way_out}",
        type_="api_error",
        code="upstream_timeout",
        should_retry=False,
    )


class _Exchange:
    """One request's answer while it is written: headers once, then a body or a stream."""

    def __init__(self, door: Door[Any] | Desk, scope: Scope, send: Send) -> None:
        self.id: bytes = scope["state"]["request_id"]
        self.app: str | None = scope["state"]["app"]
        self.receipt = Receipt(door=door.name)
        self.status = 0
        self.asked = ""
        self.is_stream = False
        self.is_local = False
        self.bytes_in = 0
        self._bytes_out = 0
        self._is_over = False
        self.headers: Mapping[bytes, bytes] = scope["state"]["headers"]
        if parent := self.headers.get(b"traceparent"):
            self.receipt.traceparent = parent[:MAX_TRACEPARENT]
        self._door = door
        self._identified: Identified | None = getattr(door, "identified", None)
        self._stream: Stream | None = None
        self._waiting: Waiting | None = None
        self._send = send
        self._at = time.time()
        self._error: str | None = None

    def opening(self) -> Opening:
        """What its writer may begin with."""
        return Opening(self.id.decode("ascii"), time.time(), self.receipt.prompt_guess)

    async def read(self, fold: Fold, events: AsyncIterator[list[Any]], work: Work) -> None:
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
            if not (fold.cut() and work.undo_late()):
                raise
            self.receipt.warn("cut=deadline")

    async def single(self, fold: Fold) -> None:
        """Send the answer in one piece."""
        try:
            body = fold.end()
        except UNREADABLE as error:
            raise from_adapter(self._unreadable(error)) from None
        await self.reply(Reply(200, fold.headers, body))

    def may_wait(self, begin: Callable[[Opening], Stream]) -> Waiting:
        """What keeps the client waiting, each time it is nudged, until there is something to say.

        The answer has begun by that: what fails then is told as it is on the way.
        """

        async def word() -> None:
            if self._stream is None:
                self._stream = begin(self.opening())
            if not self.status:
                await self._start(200, self._stream.headers)
            if data := self._stream.wait():
                await self._send_body(data, more=True)

        self._waiting = Waiting(word)
        return self._waiting

    def drop_waiting(self) -> None:
        """Nobody waits any more."""
        if self._waiting is not None:
            self._waiting.drop()

    async def stream(
        self, begin: Callable[[Opening], Stream], events: AsyncIterator[list[Any]]
    ) -> None:
        """Send the answer as it comes; how a failure on the way is told is the door's matter."""
        if self._waiting is not None:
            await self._waiting.over()
        stream = self._stream = self._stream or begin(self.opening())
        try:
            async for batch in events:
                try:
                    data = stream.feed(batch)
                except UNREADABLE as error:
                    raise self._unreadable(error) from None
                if not self.status:
                    await self._start(200, stream.headers)
                if data:
                    await self._send_body(data, more=True)
        except AdapterError as error:
            await self.fail(from_adapter(error))
            return
        await self._send_body(stream.end(), more=False)

    def _unreadable(self, error: Exception) -> AdapterError:
        """The error of an answer that cannot be told in the protocol's words."""
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
        """Send `error` as the answer, or as the end of a stream that has begun."""
        self._error = error.code or error.type
        if self._waiting is not None:
            await self._waiting.over()
        if not self.status:
            await self.reply(self._door.refusal(error))
        elif self._stream is not None:
            await self._send_body(self._stream.fail(error), more=False)

    async def reply(self, reply: Reply) -> None:
        """Send an answer that is there as a whole."""
        if self._identified is not None:
            reply = self._identified(reply, self.id)
        await self._start(reply.status, reply.head())
        await self._send_body(reply.body, more=False)

    async def _start(self, status: int, headers: Sequence[Header]) -> None:
        message: Message = {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, *receipt_headers(self.receipt)],
        }
        await self._send(message)
        self.status = status  # not before: while it waited for its turn, it may have been given up

    async def _send_body(self, data: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
        self._bytes_out += len(data)
        self._is_over = not more

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
            is_retry=self.headers.get(b"x-stainless-retry-count", b"0") != b"0",
        )
