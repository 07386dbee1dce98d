"""Answers in one piece."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from adapters.wire.writing import dumps
from proxy.reply import Header, Reply

JSON_TYPE: Header = (b"content-type", b"application/json; charset=utf-8")
TEXT_TYPE: Header = (b"content-type", b"text/plain; charset=utf-8")

T = TypeVar("T")


def json_reply(value: Any, *headers: Header) -> Reply:
    return Reply(200, (JSON_TYPE, *headers), dumps(value))


class Whole:
    """A fold that keeps all events until `write` makes the answer of them: less would be none."""

    def __init__(
        self,
        write: Callable[[Sequence[Any]], bytes],
        headers: Sequence[Header] = (JSON_TYPE,),
    ) -> None:
        self.headers = headers
        self._write = write
        self._events: list[Any] = []

    def feed(self, events: Sequence[Any]) -> None:
        self._events += events

    def cut(self) -> bool:
        return False

    def end(self) -> bytes:
        return self._write(self._events)


def last(kind: type[T], events: Sequence[Any]) -> T | None:
    """The last of the events that is of this kind."""
    return next((event for event in reversed(events) if type(event) is kind), None)
