"""What a door is: one protocol that clients speak. Pure: no I/O, no clock, no Starlette.

`endpoint.py` takes the requests, `exchange.py` sends the answers; a door says what they mean. A new
one costs a folder, and a line in `DOORS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl

from msgspec import Struct

from proxy.errors import ApiError
from proxy.reply import Header, Reply, Speller


class Call(Struct, frozen=True):
    """A request as it came, its headers by names in lower case; `params` are those of its path.

    `app` is the client by its key, if it has one; `request_id` is what its answer will bear.
    """

    body: bytes | bytearray = b""
    method: str = "POST"
    path: str = ""
    params: Mapping[str, str] = {}
    query: bytes = b""
    headers: Mapping[bytes, bytes] = {}
    app: str = ""
    request_id: bytes = b""

    def parameters(self) -> Mapping[str, str]:
        """Those of the query; the last of a name wins."""
        return dict(parse_qsl(self.query.decode("latin-1")))


class _Weight(Struct, frozen=True, kw_only=True):
    """Told by name alone, so that it stands before nothing that doors add."""

    beyond: int = 0


class Asked(_Weight, frozen=True):
    """What a client wants: a neutral request, and what else the form of the answer depends on.

    The type of `request` decides on the operation (`proxy/routing/operations/table.py`). `own` is
    what the body says to this server alone; `beyond` is about how much memory the request takes
    beside its body, for what was kept of earlier ones. Doors whose writers must know more derive a
    type.
    """

    request: Any
    stream: bool = False
    own: Any = None

    def told(self, error: ApiError) -> ApiError:
        """The failure of this request as its client knows its names."""
        return error


class Opening(Struct, frozen=True):
    """What is known of an answer before any of its events.

    `prompt_guess` is about how many tokens were asked, for protocols that tell it at the start.
    """

    request_id: str
    now_s: float
    prompt_guess: int = 0


class Stream(Protocol):
    """Writes an answer as it comes. What is returned is sent in one piece, nothing for b""."""

    @property
    def headers(self) -> Sequence[Header]: ...

    def feed(self, events: Sequence[Any]) -> bytes:
        """What these events make, in the order of the answer."""

    def end(self) -> bytes:
        """What comes at the end alone, and the protocol's end mark."""

    def wait(self) -> bytes:
        """What keeps the connection alive while there is nothing to say, at any place between."""

    def fail(self, error: Any) -> bytes:
        """The end of an answer that fails on its way; `error` is an ApiError."""


class Fold(Protocol):
    """Writes an answer in one piece, of the same events in the same order."""

    @property
    def headers(self) -> Sequence[Header]: ...

    def feed(self, events: Sequence[Any]) -> None: ...

    def cut(self) -> bool:
        """End where it is, for time is up; False where that would be no answer.

        So it is without any text, and with a call, which may be cut in its arguments.
        """

    def end(self) -> bytes: ...


class InOnePiece:
    """The part of a door that has no streams, and whose `read` never asks for one."""

    def stream(self, asked: Any, opening: Opening) -> Stream:
        raise NotImplementedError


A = TypeVar("A", bound=Asked)


class Door(Speller, Protocol[A]):
    """One protocol. `name` stands in receipts and in what explains a request."""

    name: str

    def read(self, call: Call) -> A | Reply:
        """What is asked; a reply where nobody need be asked for it. Raises ApiError."""

    def stream(self, asked: A, opening: Opening) -> Stream: ...
    def fold(self, asked: A, opening: Opening) -> Fold: ...


class Desk(Speller, Protocol):
    """A door behind which no provider is asked: lists, counts, what is kept."""

    name: str

    async def answer(self, call: Call) -> Reply:
        """The reply. Raises ApiError."""
