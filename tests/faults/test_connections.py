"""Rows 1 to 14 and 18 of the fault matrix: what can break between the proxy and a provider."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import trustme

from adapters.base import ErrorKind
from tests.faults.conftest import Build, tls_fake
from tests.faults.dialects import DIALECTS, Dialect, encoded
from tests.faults.fake import Reply, chunk, head, stream, whole
from tests.faults.world import PATIENCE_S, SILENCE_S, SlowResolver, World, until

pytestmark = pytest.mark.anyio

A = pytest.mark.parametrize("a", DIALECTS)
STREAMED = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
WITH_B = pytest.mark.parametrize("with_b", [False, True], ids=["alone", "with another"])
NEXT = {"groq": "gemini", "gemini": "ollama", "ollama": "groq"}
CHUNKED = ("transfer-encoding", "chunked")
NO_PROVIDER = (503, "no_provider_available")
UPSTREAM_ERROR = (502, "upstream_error")
WORD_OF_500 = {"groq": "500", "gemini": "500", "ollama": "server"}
INVALID = (502, "upstream_invalid_response")
TIMEOUT = (504, "upstream_timeout")


async def world_of(build: Build, a: str, with_b: bool, **options: Any) -> World:
    return await build(*((a, NEXT[a]) if with_b else (a,)), **options)


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


def good(dialect: Dialect, streamed: bool) -> bytes:
    if streamed:
        return bytes(dialect.streamed(dialect.words))
    return encoded(dialect.whole(dialect.text))


def typed(dialect: Dialect, streamed: bool) -> str:
    return dialect.stream_type if streamed else "application/json"


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


# Before a connection is there


@A
@STREAMED
@WITH_B
async def test_row_1_a_refused_connection_rotates(
    build: Build, closed_port: int, a: str, streamed: bool, with_b: bool
) -> None:
    urls = {a: f"http://127.0.0.1:{closed_port}"}
    world = await world_of(build, a, with_b, urls=urls)

    seen = await world.ask(stream=streamed)

    assert seen.attempts == [f"{a}:network"] + [f"{NEXT[a]}:200"] * with_b
    assert seen.outcome == ((200, None) if with_b else NO_PROVIDER)
    assert "maybe_billed" not in seen.headers.get("x-pointsman-warnings", "")


@A
async def test_row_1_three_refused_connections_open_the_breaker_for_five_seconds(
    build: Build, closed_port: int, a: str
) -> None:
    world = await world_of(build, a, True, urls={a: f"http://127.0.0.1:{closed_port}"})

    states = []
    for _ in range(3):
        await world.ask()
        states.append(world.status(a).state)

    assert states == ["ready", "ready", "open"]
    assert (world.status(a).state, world.pause_s(a)) == ("open", 5)
    assert (await world.ask()).attempts == [f"{NEXT[a]}:200"]


@A
@STREAMED
@WITH_B
async def test_row_2_a_name_that_is_not_found_rotates_and_holds_nobody_up(
    build: Build, monkeypatch: pytest.MonkeyPatch, a: str, streamed: bool, with_b: bool
) -> None:
    resolver = SlowResolver(monkeypatch)
    world = await world_of(build, a, with_b, urls={a: "http://nowhere.invalid"})

    asking = asyncio.create_task(world.ask(stream=streamed))
    await until(lambda: resolver.asked)
    assert (await world.ask(f"{NEXT[a]}/x")).status == 200  # while the resolver still blocks
    resolver.answer.set()
    seen = await asking

    assert seen.attempts == [f"{a}:network"] + [f"{NEXT[a]}:200"] * with_b
    assert seen.outcome == ((200, None) if with_b else NO_PROVIDER)


@A
@STREAMED
@WITH_B
async def test_row_4_a_connection_that_does_not_come_up_rotates(
    build: Build, black_hole: str, a: str, streamed: bool, with_b: bool
) -> None:
    world = await world_of(build, a, with_b, urls={a: black_hole}, silence_s=SILENCE_S)

    seen = await world.ask(stream=streamed)

    assert seen.attempts == [f"{a}:timeout_connect"] + [f"{NEXT[a]}:200"] * with_b
    assert seen.outcome == ((200, None) if with_b else TIMEOUT)


CERTIFICATES: Mapping[str, Callable[[trustme.CA], trustme.LeafCert]] = {
    "of an unknown issuer": lambda _: trustme.CA().issue_cert("127.0.0.1"),
    "for another name": lambda authority: authority.issue_cert("provider.example"),
    "expired": lambda authority: authority.issue_cert(
        "127.0.0.1", not_after=datetime(2026, 1, 1, tzinfo=UTC)
    ),
}


@A
@WITH_B
@STREAMED
@pytest.mark.parametrize("how", CERTIFICATES)
@pytest.mark.usefixtures("trusting")
async def test_row_3_a_certificate_that_cannot_be_trusted_is_never_passed_over(
    build: Build, authority: trustme.CA, a: str, with_b: bool, streamed: bool, how: str
) -> None:
    async with tls_fake(a, CERTIFICATES[how](authority)) as fake:
        world = await world_of(build, a, with_b, urls={a: fake.url})

        await assert_out_for_tls(world, a, with_b, streamed)

        assert fake.calls == []


@A
@WITH_B
@STREAMED
async def test_row_3_a_handshake_that_is_broken_off_is_no_reason_to_do_without(
    build: Build, no_handshake: str, a: str, with_b: bool, streamed: bool
) -> None:
    world = await world_of(build, a, with_b, urls={a: no_handshake})

    await assert_out_for_tls(world, a, with_b, streamed)


async def assert_out_for_tls(world: World, a: str, with_b: bool, streamed: bool) -> None:
    seen = await world.ask(stream=streamed)
    again = await world.ask(stream=streamed)

    assert seen.attempts == [f"{a}:tls"] + [f"{NEXT[a]}:200"] * with_b
    assert seen.outcome == ((200, None) if with_b else UPSTREAM_ERROR)
    assert again.attempts == [f"{NEXT[a]}:200"] * with_b  # out for a minute
    assert (world.status(a).kind, world.pause_s(a)) == (ErrorKind.TLS, 60)


@A
@pytest.mark.usefixtures("trusting")
async def test_row_3_a_good_certificate_is_trusted(
    build: Build, authority: trustme.CA, a: str
) -> None:
    async with tls_fake(a, authority.issue_cert("127.0.0.1")) as fake:
        world = await world_of(build, a, with_b=True, urls={a: fake.url})
        seen = await world.ask()

    assert (seen.text, seen.attempts) == (fake.dialect.text, [f"{a}:200"])


# Slow, but well


@A
@STREAMED
@WITH_B
async def test_row_6_a_slow_first_byte_is_waited_for_and_not_asked_twice(
    build: Build, a: str, streamed: bool, with_b: bool
) -> None:
    world = await world_of(build, a, with_b)
    gate = asyncio.Event()
    answer = good(world.a.dialect, streamed)
    ready = whole(answer, content_type=typed(world.a.dialect, streamed))
    world.a.then(Reply((gate, *ready.steps)))

    asking = asyncio.create_task(world.ask(stream=streamed))
    await until(lambda: world.a.counts.busy == 1)
    gate.set()
    seen = await asking

    assert (seen.text, seen.attempts) == (world.a.dialect.text, [f"{a}:200"])
    assert len(world.a.calls) == 1


# A kept connection that has gone stale


@A
@STREAMED
@WITH_B
@pytest.mark.parametrize("end", ["close", "reset"])
async def test_row_8_a_stale_connection_is_no_failure(
    build: Build, a: str, streamed: bool, with_b: bool, end: Any
) -> None:
    world = await world_of(build, a, with_b)
    await world.ask()
    world.a.rule = lambda call: Reply((), end) if call.number else None

    for _ in range(4):  # three failures would have opened the breaker
        assert (await world.ask(stream=streamed)).attempts == [f"{a}:200"]

    assert world.status(a).state == "ready"


@A
@STREAMED
@WITH_B
@pytest.mark.parametrize("end", ["close", "reset"])
async def test_row_8_a_fresh_connection_that_dies_as_well_rotates(
    build: Build, a: str, streamed: bool, with_b: bool, end: Any
) -> None:
    world = await world_of(build, a, with_b)
    await world.ask()
    world.a.always(Reply((), end))

    seen = await world.ask(stream=streamed)

    assert seen.attempts == [f"{a}:broken"] + [f"{NEXT[a]}:200"] * with_b
    assert seen.outcome == ((200, None) if with_b else UPSTREAM_ERROR)
    assert len(world.a.calls) == 3  # the first, the one on the kept connection, one more
