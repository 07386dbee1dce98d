"""The row of a request that has ended, and the queue in which rows wait. No prompt, no answer.

A request leaves its row in a bounded queue and goes; the store's thread fetches them in batches.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import islice

import orjson
from msgspec import Struct
from msgspec.structs import replace

from adapters.base import Json
from proxy.routing.answers.receipt import Receipt
from proxy.store.usage.prices import Price, Tokens

MAX_QUEUED = 10_000
MAX_TEXT = 128
MAX_FINISH = 32
MAX_COUNT = 2**31 - 1
FREE = Price()
LEFT = 499
"""The status of a request whose client hung up before its end."""


class UsageRow(Struct, frozen=True):
    """How one request ended. `at` is its start in Unix seconds; `asked` the model it named.

    `provider` and `model` are who was asked last, `first_choice` whose turn it was. `first_s` and
    `total_s` are the seconds to the first content and to the end, without the `loading_s` that a
    model took to be loaded. `partial` is an answer that had
    begun and was not finished. `is_retry` tells that the app's SDK has asked the same before.
    """

    request_id: str
    at: float
    app: str | None
    asked: str
    provider: str | None
    model: str | None
    first_choice: str | None
    is_stream: bool
    status: int
    error: str | None
    finish: str | None
    tokens: Tokens
    first_s: float | None
    total_s: float
    waited_s: float
    bytes_in: int
    bytes_out: int
    receipt: Receipt
    loading_s: float = 0.0
    is_retry: bool = False

    @property
    def cancelled(self) -> bool:
        return self.status == LEFT

    @property
    def partial(self) -> bool:
        is_cut = self.cancelled or (self.error is not None and self.status < 400)
        return is_cut and self.first_s is not None

    @property
    def rotated(self) -> bool:
        """Whether another than the first choice was asked in the end."""
        return self.provider is not None and self.provider != self.first_choice

    def columns(self, price: Price = FREE) -> dict[str, object]:
        tokens = self.tokens
        return {
            "request_id": self.request_id,
            "at_ms": int(self.at * 1000),
            "app": _text(self.app),
            "asked": _text(self.asked),
            "provider": self.provider,
            "model": _text(self.model),
            "first_choice": self.first_choice,
            "stream": self.is_stream,
            "status": self.status,
            "error": _text(self.error),
            "finish": _text(self.finish, MAX_FINISH),
            "prompt": _count(tokens.prompt),
            "completion": _count(tokens.completion),
            "reasoning": _count(tokens.reasoning),
            "cached": _count(tokens.cached),
            "estimated": tokens.estimated,
            "first_s": self.first_s,
            "total_s": self.total_s,
            "waited_s": self.waited_s,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "attempts": len(self.receipt.tries),
            "rotated": self.rotated,
            "cancelled": self.cancelled,
            "partial": self.partial,
            "story": orjson.dumps(_story(self.receipt)).decode(),
            "list_nano_usd": price.list_nano_usd,
            "billed": price.billed,
            "arm": self.receipt.arm,
            "loading_s": self.loading_s or None,
        }


def usage_row(
    receipt: Receipt,
    *,
    request_id: str,
    at: float,
    app: str | None,
    asked: str,
    is_stream: bool,
    status: int,
    error: str | None,
    bytes_in: int,
    bytes_out: int,
    is_retry: bool = False,
) -> UsageRow:
    considered, first_s = receipt.considered, receipt.first_s
    loading_s = receipt.usage.loading_s if receipt.usage else 0
    if loading_s := loading_s or receipt.loading_s:
        loading_s = min(loading_s, first_s or 0)
    return UsageRow(
        request_id,
        at,
        app,
        asked,
        receipt.provider,
        receipt.model,
        considered[0].provider if considered else None,
        is_stream,
        status,
        error,
        receipt.finish,
        _tokens(receipt),
        None if first_s is None else first_s - loading_s,
        receipt.elapsed_s() - loading_s,
        receipt.waited_s,
        bytes_in,
        bytes_out,
        receipt,
        loading_s,
        is_retry,
    )


def _tokens(receipt: Receipt) -> Tokens:
    if used := receipt.usage:
        if before := receipt.spent_before:
            used = replace(
                used,
                prompt=used.prompt + before.prompt,
                completion=used.completion + before.completion,
            )
        return Tokens(used.prompt, used.completion, used.reasoning, used.cached)
    if receipt.first_s is None:
        return Tokens()
    return Tokens(receipt.prompt_guess, math.ceil(receipt.written / 4), estimated=True)


def _story(receipt: Receipt) -> Json:
    """What a person reads of a receipt: who was considered, who was not asked, what was tried."""
    return {
        "door": receipt.door,
        "considered": [str(candidate) for candidate in receipt.considered],
        "passed": {str(candidate): why for candidate, why in receipt.passed.items()},
        "tries": [
            {
                "provider": one.provider,
                "model": one.model,
                "outcome": one.outcome,
                "reason": one.reason,
                "waited_s": int(one.waited_s * 10_000) / 10_000,  # `round` takes ten times as long
                "ended_s": int(one.ended_s * 10_000) / 10_000,
                "maybe_billed": one.maybe_billed,
            }
            for one in receipt.tries
        ],
        "warnings": receipt.warnings,
        "upstream_id": _text(receipt.upstream_id),
    }


def _text(told: str | None, most: int = MAX_TEXT) -> str | None:
    """A text as every database takes it, whatever a client or a provider has made of it."""
    if not told or (told.isascii() and told.isprintable()):
        return told and told[:most]
    return told[:most].replace("\0", " ").encode(errors="replace").decode()


def _count(told: int | None) -> int | None:
    """A number as every database takes it: one that is not taken would keep the rest back."""
    return told if told is None or 0 <= told <= MAX_COUNT else max(0, min(told, MAX_COUNT))


class UsageQueue:
    """Rows that are not written yet, at most `size`; `dropped` counts what found no place."""

    def __init__(self, size: int = MAX_QUEUED) -> None:
        self._rows: deque[UsageRow] = deque()
        self._size = size
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, row: UsageRow) -> None:
        """Take a row, or count that there was no room for it."""
        if len(self._rows) < self._size:
            self._rows.append(row)
        else:
            self.dropped += 1

    def oldest(self, most: int) -> Sequence[UsageRow]:
        """The rows that came first; they stay until they are `written`."""
        return list(islice(self._rows, most))

    def written(self, count: int) -> None:
        """Forget the rows that came first: they are in the database."""
        for _ in range(count):
            self._rows.popleft()
