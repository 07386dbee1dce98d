"""Rows 14 to 17 and 59 of the fault matrix: odd bytes, too many bytes, and odd HTTP."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import openai
import pytest

from adapters.wire import lines, native
from tests.faults.conftest import Build
from tests.faults.dialects import Dialect, encoded
from tests.faults.fake import LAST_CHUNK, PAUSE, Reply, chunk, head, stream, whole
from tests.faults.rows import CHUNKED, NEXT, STREAMED, WITH_B, A, typed
from tests.faults.world import World

pytestmark = pytest.mark.anyio

ODD = 'äö€😀 \u0085\u2028\u2029 data: {"x"}\r\n\n: no comment'
SMALL = 64 * 1024
AT_ONCE = 50


def said(dialect: Dialect, text: str, streamed: bool) -> bytes:
    return bytes(dialect.streamed([text])) if streamed else encoded(dialect.whole(text))


# 14, 15: exact text


@A
@STREAMED
async def test_row_15_odd_characters_come_through_byte_by_byte(
    build: Build, a: str, streamed: bool
) -> None:
    world = await build(a)
    content = said(world.a.dialect, ODD, streamed)
    pieces = [chunk(content[i : i + 1]) for i in range(len(content))]
    start = head(200, typed(world.a.dialect, streamed), CHUNKED)
    world.a.then(Reply((start, *pieces, LAST_CHUNK)))

    assert (await world.ask(stream=streamed)).text == ODD


@pytest.mark.heavy
@A
async def test_row_15_a_stream_cut_anywhere_gives_the_same_text(build: Build, a: str) -> None:
    world = await build(a)
    dialect = world.a.dialect
    content = said(dialect, "€ und 😀", streamed=True)

    cuts = range(1, len(content))
    world.a.then(*(stream(dialect, content[:at], PAUSE, content[at:]) for at in cuts))
    for begin in range(0, len(cuts), AT_ONCE):
        asking = (world.post(stream=True) for _ in cuts[begin : begin + AT_ONCE])
        for posted in await asyncio.gather(*asking):
            assert "€ und 😀".encode() in posted.body
            assert posted.body.endswith(b"data: [DONE]\n\n")

    assert len(world.a.calls) == len(cuts)


@pytest.mark.parametrize(
    ("a", "streamed"),
    [("groq", False), ("groq", True), ("gemini", False), ("gemini", True), ("ollama", False)],
)
async def test_row_14_a_byte_order_mark_is_no_part_of_it(
    build: Build, a: str, streamed: bool
) -> None:
    world = await build(a)
    dialect = world.a.dialect
    content = b"\xef\xbb\xbf" + said(dialect, "Hi.", streamed)
    world.a.then(whole(content, content_type=typed(dialect, streamed)))

    assert (await world.ask(stream=streamed)).text == "Hi."


# 16, 17: no end


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caps, a thousandth of what they are."""
    for name in ("MAX_ANSWER_BYTES", "MAX_STREAM_BYTES"):
        monkeypatch.setattr(native, name, SMALL)
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", SMALL)


def too_much(dialect: Dialect, how: str) -> Reply:
    filler = b" " * 1024
    match how:
        case "a body":
            start = head(200, "application/json", ("content-length", str(300 * SMALL)))
            return Reply((start, *[filler] * 200), "hang")
        case "a bomb":
            bomb = gzip.compress(b" " * (100 * SMALL))
            return whole(bomb, 200, ("content-encoding", "gzip"))
        case "a line":
            start = head(200, dialect.stream_type, CHUNKED)
            return Reply((start, chunk(b"data: "), *[chunk(filler)] * 200), "hang")
    start = head(200, dialect.stream_type, CHUNKED)
    return Reply((start, *[chunk(b": comment\n\n" * 100)] * 200), "hang")


