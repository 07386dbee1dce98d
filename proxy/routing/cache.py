"""Answers that are given again to who asks exactly the same: off unless it is asked for.

Never by likeness: a key holds all that may change an answer. Kept are events, not bytes, so that
each door tells them in its own words, piece for piece as they came.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from importlib.metadata import version
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from adapters.base import RateLimits
from adapters.tasks import SPOKEN
from adapters.wire.portions import size_of
from proxy.routing.answers.receipt import Receipt
from proxy.routing.planning.preference import Preference
from proxy.settings import Settings

MIB = 1024 * 1024
MAX_KEYED_BYTES = 4 * MIB
"""Of a request: what is larger is asked anew each time, as finding it again takes 2 ms a MiB."""
GOOD_ENDS = frozenset({"stop", "tool_calls"})
LARGEST_SHARE = 8
"""No answer takes more than this part of the whole room."""

Ask = Callable[[], Awaitable["Events"]]


class Events(Protocol):
    def __aiter__(self) -> AsyncIterator[list[Any]]: ...
    async def __anext__(self) -> list[Any]: ...
    async def aclose(self) -> None: ...


class Kept(Struct, frozen=True):
    """A whole answer: its events as they came, and whose they are."""

    batches: Sequence[list[Any]]
    prompt_guess: int
    provider: str | None
    model: str | None
    warnings: Sequence[str]


class Shelf(Protocol):
    """Where answers are kept for a time; `room` is how many bytes of them."""

    room: int

    async def get(self, key: bytes) -> Kept | None: ...
    def put(self, key: bytes, kept: Kept) -> None: ...
    async def amount(self) -> tuple[int, int]: ...
    async def clear(self) -> None: ...
    async def close(self) -> None: ...


class InMemory:
    """At most `room` bytes of answers, each for `ttl_s` seconds; the least used are forgotten."""

    def __init__(self, room: int, ttl_s: float, clock: Callable[[], float]) -> None:
        self.room = room
        self.size = 0
        self._ttl_s = ttl_s
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[Kept, int, float]] = OrderedDict()

    async def get(self, key: bytes) -> Kept | None:
        if key not in self._kept:
            return None
        kept, _, until = self._kept[key]
        if until <= self._clock():
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept

    def put(self, key: bytes, kept: Kept) -> None:
        size = len(msgspec.msgpack.encode(kept.batches))
        if size > self.room // LARGEST_SHARE:
            return
        self._drop(key)
        self._kept[key] = kept, size, self._clock() + self._ttl_s
        self.size += size
        while self.size > self.room:
            self._drop(next(iter(self._kept)))

    async def amount(self) -> tuple[int, int]:
        return len(self._kept), self.size

    async def clear(self) -> None:
        self._kept.clear()
        self.size = 0

    async def close(self) -> None:
        """Nothing is left to be done."""

    def _drop(self, key: bytes) -> None:
        if key in self._kept:
            self.size -= self._kept.pop(key)[1]


class AnswerCache:
    """Answers by their keys, on a `shelf`; `salt` is what of the settings changes an answer."""

    def __init__(self, shelf: Shelf, salt: bytes = b"") -> None:
        self._shelf = shelf
        self.salt = salt
        self._under_way: dict[bytes, asyncio.Event] = {}

    async def answer(self, ask: Ask, key: bytes, receipt: Receipt, *, fresh: bool) -> Events:
        """The answer that is kept, or what `ask` gives, which is then kept if it is whole.

        Who asks the same meanwhile waits for that. `fresh` passes over what is kept.
        """
        if not fresh:
            kept = await self._shelf.get(key)
            if kept is None and (other := self._under_way.get(key)):
                await other.wait()  # once: should it fail, each is on its own
                kept = await self._shelf.get(key)
            if kept is not None:
                return _again(kept, receipt)
        over = asyncio.Event()
        self._under_way.setdefault(key, over)
        try:
            answer = await ask()
        except BaseException:
            self._end(key, over)
            raise
        return _Recording(
            answer,
            receipt,
            lambda batches: self._keep(key, batches, receipt),
            lambda: self._end(key, over),
            self._shelf.room // LARGEST_SHARE,
        )

    def _keep(self, key: bytes, batches: Sequence[list[Any]], receipt: Receipt) -> None:
        is_first_choice = bool(receipt.considered) and (
            receipt.tries[-1].provider == receipt.considered[0].provider
        )
        if receipt.finish not in GOOD_ENDS or not is_first_choice:
            return
        kept = Kept(
            batches,
            receipt.prompt_guess,
            receipt.provider,
            receipt.model,
            tuple(receipt.warnings),
        )
        self._shelf.put(key, kept)

    def _end(self, key: bytes, over: asyncio.Event) -> None:
        over.set()
        if self._under_way.get(key) is over:
            del self._under_way[key]


def _again(kept: Kept, receipt: Receipt) -> Events:
    """What is kept, given again. Nobody is asked and nothing used, so nothing is counted."""
    receipt.provider, receipt.model = kept.provider, kept.model
    receipt.prompt_guess = kept.prompt_guess
    receipt.brought = sum(size_of(event) for batch in kept.batches for event in batch)
    for word in (*kept.warnings, "cached"):
        receipt.warn(word)
    return _each(kept.batches)


async def _each(batches: Sequence[list[Any]]) -> AsyncGenerator[list[Any], None]:
    for batch in batches:
        yield batch


class _Recording:
    """An answer that is kept on its way, as long as it is no larger than `most` events allow."""

    def __init__(
        self,
        answer: Events,
        receipt: Receipt,
        keep: Callable[[Sequence[list[Any]]], None],
        end: Callable[[], None],
        most: int,
    ) -> None:
        self._answer = answer
        self._receipt = receipt
        self._keep = keep
        self._end = end
        self._most = most
        self._batches: list[list[Any]] | None = []

    def __aiter__(self) -> _Recording:
        return self

    async def __anext__(self) -> list[Any]:
        try:
            batch = await anext(self._answer)
        except StopAsyncIteration:
            if self._batches is not None:
                self._keep(self._batches)
            self._end()
            raise
        if self._batches is not None:
            self._batches.append([event for event in batch if type(event) is not RateLimits])
            if self._receipt.written > self._most:
                self._batches = None
        return batch

    async def aclose(self) -> None:
        """Stop the provider; what was not whole is not kept."""
        self._end()
        await self._answer.aclose()


def key_of(
    request: Any,
    app: str | None,
    preference: Preference,
    fallback: bool | None,
    said: str,
    salt: bytes = b"",
) -> bytes | None:
    """By what an answer is found again; None where it may not be given twice.

    That is where chance has its part in it, unless the client has `said` that it is to be.
    """
    if type(request) not in SPOKEN or said == "off":
        return None
    is_repeatable = request.params.get("temperature") == 0 or "seed" in request.params
    if said not in ("on", "refresh") and not is_repeatable:
        return None
    whole = msgspec.msgpack.encode((app, preference, fallback, request))
    return hashlib.blake2b(whole, digest_size=32, key=salt).digest()


def salt_of(settings: Settings) -> bytes:
    """What else changes an answer, and may be another after a restart. No key is part of it."""
    providers = {name: one.model_dump_json() for name, one in settings.providers.items()}
    whole = msgspec.msgpack.encode((version("pointsman"), providers, settings.compact))
    return hashlib.blake2b(whole, digest_size=32).digest()
