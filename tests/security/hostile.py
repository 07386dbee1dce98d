"""Attackers in a process of their own, with the provider that answers for them.

    python -m tests.security.hostile

prints that provider's address. A line `port rounds [kind ...]` then attacks the server at that
port, and what came back is printed: the statuses. It ends with its input.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.fakes import GroqFake
from tests.fakes.server import Answer, Fault
from tests.security.kit import CHAT, HEAD, body_of, post

MIB = 2**20
SSE = (("content-type", "text/event-stream"),)
PINNED = {"x-pointsman-fallback": "off", "Connection": "close"}


def sse(*chunks: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)


def chunk(delta: Any, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": "x", "choices": [{"index": index, "delta": delta, **more}]}


ARGUMENTS = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "x"}}]}
DEEP = json.loads("[" * 300 + "]" * 300)
ANSWERS: dict[str, Answer] = {
    "a choice's index": Answer(200, SSE, (sse(chunk({"content": "a"}, index=100_000_000)),)),
    "many choices": Answer(200, SSE, tuple(sse(chunk({"content": "a"}, i)) for i in range(3000))),
    "pieces of arguments": Answer(200, SSE, (sse(*[chunk(ARGUMENTS)] * 5000),)),
    "a line without end": Answer(200, SSE, (b"data: " + b"x" * 3_900_000, *[b"x"] * 300)),
    "a deep citation": Answer(200, SSE, (sse(chunk({"annotations": [{"a": DEEP}]})),)),
    "log probabilities": Answer(200, SSE, (sse(chunk({"content": "a"}, logprobs={"content": 5})),)),
    "usage": Answer(
        200,
        SSE,
        (
            sse(
                chunk({"content": "a"}, finish_reason="stop")
                | {"usage": {"prompt_tokens": 2**64 - 1}}
            ),
        ),
    ),
    "a code": Answer(400, (), (json.dumps({"error": {"code": "C" * 900_000}}).encode(),)),
    "a bomb": Answer(
        200,
        (("content-type", "application/json"), ("content-encoding", "gzip")),
        (gzip.compress(b"[" + b"{}," * 20_000_000),),
    ),
}
NAMES = [f"k{at}" for at in range(4000)]


def tool(parameters: Any) -> bytes:
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    return post(body_of("ollama/llama3.2", tools=tools), CHAT, **PINNED)


REQUESTS: dict[str, bytes] = {
    "pipelined": b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5000,
    "heads": HEAD + b"ab:cd\r\n" * 9000,
    "small values": post(b'{"a":[' + b"{}," * 41_000 + b"{}]}", CHAT, **PINNED),
    "a wide schema": tool(dict.fromkeys(NAMES, True) | {"anyOf": [{}] * 900}),
    "required": tool({"type": "object", "required": NAMES, "properties": {n: {} for n in NAMES}}),
    "references": tool(
        {"$ref": "#/$defs/k0", "$defs": {n: {"$ref": f"#/$defs/{n}0"} for n in NAMES[:900]}}
    ),
    "half a body": HEAD + b"Content-Type: application/json\r\nContent-Length: 33554432\r\n\r\n"
    + b"x" * 140_000,
}  # fmt: skip


async def attack(port: int, groq: GroqFake, rounds: int, kinds: Collection[str] = ()) -> set[int]:
    """Every hostile request and answer, or those of some kinds, by turns; what came of them."""
    statuses: set[int] = set()
    for _ in range(rounds):
        for stream in (False, True):
            for name, answer in ANSWERS.items():
                if kinds and name not in kinds:
                    continue
                groq.script.clear()
                groq.then(*[Fault(answer)] * 2)
                asked = post(body_of("groq/openai/gpt-oss-120b", stream=stream), CHAT, **PINNED)
                statuses.add(status(await talk(port, asked)))
        requests = [data for name, data in REQUESTS.items() if not kinds or name in kinds]
        talks = [talk(port, data, patience_s=1) for data in requests]
        statuses |= set(map(status, await asyncio.gather(*talks)))
    return statuses - {0}


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1") else 0


async def talk(port: int, data: bytes, *, patience_s: float = 30) -> bytes:
    """What comes back until the connection ends, or patience does; none is not read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    answer = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(patience_s):
            while piece := await reader.read(MIB):
                answer += piece[: max(0, MIB - len(answer))]
    writer.transport.abort()
    return answer


# -- the other process, and the way to it -------------------------------------------------------


@dataclass(frozen=True)
class Attackers:
    """The process; `url` is their provider's address."""

    popen: subprocess.Popen[str]
    url: str

    def begin(self, port: int, rounds: int, kinds: Sequence[str] = ()) -> None:
        """Attack the server at `port`; `end` waits until that is done."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(json.dumps([port, rounds, *kinds]) + "\n")
        self.popen.stdin.flush()

    def end(self) -> set[int]:
        """The statuses that came of it."""
        assert self.popen.stdout is not None
        return set(json.loads(self.popen.stdout.readline()))


@contextlib.contextmanager
def attackers_running() -> Iterator[Attackers]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.security.hostile"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as popen:
        assert popen.stdout is not None
        try:
            yield Attackers(popen, popen.stdout.readline().strip())
        finally:
            popen.kill()


def main() -> None:
    with GroqFake() as groq:
        say(groq.url)
        for line in sys.stdin:
            port, rounds, *kinds = json.loads(line)
            statuses = asyncio.run(attack(port, groq, rounds, kinds))
            groq.forget()
            say(json.dumps(sorted(statuses)))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
