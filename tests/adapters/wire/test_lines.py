"""The readers of SSE and NDJSON: what they give never depends on how the bytes arrive."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from adapters.wire import lines
from adapters.wire.json_size import MAX_ANSWER_CONTAINERS
from adapters.wire.lines import LineTooLongError, NdjsonDecoder, ServerSentEvent, SseDecoder

# No LF and no CR: those end lines. Everything else may stand in a data line, raw.
LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
FIELD = st.one_of(
    LINE.map(lambda text: f"data: {text}"),
    LINE.map(lambda text: f"data:{text}"),
    LINE.map(lambda text: f": {text}"),
    LINE.map(lambda text: f"event: {text}"),
    st.sampled_from(["id: 7", "retry: 10", "", "nonsense", "database: x"]),
)
STREAM = st.lists(FIELD, max_size=12)
NEWLINE = st.sampled_from(["\n", "\r\n", "\r"])
CUTS = st.lists(st.integers(0, 200), max_size=12)


def pieces_of(body: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, *(min(cut, len(body)) for cut in cuts), len(body)})
    return [body[start:end] for start, end in pairwise(places)]


def events_of(pieces: list[bytes]) -> list[ServerSentEvent]:
    decoder = SseDecoder()
    found = [event for piece in pieces for event in decoder.feed(piece)]
    return found + decoder.end()


def lines_of(pieces: list[bytes]) -> list[bytes]:
    decoder = NdjsonDecoder()
    found = [line for piece in pieces for line in decoder.feed(piece)]
    return found + decoder.end()


def events_by_the_standard(fields: list[str]) -> list[ServerSentEvent]:
    """The algorithm of WHATWG HTML word by word, over lines already split."""
    events: list[ServerSentEvent] = []
    data: list[str] = []
    name = ""
    for line in [*fields, ""]:
        if not line:
            if data:
                events.append(ServerSentEvent("\n".join(data).encode(), name.encode()))
            data, name = [], ""
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
    return events


@given(STREAM, NEWLINE, CUTS, st.booleans())
def test_sse_reads_as_the_standard_says_however_it_is_cut(
    fields: list[str], newline: str, cuts: list[int], with_bom: bool
) -> None:
    text = "".join(field + newline for field in [*fields, ""])
    body = b"\xef\xbb\xbf" * with_bom + text.encode()

    assert events_of(pieces_of(body, cuts)) == events_by_the_standard(fields)


@given(st.lists(st.tuples(st.lists(FIELD, min_size=1, max_size=2), NEWLINE, NEWLINE), max_size=8))
def test_sse_read_one_event_at_a_time_is_the_same(
    blocks: list[tuple[list[str], str, str]],
) -> None:
    pieces = [(newline.join([*lines, ""]) + last).encode() for lines, newline, last in blocks]

    assert events_of(pieces) == events_of([b"".join(pieces)])


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_sse_cut_at_every_byte_gives_the_same_events(newline: bytes) -> None:
    body = newline.join(
        [
            b"\xef\xbb\xbf: hello",
            b"event: error",
            b"data: {",
            "data: é😀\u2028\u0085".encode(),
            b"",
            b"data:[DONE]",
            b"",
            b"",
        ]
    )
    whole = [
        ServerSentEvent("{\né😀\u2028\u0085".encode(), b"error"),
        ServerSentEvent(b"[DONE]"),
    ]

    assert events_of([body]) == whole
    for cut in range(len(body)):
        assert events_of([body[:cut], body[cut:]]) == whole
    assert events_of([body[i : i + 1] for i in range(len(body))]) == whole


def test_sse_gives_an_event_as_soon_as_its_blank_line_is_there() -> None:
    decoder = SseDecoder()

    assert decoder.feed(b"data: one\n\ndata: tw") == [ServerSentEvent(b"one")]
    assert decoder.feed(b"o\n") == []
    assert decoder.feed(b"\n") == [ServerSentEvent(b"two")]


def test_sse_gives_what_stood_before_the_end_without_a_blank_line() -> None:
    assert events_of([b"data: last"]) == [ServerSentEvent(b"last")]
    assert events_of([b"data: last\r"]) == [ServerSentEvent(b"last")]


@pytest.mark.parametrize("text", ["\u2028", "\u2029", "\u0085", "\x0b\x0c\x1c"], ids=ascii)
def test_only_ascii_line_ends_end_a_line(text: str) -> None:
    payload = json.dumps({"text": f"a{text}b"}, ensure_ascii=False).encode()

    assert events_of([b"data: " + payload + b"\n\n"]) == [ServerSentEvent(payload)]
    assert lines_of([payload + b"\n"]) == [payload]


@given(st.lists(LINE, max_size=10), st.sampled_from(["\n", "\r\n"]), CUTS, st.booleans())
def test_ndjson_gives_each_line_however_it_is_cut(
    texts: list[str], newline: str, cuts: list[int], ends_in_newline: bool
) -> None:
    rows = [json.dumps(text, ensure_ascii=False) for text in texts]
    body = newline.join(["", *rows, ""] if ends_in_newline else ["", *rows]).encode()

    found = lines_of(pieces_of(body, cuts))

    assert [json.loads(line) for line in found] == texts


def test_ndjson_skips_lines_of_blanks() -> None:
    assert lines_of([b"\n \r\n{}\n\n", b"\t\n"]) == [b"{}"]


@pytest.mark.parametrize("decoder_class", [SseDecoder, NdjsonDecoder])
def test_a_line_that_never_ends_is_refused(
    decoder_class: type[SseDecoder | NdjsonDecoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 100)
    decoder = decoder_class()
    decoder.feed(b"data: " + b"x" * 90)

    with pytest.raises(LineTooLongError):
        decoder.feed(b"y" * 10)


@given(st.lists(st.binary(max_size=30), max_size=8))
def test_no_bytes_make_a_reader_fail(pieces: list[bytes]) -> None:
    assert all(isinstance(event.data, bytes) for event in events_of(pieces))
    assert b"".join(lines_of(pieces)).count(b"\n") == 0


def test_a_long_event_in_many_pieces_comes_out_whole() -> None:
    payload = b"x" * 100_000
    body = b"data: " + payload + b"\n\n"

    assert events_of([body[i : i + 1000] for i in range(0, len(body), 1000)]) == [
        ServerSentEvent(payload)
    ]


def test_a_line_of_too_many_values_is_too_long_in_either_form() -> None:
    many = b"[" + b"{}," * lines.MAX_LINE_VALUES + b"{}]"
    for decoder, line in (
        (SseDecoder(), b"data: " + many + b"\n\n"),
        (NdjsonDecoder(), many + b"\n"),
    ):
        half = len(line) // 2
        assert decoder.feed(line[:half]) == []
        with pytest.raises(LineTooLongError):
            decoder.feed(line[half:])
    for unfinished in (SseDecoder(), NdjsonDecoder()):
        unfinished.feed(b"data: " + many)
        with pytest.raises(LineTooLongError):
            unfinished.end()
    assert SseDecoder().feed(b'data: "' + many + b'"\n\n')


def test_bare_json_in_place_of_events_is_kept_whole_and_within_limits() -> None:
    body = b'{"error": "x",\n\n"data: ": [1]}'
    for before in (b"", b"\r\n \n", b"\xef\xbb\xbf"):
        for size in (1, 5, 1000):
            decoder = SseDecoder()
            pieces = before + body
            for at in range(0, len(pieces), size):
                assert decoder.feed(pieces[at : at + size]) == []
            assert decoder.is_bare and decoder.rest() == body, (before, size)
    decoder = SseDecoder()
    with pytest.raises(LineTooLongError):
        for _ in range(MAX_ANSWER_CONTAINERS):
            decoder.feed(b"[[")
