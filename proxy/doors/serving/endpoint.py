"""What takes the requests at a door, whatever its protocol, and has each answered."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.types import Receive, Scope, Send

from adapters.base import ChatRequest
from adapters.wire.aside import ASIDE, LARGE_BYTES, WEIGHT, Aside
from proxy.doors.door import Asked, Call, Desk, Door
from proxy.doors.serving.exchange import Exchange, log_row
from proxy.doors.serving.request_headers import deadline_of, fallback_of
from proxy.errors import ApiError, internal_error
from proxy.gate.body import ClientLeft, read_body, watch
from proxy.gate.room import Admission, Place
from proxy.gate.work import Rounds, Work, forget
from proxy.reply import Reply
from proxy.routing.answers.thinktags import split_think_tags
from proxy.routing.cache import MAX_KEYED_BYTES, AnswerCache, Events, key_of
from proxy.routing.compact import Asks
from proxy.routing.planning.preference import Preference
from proxy.routing.planning.sessions import talk_of
from proxy.routing.planning.split import drawn
from proxy.store.keys.allowances import Allowances
from proxy.store.usage.rows import UsageRow

log = logging.getLogger("pointsman.request")


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
    allowances: Allowances | None = None


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
        exchange = Exchange(self._door, scope, send)
        place = Place(service.admission, scope["state"].get("client", ""))
        work = Work(service.rounds)
        try:
            await self._serve(scope, receive, exchange, place, work)
        except asyncio.CancelledError as cancelled:
            if not work.undo_left():
                raise
            forget(cancelled)
            exchange.left()
        finally:
            work.close()
            exchange.drop_waiting()
            place.leave()
            row = exchange.row()
            log_row(row)
            if service.record is not None and not exchange.is_local:
                service.record(row)
                if exchange.lease is not None and service.allowances is not None:
                    service.allowances.settle(exchange.lease, row)

    async def _serve(
        self, scope: Scope, receive: Receive, exchange: Exchange, place: Place, work: Work
    ) -> None:
        unwatch: Callable[[], None] | None = None
        try:
            state = scope["state"]
            body = await read_body(state["headers"], receive, place, is_form=self._takes_form)
            exchange.bytes_in = len(body)
            unwatch = watch(scope, receive, work.stop_left)
            await place.enter()
            call = Call(
                body=body,
                method=scope["method"],
                path=scope["path"],
                params=scope.get("path_params") or {},
                query=scope["query_string"],
                headers=state["headers"],
                app=exchange.app or "",
                request_id=state["request_id"],
            )
            ASIDE.set(self._service.aside)
            if self._prepare is not None:
                await self._prepare(call)
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
            WEIGHT.set(place.held)
            exchange.asked = asked.request.model
            exchange.is_stream = asked.stream
            await self._answer(asked, exchange, work)
        except ApiError as error:
            await exchange.fail(error)
        except ClientLeft:
            exchange.left()
        except Exception:
            log.exception("%s failed inside the proxy", exchange.id)
            await exchange.fail(internal_error())
        finally:
            if unwatch is not None:
                unwatch()

    async def _answer(self, asked: Asked, exchange: Exchange, work: Work) -> None:
        service = self._service
        preference = await service.preference(exchange.app)
        if preference.split:
            preference = drawn(preference, talk_of(exchange.headers, exchange.app, asked.request))
        allowances, app = service.allowances, exchange.app
        if allowances is not None and app is not None and app in allowances.named:
            exchange.lease = await allowances.enter(app, asked.request)
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
                    work.ends_at = math.inf  # from the first content on, the idle limits hold
                    work.nudges_at = math.inf
                    await exchange.stream(partial(self._door.stream, asked), events)
                else:
                    fold = self._door.fold(asked, exchange.opening())
                    await exchange.read(fold, events, work)
                    work.ends_at = math.inf  # how long the client takes to read is its own matter
                    await exchange.single(fold)
            finally:
                await answer.aclose()
        except ApiError as error:
            raise asked.told(error) from None
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
        exchange: Exchange,
        work: Work,
        deadline_s: float,
    ) -> Awaitable[Events]:
        """The answer of a provider, or one that was given before to the same."""
        request, receipt = asked.request, exchange.receipt
        headers, app = exchange.headers, exchange.app
        fallback = fallback_of(headers, asked.own)

        def ask() -> Awaitable[Events]:
            return self._service.router.answer(
                request,
                preference,
                receipt,
                work,
                deadline_s=deadline_s,
                fallback=fallback,
                talk=partial(talk_of, headers, app, request),
                agree=exchange.lease.agree if exchange.lease is not None else None,
            )

        cache = self._service.cache
        if cache is None or work.weight > MAX_KEYED_BYTES:
            return ask()
        said = headers.get(b"x-pointsman-cache", b"").decode("latin-1").lower()
        key = key_of(request, app, preference, fallback, said, cache.salt)
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
