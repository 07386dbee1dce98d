"""Rows 5, 8 to 14, 18 and 59 of the fault matrix: an answer that fails before any content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from adapters.base import ErrorKind
from tests.faults.conftest import Build
from tests.faults.dialects import Dialect, encoded
from tests.faults.fake import Reply, chunk, head, stream, whole
from tests.faults.rows import (
    CHUNKED,
    INVALID,
    NEXT,
    NO_PROVIDER,
    TIMEOUT,
    UPSTREAM_ERROR,
    A,
    good,
    typed,
    world_of,
)
from tests.faults.world import PATIENCE_S, SILENCE_S

pytestmark = pytest.mark.anyio

WORD_OF_500 = {"groq": "500", "gemini": "500", "ollama": "server"}


@dataclass(frozen=True)
class Fault:
    """What goes wrong before any content: `word` names the attempt, `alone` is what the app sees.

    Without a word it is one that the provider itself tells, another at each.
    `whole` and `streamed` tell in which kind of call it can happen at all.
    """

    reply: Callable[[Dialect, bool], Reply]
    word: str | None
    alone: tuple[int, str]
    whole: bool = True
    streamed: bool = True
    silence_s: float = PATIENCE_S


def body(content: bytes, status: int = 200, content_type: str | None = None) -> Any:
    """A fault that is a whole answer with a wrong body."""
    return lambda dialect, streamed: whole(
        content, status, content_type=content_type or typed(dialect, streamed)
    )


def cut_body(end: Any) -> Any:
    """The connection ends in the middle of a plain answer."""

    def reply(dialect: Dialect, _: bool) -> Reply:
        content = encoded(dialect.whole(dialect.text))
        start = head(200, "application/json", ("content-length", str(len(content))))
        return Reply((start + content[:40],), end)

    return reply


def opening_then(end: Any) -> Any:
    """The connection ends in a stream before its first word."""

    def reply(dialect: Dialect, _: bool) -> Reply:
        opening = dialect.streamed(dialect.words).opening
        return Reply((head(200, dialect.stream_type, CHUNKED), chunk(opening)), end)

    return reply


def no_words(dialect: Dialect, _: bool) -> Reply:
    return stream(dialect, dialect.streamed(dialect.words).opening)


def error_in_200(dialect: Dialect, streamed: bool) -> Reply:
    error = dialect.error("It broke.", "INTERNAL", status_code=500)
    content = dialect.event(error) if streamed else encoded(error)
    return whole(content, content_type=typed(dialect, streamed))


def truncated(dialect: Dialect, streamed: bool) -> Reply:
    content = good(dialect, streamed)
    return whole(content[: len(content) // 3], content_type=typed(dialect, streamed))


def recoded(encoding: str) -> Any:
    def reply(dialect: Dialect, streamed: bool) -> Reply:
        content = good(dialect, streamed).decode().replace("words", "wörds").encode(encoding)
        return whole(content, content_type=f"{typed(dialect, streamed)}; charset={encoding}")

    return reply


def longer_than_said(dialect: Dialect, streamed: bool) -> Reply:
    """The declared length ends in the middle of the JSON."""
    content = good(dialect, streamed)
    length = ("content-length", str(len(content) - 10))
    return Reply((head(200, typed(dialect, streamed), length) + content,), "close")


def no_utf8(dialect: Dialect, streamed: bool) -> Reply:
    content = good(dialect, streamed).replace(b"words", b"w\xf6rds")
    return whole(content, content_type=f"{typed(dialect, streamed)}; charset=utf-8")


HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
NETWORK, BAD = ErrorKind.NETWORK, ErrorKind.BAD_RESPONSE
BROKEN = ErrorKind.BROKEN
FAULTS: Mapping[str, Fault] = {
    "5 no byte": Fault(
        lambda d, s: Reply((), "hang"),
        ErrorKind.TIMEOUT_FIRST_BYTE,
        TIMEOUT,
        silence_s=SILENCE_S,
    ),
    "5 only a head": Fault(
        lambda d, s: Reply((head(200, typed(d, s), CHUNKED),), "hang"),
        ErrorKind.TIMEOUT_FIRST_BYTE,
        TIMEOUT,
        silence_s=SILENCE_S,
    ),
    "8 closed before the head": Fault(lambda d, s: Reply((), "close"), BROKEN, UPSTREAM_ERROR),
    "8 reset before the head": Fault(lambda d, s: Reply((), "reset"), BROKEN, UPSTREAM_ERROR),
    "9 closed in the body": Fault(cut_body("close"), BROKEN, UPSTREAM_ERROR, streamed=False),
    "9 reset in the body": Fault(cut_body("reset"), BROKEN, UPSTREAM_ERROR, streamed=False),
    "9 half an answer": Fault(truncated, BAD, INVALID, streamed=False),
    "9 more than it said": Fault(longer_than_said, BAD, INVALID, streamed=False),
    "10 closed before content": Fault(opening_then("close"), BROKEN, UPSTREAM_ERROR, whole=False),
    "10 reset before content": Fault(opening_then("reset"), BROKEN, UPSTREAM_ERROR, whole=False),
    "12 no content, no end mark": Fault(no_words, BAD, INVALID, whole=False),
    "13 invalid JSON": Fault(body(b'{"choices": [}'), BAD, INVALID, streamed=False),
    "13 another JSON": Fault(body(b'["pong"]'), BAD, INVALID, streamed=False),
    "13 HTML as JSON": Fault(body(HTML), BAD, INVALID),
    "13 HTML": Fault(body(HTML, content_type="text/html"), BAD, INVALID),
    "13 empty": Fault(body(b""), BAD, INVALID),
    "13 no content": Fault(
        lambda d, s: Reply((head(204, None),)),
        BAD,
        INVALID,
    ),
    "14 UTF-16": Fault(recoded("utf-16"), BAD, INVALID),
    "14 invalid UTF-8": Fault(no_utf8, BAD, INVALID),
    "18 an error in a 200": Fault(error_in_200, None, NO_PROVIDER),
    "59 a redirect": Fault(
        lambda d, s: whole(b"", 302, ("location", "http://127.0.0.1:1/elsewhere")),
        "302",
        INVALID,
    ),
    "59 huge headers": Fault(
        lambda d, s: whole(good(d, s), 200, ("x-filler", "x" * 200_000)), BROKEN, UPSTREAM_ERROR
    ),
}
CASES = [
    pytest.param(fault, streamed, id=f"{name}, {'stream' if streamed else 'whole'}")
    for name, fault in FAULTS.items()
    for streamed in (False, True)
    if (fault.streamed if streamed else fault.whole)
]


@A
@pytest.mark.parametrize(("fault", "streamed"), CASES)
async def test_another_provider_answers_in_its_place(
    build: Build, a: str, fault: Fault, streamed: bool
) -> None:
    world = await world_of(build, a, with_b=True, silence_s=fault.silence_s)
    world.a.always(fault.reply(world.a.dialect, streamed))

    seen = await world.ask(stream=streamed)

    assert world.b
    assert seen.text == world.b.dialect.text, seen.error
    assert seen.attempts == [f"{a}:{fault.word or WORD_OF_500[a]}", f"{NEXT[a]}:200"]
    is_marked = f"maybe_billed={a}" in seen.headers.get("x-pointsman-warnings", "")
    assert is_marked == (fault.word is not None)  # what a provider refuses it does not bill
    assert len(world.a.calls) <= 2  # 2 where a kept connection was stale
    assert world.time.now == 1000.0  # rotation does not wait
    await world.settled()


@A
@pytest.mark.parametrize(("fault", "streamed"), CASES)
async def test_nobody_left_is_an_error_in_our_words(
    build: Build, a: str, fault: Fault, streamed: bool
) -> None:
    world = await world_of(build, a, with_b=False, silence_s=fault.silence_s)
    world.a.always(fault.reply(world.a.dialect, streamed))

    seen = await world.ask(stream=streamed)

    assert (seen.text, *seen.outcome) == ("", *fault.alone)
    assert seen.headers["content-type"] == "application/json; charset=utf-8"
    assert seen.headers["x-pointsman-provider"] == a
    assert set(seen.attempts) == {f"{a}:{fault.word or WORD_OF_500[a]}"}
    assert "html" not in str(seen.error).lower()
    await world.settled()


@pytest.mark.parametrize(("fault", "streamed"), CASES)
async def test_three_of_them_open_the_breaker_and_one_probe_closes_it(
    build: Build, fault: Fault, streamed: bool
) -> None:
    a = "groq"
    world = await world_of(build, a, with_b=True, silence_s=fault.silence_s)
    world.a.always(fault.reply(world.a.dialect, streamed))
    for _ in range(3):
        await world.ask(stream=streamed)
    calls = len(world.a.calls)
    assert (world.status(a).state, world.pause_s(a)) == ("open", 5)

    passed_over = await world.ask(stream=streamed)
    assert passed_over.attempts == [f"{NEXT[a]}:200"]
    assert len(world.a.calls) == calls

    world.a.rule = lambda _: None
    world.time.pass_(5)
    back = await world.ask(stream=streamed)
    assert back.attempts == [f"{a}:200"]
    assert world.status(a).state == "ready"