@A
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("how", ["a body", "a bomb", "a line"])
async def test_row_16_too_much_is_cut_and_rotates(build: Build, a: str, how: str) -> None:
    world = await build(a, NEXT[a])
    world.a.always(too_much(world.a.dialect, how))

    seen = await world.ask(stream=how == "a line")

    assert seen.attempts == [f"{a}:response_too_large", f"{NEXT[a]}:200"]
    assert world.a.counts.written < 300 * 1024
    assert world.status(a).state == "ready"


@A
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("how", ["a body", "a bomb", "a line"])
async def test_row_16_nobody_left_is_a_502(build: Build, a: str, how: str) -> None:
    world = await build(a)
    world.a.always(too_much(world.a.dialect, how))

    seen = await world.ask(stream=how == "a line")

    assert seen.outcome == (502, "response_too_large")


@A
@WITH_B
@pytest.mark.usefixtures("small")
async def test_row_17_a_stream_without_end_is_ended(build: Build, a: str, with_b: bool) -> None:
    world = await (build(a, NEXT[a]) if with_b else build(a))
    dialect = world.a.dialect
    words = dialect.streamed(["and on "] * 10).words
    start = head(200, dialect.stream_type, CHUNKED)
    world.a.then(Reply((start, *[chunk(b"".join(words)), PAUSE] * 100), "hang"))

    seen = await world.ask(stream=True)

    assert type(seen.error) is openai.APIError
    assert (seen.code, seen.text[:14]) == ("upstream_too_long", "and on and on ")


@pytest.mark.parametrize("a", ["groq", "gemini"])  # Ollama's lines know no comments
async def test_row_17_comments_alone_keep_no_stream_alive(
    build: Build, monkeypatch: pytest.MonkeyPatch, a: str
) -> None:
    monkeypatch.setattr(native, "MAX_WORDLESS_S", 0.05)
    world = await build(a)
    dialect = world.a.dialect
    words = dialect.streamed(dialect.words).words
    start = head(200, dialect.stream_type, CHUNKED)
    comments = [chunk(b": still here\n\n"), PAUSE] * 100
    world.a.then(Reply((start, chunk(words[0]), *comments), "hang"))

    seen = await world.ask(stream=True)

    assert (seen.code, seen.text) == ("upstream_stalled", "These ")


# 59: odd HTTP


def odd_http(world: World, how: str) -> Reply:
    dialect = world.a.dialect
    content = encoded(dialect.whole(dialect.text))
    good = world.a.good_whole.steps[0]
    assert isinstance(good, bytes)
    match how:
        case "100 continue":
            return Reply((b"HTTP/1.1 100 Continue\r\n\r\n", good))
        case "103 early hints":
            return Reply((b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", good))
        case "trailers":
            start = head(200, "application/json", CHUNKED)
            return Reply((start, chunk(content), b"0\r\nx-sum: 1\r\n\r\n"))
        case "HTTP/1.0 to its end":
            old = head(200, "application/json").replace(b"HTTP/1.1", b"HTTP/1.0")
            return Reply((old + content,), "close")
    return Reply((head(200, "application/json", ("connection", "close")) + content,), "close")


@A
@pytest.mark.parametrize(
    "how", ["100 continue", "103 early hints", "trailers", "HTTP/1.0 to its end", "no length"]
)
async def test_row_59_odd_http_is_an_answer_all_the_same(build: Build, a: str, how: str) -> None:
    world = await build(a)
    world.a.always(odd_http(world, how))

    for _ in range(2):
        assert (await world.ask()).text == world.a.dialect.text


@A
async def test_row_59_a_redirect_is_not_followed(build: Build, a: str) -> None:
    world = await build(a)
    elsewhere = world.fakes[NEXT[a]]
    world.a.always(whole(b"", 302, ("location", f"{elsewhere.url}/v1/chat/completions")))

    seen: Any = await world.ask()

    assert seen.outcome == (502, "upstream_invalid_response")
    assert elsewhere.calls == []
