"""A whole answer, and how a protocol reports a failure: all that the gate knows of protocols."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from msgspec import Struct

from proxy.errors import ApiError

Header = tuple[bytes, bytes]


class Reply(Struct, frozen=True):
    """An answer that is there as a whole."""

    status: int
    headers: Sequence[Header]
    body: bytes

    def head(self) -> list[Header]:
        return [*self.headers, (b"content-length", b"%d" % len(self.body))]


class Speller(Protocol):
    """How one protocol reports a failure. Pure."""

    def refusal(self, error: ApiError) -> Reply:
        """The answer that an error is."""

    def cut(self, error: ApiError) -> bytes:
        """The last bytes of a stream that has begun, and that nobody knows more of."""


NO_HEADERS: Mapping[bytes, bytes] = MappingProxyType({})
SpellerOf = Callable[[str, Mapping[bytes, bytes]], Speller]
"""Which protocol is spoken at a path, by who sends such headers."""


def refused(speller: Any, error: ApiError, request_id: bytes) -> Reply:
    """The answer that an error is, with the request's id where the protocol has a place for it.

    What all answers bear is told elsewhere.
    """
    return identified(speller, speller.refusal(error), request_id)


def identified(speller: Any, reply: Reply, request_id: bytes) -> Reply:
    """The answer with the request's id, where the protocol has a place for it."""
    tell = getattr(speller, "identified", None)
    told: Reply = tell(reply, request_id) if tell else reply
    return told
