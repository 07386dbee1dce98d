"""An answer on its way from the provider to the client, told to all who keep count of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from adapters.base import AdapterError, Event, Phase, RateLimits, Start, Warn
from proxy.limits.limit_log import log_left
from proxy.limits.ticket import Ticket
from proxy.redact import Redactor
from proxy.routing.answers.first import nothing
from proxy.routing.answers.receipt import Receipt

_OF_ITSELF = frozenset({RateLimits, Start})
"""What a provider says of itself."""


class Answer:
    """The events of an answer, from its first content on; `ticket` is the permit that it came by.

    An object, not a generator: one that was never begun could not be closed.
    """

    def __init__(
        self,
        ticket: Ticket,
        receipt: Receipt,
        first: list[Any],
        rest: AsyncGenerator[list[Any], None],
        redactor: Redactor,
    ) -> None:
        self.ticket = ticket
        self._receipt = receipt
        self._first: list[Any] | None = first
        self._rest = rest
        self._redactor = redactor

    def __aiter__(self) -> Answer:
        return self

    async def __anext__(self) -> list[Any]:
        """The next batch. Raises AdapterError when the provider fails on the way."""
        if self._first is not None:
            batch, self._first = self._first, None
        else:
            try:
                batch = await anext(self._rest)
            except StopAsyncIteration:
                self.ticket.succeeded(self._receipt.usage)
                raise
            except AdapterError as met:
                raise self._failed(met) from None
        self._count(batch)
        return batch

    def _failed(self, met: AdapterError) -> AdapterError:
        """The failure as it is raised, and counted.

        No frame that it is raised through may hold it: all that was read so far would live on in
        that circle until the garbage collector comes by.
        """
        met = met.at(self.ticket.candidate.provider)
        error = self._redactor.masked(met).but(phase=Phase.AFTER_CONTENT)
        self.ticket.failed(error)
        return error

    def _count(self, batch: list[Any]) -> None:
        """Take over what a batch says; what a provider says of itself is masked in it."""
        if not _OF_ITSELF.isdisjoint(map(type, batch)):
            for at, event in enumerate(batch):
                if type(event) is RateLimits:
                    self.ticket.observed(event)
                    log_left(self.ticket.candidate.provider, event)
                elif type(event) is Start:
                    batch[at] = self._redactor.start(event)
        self._receipt.note(batch)

    async def aclose(self) -> None:
        """Stop the provider, if it has not ended by itself."""
        try:
            await self._rest.aclose()
        finally:
            self.ticket.abandoned()


def empty_answer(
    ticket: Ticket, events: list[Event], receipt: Receipt, redactor: Redactor
) -> Answer:
    """An answer without anything in it, marked as one; the call that gave it has ended."""
    receipt.provider, receipt.model = ticket.candidate.provider, ticket.candidate.model
    return Answer(ticket, receipt, [*events, Warn("empty_answer")], nothing(), redactor)
