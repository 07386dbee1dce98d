"""The kinds of traffic, and the requests that they are made of."""

from __future__ import annotations

import json
from dataclasses import dataclass

from parts.load import Job
from parts.systems import System

SENTENCE = "Tell me about the harbour and its lights. "
FIRST_TEXT = "some words"
"""What the upstream's answers begin with."""
PLAIN_CHUNKS = 4
"""In how many pieces the upstream tells a plain answer that it is asked for as a stream."""


@dataclass(frozen=True)
class Load:
    """One kind of traffic; `chunks` tells how many words a stream has, 0 that there is none."""

    name: str
    connections: int
    chunks: int = 0
    delay_ms: float = 0
    turns: int = 1
    a_chunk: bool = False

    @property
    def units(self) -> int:
        """Into how many parts the CPU of one request is divided."""
        return self.chunks if self.a_chunk else 1


ONE = Load("plain, 1 connection", 1)
PLAIN = Load("plain, 16 connections", 16)
WAITING = Load("plain, 64 in flight, upstream 50 ms", 64, delay_ms=50)
MANY = Load("plain, 256 in flight, upstream 50 ms", 256, delay_ms=50)
LONG = Load("100 KB in, 210 turns", 8, turns=210)
STREAM = Load("stream, 1 connection", 1, chunks=20)
CHUNKS = Load("a chunk, 8 streams of 100, 2 ms apart", 8, chunks=100, a_chunk=True)
STREAMS = Load("a stream of 20 chunks, 256 at once", 256, chunks=20)
LOADS = (ONE, PLAIN, WAITING, MANY, LONG, STREAM, CHUNKS, STREAMS)


def body_of(model: str, *, stream: bool = False, turns: int = 1) -> str:
    """A request's body: about 1 KB, or a conversation with half a KB a turn."""
    user = {"role": "user", "content": (SENTENCE * 22)[: 930 if turns == 1 else 440]}
    answer = {"role": "assistant", "content": (SENTENCE * 11)[:440]}
    messages = [answer if turn % 2 else user for turn in range(turns)]
    more = {"stream": True} if stream else {}
    body = {"model": model, "messages": messages, "temperature": 0.5} | more
    return json.dumps(body, separators=(",", ":"))


def job_of(
    load: Load, system: System, route: str, port: int, *, seconds: float, pid: int | None = None
) -> Job:
    """What the clients are to do."""
    stream = load.chunks > 0
    return Job(
        port=port,
        body=body_of(system.routes[route], stream=stream, turns=load.turns),
        path=system.path,
        headers=system.headers,
        connections=load.connections,
        seconds=seconds,
        warm_s=min(0.3, seconds / 3),
        least=100 if load is ONE else 0,
        mark=FIRST_TEXT,
        pid=pid,
    )
