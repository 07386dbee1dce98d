"""A column of the table: a door, the official SDK that reads it, and what cannot be said there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
from starlette.routing import compile_path

from proxy.doors import DOORS, Entrance, keeping
from proxy.doors.door import Call, Door, Opening
from proxy.doors.responses.in_memory import Turns
from proxy.errors import ApiError
from tests.proxy.doors.golden.features import Feature, Meaning

NOW_S = 1_800_000_000.0
NEVER = "-"
"""Of what a client of the protocol cannot ask for, so that it never happens there."""


@dataclass(frozen=True)
class Gap:
    """What cannot be said: the words of the table for it, and how the meaning then differs."""

    words: str
    changes: Mapping[str, Any] = field(default_factory=dict)


class Reader(Protocol):
    """`door` is its name in `ENTRANCES`, `title` heads the column, `raises` is the SDK's error.

    A request has to ask for what the feature is about, as a client would: for thoughts, for
    probabilities, for several choices, for tools.
    """

    door: str
    title: str
    gaps: Mapping[str, Gap]
    raises: type[Exception]

    def stream(self, line: httpx.BaseTransport, feature: Feature) -> Meaning: ...
    def whole(self, line: httpx.BaseTransport, feature: Feature) -> Meaning: ...


def entrances() -> Sequence[Entrance]:
    """All that a reader may come in by."""
    return (*DOORS, *keeping(Turns(lambda: 0.0, most=0)))


@dataclass
class Line(httpx.BaseTransport):
    """Instead of a network: a door, and behind it what is answered.

    `fails` ends a stream after its last batch, or stands for the whole answer.
    """

    door: str
    feature: Feature
    fails: ApiError | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        door, call = self._at(request)
        asked: Any = door.read(call)
        opening = Opening("req_golden", NOW_S, prompt_guess=3)
        if asked.stream:
            stream = door.stream(asked, opening)
            pieces = [stream.feed(batch) for batch in self.feature.batches]
            pieces.append(stream.fail(self.fails) if self.fails else stream.end())
            return httpx.Response(200, headers=[*stream.headers], content=b"".join(pieces))
        if self.fails:
            reply = door.refusal(self.fails)
            return httpx.Response(reply.status, headers=[*reply.headers], content=reply.body)
        fold = door.fold(asked, opening)
        for batch in self.feature.batches:
            fold.feed(batch)
        return httpx.Response(200, headers=[*fold.headers], content=fold.end())

    def _at(self, request: httpx.Request) -> tuple[Door[Any], Call]:
        """The door, and the call as it comes there."""
        path, body = request.url.path, request.read()
        headers = {name.lower(): value for name, value in request.headers.raw}
        for one in entrances():
            if one.door.name == self.door:
                for pattern in map(compile_path, one.paths):
                    if found := pattern[0].match(path):
                        params = found.groupdict()
                        door: Any = one.door
                        query = request.url.query
                        return door, Call(body, request.method, path, params, query, headers)
        raise AssertionError(f"{path} is none of the paths of {self.door}")
