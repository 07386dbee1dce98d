"""The contract of an operation: what sets one kind of request apart from the others.

Plan, limits, health and receipts are the same for all. Here stands which model does it, what it
needs of that, how much it takes, and which method of an adapter is called.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from adapters.base import Adapter, AdapterError, Capabilities, NativeCall, Usage
from proxy.routing.pictures.conversion import Album
from proxy.routing.pictures.fetching import ImageFetcher

R = TypeVar("R")
Spent = Callable[[int, Usage | AdapterError], None]
"""Told the number of each of several calls, and how it has ended."""


class Calls(Struct, frozen=True):
    """How many calls there are at once; with `one_first` the others wait for its first content."""

    count: int
    spent: Spent
    one_first: bool = False


class Pin(Struct, frozen=True):
    """One model for all requests of a kind, in whose place no other may answer.

    `name` is the model with its provider, or a provider, or "" for the first that can.

    `stands_for` are the names of which it is sure that no provider here means them.
    """

    name: str
    stands_for: re.Pattern[str]


class Operation(Protocol[R]):
    """`R` is a `Struct` that has a `model`. Pure, except for `prepared` and `events`."""

    @property
    def name(self) -> str:
        """What stands in receipts and traces; OpenTelemetry's word, where it has one."""

    @property
    def model(self) -> Callable[[Adapter], str | None] | None:
        """Tells which model an adapter does this with if none is named, None if it cannot do it.

        Without such a function all can, and the model that the user has chosen does it.
        """

    @property
    def pin(self) -> Pin | None:
        """The one model that does it, whatever is switched on. None where any may do it."""

    def needs(self, request: R) -> Mapping[str, str]:
        """What it needs of a model: field of Capabilities -> the parameter that needs it."""

    def tokens(self, request: R) -> tuple[int, int]:
        """About how many tokens are asked, and how many may be answered."""

    def may_take_more(self, request: R) -> bool:
        """Whether any model might need several calls for it."""

    def calls(self, request: R, can: Capabilities) -> int:
        """How many calls at once a model needs for it."""

    def native(self, adapter: Adapter, request: R) -> NativeCall:
        """The call that it becomes. Raises AdapterError."""

    async def prepared(self, request: R, adapter: Adapter, images: ImageFetcher, album: Album) -> R:
        """The request with pictures as its model takes them. Raises ApiError, AdapterError."""

    def events(self, adapter: Adapter, request: R, calls: Calls) -> AsyncGenerator[list[Any], None]:
        """The answer, in so many calls."""

    async def first(
        self, events: AsyncGenerator[list[Any], None], provider: str
    ) -> tuple[list[Any], AsyncGenerator[list[Any], None]]:
        """All events up to the first that commits the answer, and those that follow."""


Operations = Mapping[type, Operation[Any]]
