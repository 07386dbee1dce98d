"""What was said, for a time that the owner has asked for. Without that, nothing is kept.

In memory only, and bounded. When the time is over, the server ends, or the owner says so, all of it
is forgotten: there is no file that could be left behind.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.base import Json
from proxy.doors.reading.body import parse_json
from proxy.doors.reading.checks import whole
from proxy.redact import Mask

log = logging.getLogger("pointsman.kept")

MAX_MINUTES = 24 * 60
MAX_SIDE_BYTES = 256 * 1024
"""The most that is kept of one request's body, and of its answer."""
MAX_BYTES = 32 * 1024 * 1024


@dataclass(slots=True)
class Talk:
    """What one client sent and got; `cut` where that was more than is kept."""

    request: bytes = b""
    answer: bytes = b""
    cut: bool = False

    def hear(self, message: Message) -> None:
        self.request = self._longer(self.request, message)

    def say(self, message: Message) -> None:
        self.answer = self._longer(self.answer, message)

    def _longer(self, said: bytes, message: Message) -> bytes:
        if message["type"] not in ("http.request", "http.response.body"):
            return said
        said += message.get("body", b"")
        self.cut = self.cut or len(said) > MAX_SIDE_BYTES
        return said[:MAX_SIDE_BYTES]

    @property
    def size(self) -> int:
        return len(self.request) + len(self.answer)


class Kept:
    """The talks by request id, the oldest first; `until` in Unix seconds, None while off."""

    def __init__(self, mask: Mask, *, wall: Callable[[], float] = time.time) -> None:
        self.until: float | None = None
        self._mask = mask
        self._wall = wall
        self._talks: dict[str, Talk] = {}
        self._size = 0
        self._ending: asyncio.TimerHandle | None = None

    @property
    def is_on(self) -> bool:
        if self.until is not None and self._wall() >= self.until:
            self.forget()
        return self.until is not None

    def state(self) -> Json:
        """Until when talks are kept, and how many there are."""
        return {"until": self.until if self.is_on else None, "requests": len(self._talks)}

    def keep(self, body: bytes) -> Json:
        """Keep what is said for `minutes` from now on. Raises ApiError 400."""
        minutes = whole(1, MAX_MINUTES)("minutes", parse_json(body).get("minutes"))
        self._cancel()
        self.until = self._wall() + minutes * 60
        self._ending = asyncio.get_running_loop().call_later(minutes * 60, self.forget)
        log.warning("prompts and answers are kept in memory for %d minutes", minutes)
        return self.state()

    def forget(self) -> Json:
        if self.until is not None:
            log.warning("prompts and answers are no longer kept; %d forgotten", len(self._talks))
        self._cancel()
        self.until = None
        self._talks.clear()
        self._size = 0
        return self.state()

    def put(self, request_id: str, talk: Talk) -> None:
        """Take a talk that has ended, unless the time is over; the oldest make room."""
        if not self.is_on:
            return
        self._drop(request_id)
        self._talks[request_id] = talk
        self._size += talk.size
        while self._size > MAX_BYTES:
            self._drop(next(iter(self._talks)))

    def said(self, request_id: str) -> Json:
        """What was said in a request, as text without keys; null where it is not kept."""
        talk = self._talks.get(request_id) if self.is_on else None
        if talk is None:
            return {"request": None, "answer": None, "cut": False}
        request, answer = (self._text(side) for side in (talk.request, talk.answer))
        return {"request": request, "answer": answer, "cut": talk.cut}

    def _text(self, said: bytes) -> str:
        return self._mask(said.decode(errors="replace"))

    def _drop(self, request_id: str) -> None:
        talk = self._talks.pop(request_id, None)
        self._size -= talk.size if talk else 0

    def _cancel(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None


class Keeper:
    """An ASGI application, with what passes through it kept while that is wanted."""

    def __init__(self, app: ASGIApp, kept: Kept) -> None:
        self._app = app
        self._kept = kept

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if self._kept.until is None or not self._kept.is_on:
            return self._app(scope, receive, send)
        return self._keeping(scope, receive, send)

    async def _keeping(self, scope: Scope, receive: Receive, send: Send) -> None:
        talk = Talk()

        async def hear() -> Message:
            message = await receive()
            talk.hear(message)
            return message

        async def say(message: Message) -> None:
            talk.say(message)
            await send(message)

        try:
            await self._app(scope, hear, say)
        finally:
            self._kept.put(scope["state"]["request_id"].decode("ascii"), talk)
