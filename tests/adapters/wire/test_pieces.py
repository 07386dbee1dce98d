"""A large JSON text means what it means to orjson, and no step in reading it is large."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings, strategies as st

from adapters.wire import pieces
from tests.sampling import ALL

SMALL = 32
"""The smallest step that there may be."""
REFUSED = object()

texts = st.text('a"\\\\/[{]},: \n\u00e9\u6f22\U0001f600\x7f', max_size=90)
values: st.SearchStrategy[Any] = st.recursive(
    texts | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([None, True, False]),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(texts, inner, max_size=6),
    max_leaves=60,
)  # fmt: skip
MARKS = [b"", b",", b"]", b"}", b"[", b"{", b'"', b"\\", b":", b"1", b" " * 70, b"\xc3", b"\xa9",
         b"\x01", b"NaN", b"\\ud83d", b"\\udE00", b"\\u12", b"-", b"[]", b',"a":1']  # fmt: skip


def outcome(read: Callable[[bytes], Any], text: bytes) -> Any:
    """What is read, flat and as Python writes it: 1 is not 1.0, and keys stand in their order."""
    try:
        rest, told = [read(text)], []
    except orjson.JSONDecodeError:
        return REFUSED
    while rest:
        one = rest.pop()
        told.append(repr(one) if type(one) not in (dict, list) else (type(one), len(one)))
        if type(one) is dict:
            told += one
        rest += one.values() if type(one) is dict else one if type(one) is list else ()
    return told


def in_small_pieces(text: bytes) -> Any:
    return pieces.loads(text, SMALL)


@settings(derandomize=True, database=None, deadline=None, max_examples=500 if ALL else 100)
@given(values, st.booleans(), st.sampled_from([None, 1]), st.data())
def test_it_is_read_as_orjson_reads_it(
    value: Any, ascii_: bool, indent: int | None, data: st.DataObject
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_, indent=indent).encode()
    assert outcome(in_small_pieces, text) == outcome(orjson.loads, text)
    for _ in range(3):  # and once it is spoiled
        at = data.draw(st.integers(0, len(text)))
        mark = data.draw(st.sampled_from(MARKS))
        text = text[:at] + mark + text[at + data.draw(st.integers(0, 3)) :]
        assert outcome(in_small_pieces, text) == outcome(orjson.loads, text)


def test_what_orjson_refuses_is_refused_wherever_a_piece_ends() -> None:
    long = b"[" + b"1," * 40
    for bad in (
        *(long + b"]", long + b",1]", long + b"1}", long + b"1", long + b"1]]", long + b"1] x"),
        *(b"[,1" + b",1" * 40 + b"]", b'{"a":1,' + b'"b":1,' * 20 + b"}"),
        b"\xef\xbb\xbf" + long + b"1]",
        *(b'["%b\\ud800"]' % (b"x" * n) for n in range(60, 100)),
        *(b'["%b\xe6\xbc"]' % (b"x" * n) for n in range(60, 100)),
        *(b'["%b\n"]' % (b"x" * n) for n in range(60, 100)),
        *(b"[%b%b%b]" % (b"[" * n, b" " * 90, b"]" * n) for n in (1024, 2000)),
        *(b'{"a":' * n + b"1" + b"}" * n for n in (1025, 1026, 4000)),
        b'"' + b"x" * 90, b" " * 90, b"nul" + b" " * 90, b'{"a" ' + b" " * 90 + b"1}",
    ):  # fmt: skip
        assert outcome(orjson.loads, bad) is REFUSED
        assert outcome(in_small_pieces, bad) is REFUSED, bad
    most = pieces.MAX_DEPTH
    for deep in (b"[" * most + b"]" * most, b'{"a":' * most + b"1" + b"}" * most):
        assert outcome(in_small_pieces, deep) == outcome(orjson.loads, deep)
    assert outcome(in_small_pieces, b"1" * 90) is REFUSED  # as it alone is


class Watched(bytes):
    """A text that notes how much of it is taken at a time."""

    most = whole = 0

    def __getitem__(self, key: Any) -> Any:
        taken = bytes.__getitem__(self, key)
        if isinstance(key, slice):
            self.most = max(self.most, len(taken))
            self.whole += len(taken)
        return taken

    def rfind(self, what: Any, start: Any = 0, end: Any = None) -> int:
        found = bytes.rfind(self, what, start, end)
        self.whole += min(len(self), end) - max(found, start)
        return found


def hostile(size: int) -> dict[str, bytes]:
    """Texts of about `size` bytes that are large in one way each."""
    few = size // 100
    return {
        "a text": b'["%b"]' % (b"x" * size),
        "escapes": b'["%b"]' % (rb"\ud83d\ude00" * (size // 12)),
        "backslashes": b'["%b"]' % (rb"\\" * (size // 2)),
        "characters": b'["%b"]' % ("\u6f22".encode() * (size // 3)),
        "a key": b'{"%b":1}' % (b"x" * size),
        "long keys": b"{%b}" % b",".join(b'"%090d":1' % n for n in range(few)),
        "vectors": b"[%b]"
        % b",".join([b"[%b]" % b",".join([b"0.123456789"] * 1536)] * (size // 18_432)),
        "small": b"[%b]" % b",".join([b"{}"] * (size // 3)),
        "digits": b"[%b]" % (b"1" * size),
        "words": b"[%b]" % (b"n" * size),
        "space": b"[1,%b2]" % (b" " * size),
        "deep": b"[%b]"
        % b",".join([b'{"a":[{"b":[{"c":[{"d":[{"e":"\\n"}]}]}]}]}'] * (size // 45)),
        "deeper": b"%b1%b" % (b"[" * 300 + b"[1]," * (size // 4), b"]" * 300),
        "deepest": b"[" * size,
        "messages": b"[%b]" % b",".join([b'{"content":"%b"}' % (b"x" * 15_000)] * (size // 15_000)),
        "just too long": b"[%b]" % b",".join([b'["%b"]' % (b"," * 66_000)] * (size // 66_000)),
        "no end in sight": b"[%b]" % b",".join([b"[" * 29 + b"]" * 29 + b" "] * (size // 60)),
        "left behind": b"[%b1]" % (b"[[[[[1," + b"1,[1]," * (size // 6) + b"1]]]]],"),
    }


@pytest.mark.parametrize("kind", hostile(0))
def test_no_step_is_large_and_there_are_not_many(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    text = Watched(hostile(1_500_000)[kind])

    class Orjson:
        JSONDecodeError = orjson.JSONDecodeError

        @staticmethod
        def loads(piece: bytes) -> Any:
            steps.append(len(piece))
            return orjson.loads(piece)

    expected = outcome(orjson.loads, bytes(text))
    monkeypatch.setattr(pieces, "orjson", Orjson)
    is_same = outcome(pieces.loads, text) == expected
    assert is_same

    assert max(steps, default=0) <= pieces.PIECE_BYTES + 2
    assert sum(steps) <= 3 * len(text)
    assert text.most <= 2 * pieces.PIECE_BYTES
    assert text.whole <= 6 * len(text)
