"""One request's answer while it is written: headers once, then a body or a stream."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, TypeVar

from starlette.types import Message, Scope, Send

from adapters.base import AdapterError, ErrorKind, ToolCall
from adapters.wire.aside import LARGE_BYTES, aside
from adapters.wire.native import UNREADABLE
from proxy.doors.door import Desk, Door, Fold, Opening, Stream
from proxy.doors.serving.answer_headers import receipt_headers
from proxy.doors.serving.waiting import Waiting
from proxy.errors import ApiError, from_adapter
from proxy.gate.work import Work
from proxy.reply import Header, Reply
from proxy.routing.answers.receipt import Receipt
from proxy.store.keys.lease import Lease
from proxy.store.usage.rows import LEFT, UsageRow, usage_row

log = logging.getLogger("pointsman.request")

T = TypeVar("T")

LINE = "%(request_id)s %(status)d %(provider)s/%(model)s %(ms).0f ms attempts=%(attempts)s"
LINE_OF_ERROR = f"{LINE} error=%(error)s"

MAX_TRACEPARENT = 128
Identified = Callable[[Reply, bytes], Reply]
"""How a door puts a request's id in a place of its own."""


class Exchange:
    """What an endpoint writes to; afterwards its `row` is what was said.

    `status` is 0 until the answer has begun; `asked` is the model as the client named it. What
    `is_local` was answered without a provider, and is no use of one. `lease` is what was held of
    the limits of the client's key, if it has any.
    """

    def __init__(self, door: Door[Any] | Desk, scope: Scope, send: Send) -> None:
        self.id: str = scope["state"]["request_id"].decode("ascii")
        self.app: str | None = scope["state"]["app"]
        self.receipt = Receipt(door=door.name)
        self.status = 0
        self.asked = ""
        self.is_stream = False
        self.is_local = False
        self.bytes_in = 0
        self._bytes_out = 0
        self._kinds: set[type] | None = None
        self._is_over = False
        self.headers: Mapping[bytes, bytes] = scope["state"]["headers"]
        if b"traceparent" in self.headers:
            self.receipt.traceparent = self.headers[b"traceparent"][:MAX_TRACEPARENT]
        self.lease: Lease | None = None
        self._door = door
        self._identified: Identified | None = getattr(door, "identified", None)
        self._stream: Stream | None = None
        self._waiting: Waiting | None = None
        self._send = send
        self._at = time.time()
        self._error: str | None = None

    def opening(self) -> Opening:
        return Opening(self.id, time.time(), self.receipt.prompt_guess)

    async def read(self, fold: Fold, events: AsyncIterator[list[Any]], work: Work) -> None:
        """Read the whole answer, or as much of it as there is when its time is up."""
        receipt = self.receipt
        try:
            async for batch in events:
                try:
                    if receipt.written + receipt.brought <= LARGE_BYTES:
                        fold.feed(batch)
                    else:
                        await self._beside(fold.feed, batch)
                except UNREADABLE as error:
                    raise self._unreadable(error) from None
        except AdapterError as error:
            raise from_adapter(error) from None
        except asyncio.CancelledError:
            if not (fold.cut() and work.undo_late()):
                raise
            self.receipt.warn("cut=deadline")

    async def single(self, fold: Fold) -> None:
        try:
            body = await self._end_of(fold)
        except AdapterError as error:
            raise from_adapter(error) from None
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
        """Nobody waits any more, and what would have been said holds this no longer."""
        if self._waiting is not None:
            self._waiting.drop()
            self._waiting = None

    async def stream(
        self, begin: Callable[[Opening], Stream], events: AsyncIterator[list[Any]]
    ) -> None:
        """Send the answer as it comes; how a failure on the way is put is the door's matter."""
        if self._waiting is not None:
            await self._waiting.over()
        receipt = self.receipt
        stream = self._stream = self._stream or begin(self.opening())
        try:
            async for batch in events:
                try:
                    if receipt.written + receipt.brought <= LARGE_BYTES:
                        data = stream.feed(batch)
                    else:
                        data = await self._beside(stream.feed, batch)
                except UNREADABLE as error:
                    raise self._unreadable(error) from None
                if not self.status:
                    await self._start(200, stream.headers)
                if data:
                    await self._send_body(data, more=True)
            data = await self._end_of(stream)
        except AdapterError as error:
            await self.fail(from_adapter(error))
            return
        await self._send_body(data, more=False)

    async def _end_of(self, writer: Fold | Stream) -> bytes:
        try:
            size = self._size
            return writer.end() if size <= LARGE_BYTES else await aside(size, writer.end)
        except UNREADABLE as error:
            raise self._unreadable(error) from None

    async def _beside(self, feed: Callable[[list[Any]], T], batch: list[Any]) -> T:
        """What a writer makes of a batch of a large answer.

        Where a text or a call may end, all of it is told once more: beside the others.
        """
        kinds, self._kinds = self._kinds, {*map(type, batch)}
        is_same = kinds == self._kinds and len(kinds) == 1 and ToolCall not in kinds
        return feed(batch) if is_same else await aside(self._size, feed, batch)

    @property
    def _size(self) -> int:
        return self.receipt.written + self.receipt.brought

    def _unreadable(self, error: Exception) -> AdapterError:
        """The error of an answer that cannot be put in the protocol's words."""
        log.warning("%s: the answer cannot be told: %s", self.id, type(error))
        return AdapterError(
            ErrorKind.BAD_RESPONSE,
            "the answer is not what the provider's API promises",
            provider=self.receipt.provider or "",
        )

    def left(self) -> None:
        """The client has hung up: that does not matter if it had its whole answer by then."""
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
        if self._identified is not None:
            reply = self._identified(reply, self.id.encode())
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

    def row(self) -> UsageRow:
        return usage_row(
            self.receipt,
            request_id=self.id,
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


def log_row(row: UsageRow) -> None:
    """One line a request: no prompt, no answer, no key."""
    fields = {
        "request_id": row.request_id,
        "status": row.status,
        "provider": row.provider or "-",
        "model": row.model or "-",
        "ms": int((row.total_s + row.loading_s) * 10_000) / 10,
        "attempts": ",".join(row.receipt.attempts) or "-",
    }
    if row.error:
        fields["error"] = row.error
    log.info(LINE_OF_ERROR if row.error else LINE, fields)
