"""A large value is written as orjson writes it, and no step in that is large."""

from __future__ import annotations

from contextvars import copy_context
from typing import Any

import orjson
import pytest
from hypothesis import given, settings, strategies as st

from adapters.wire import writing
from adapters.wire.aside import Aside
from tests.adapters.wire.test_pieces import values
from tests.sampling import ALL

pytestmark = pytest.mark.anyio


@settings(derandomize=True, database=None, deadline=None, max_examples=500 if ALL else 100)
@given(values, st.integers(32, 200))
def test_it_is_written_as_orjson_writes_it(value: Any, size: int) -> None:
    for one in (value, {"a": value, "b": (value, [1.5] * 50, {})}):
        assert b"".join(writing.written(one, size)) == orjson.dumps(one)
        texts = copy_context().run(_text_in_pieces, one, size), writing.dumps_text(one)
        assert set(texts) == {orjson.dumps(one).decode()}


def _text_in_pieces(value: Any, size: int) -> str:
    writing.IN_PIECES.set(True)
    return writing.dumps_text(value, size)


@pytest.mark.parametrize(
    "value", ["x" * 99 + "\ud800", ["x" * 99, {1: 2}], ["x" * 99, object()], {"a" * 99: {2, 3}}]
)
def test_what_orjson_does_not_write_is_refused(value: Any) -> None:
    deep: Any = "x" * 99
    for _ in range(writing.MAX_DEPTH + 1):
        deep = [deep]
    for one in (value, deep):
        with pytest.raises(orjson.JSONEncodeError):
            orjson.dumps(one)
        with pytest.raises(orjson.JSONEncodeError):
            writing.written(one, 32)
    assert b"".join(writing.written(deep[0], 32)) == orjson.dumps(deep[0])


LARGE = {
    "a text": ["x\n" * 500_000],
    "characters": "\u00e4\u6f22\U0001f600" * 200_000,
    "a key": {"x" * 1_000_000: 1},
    "keys": {f"{n:0100d}": n for n in range(10_000)},
    "numbers": [0.123456789] * 100_000,
    "mixed": [*range(100_000), None],
    "vectors": [{"embedding": [0.123456789] * 1536, "index": n} for n in range(50)],
    "small": [{}] * 50_000,
    "messages": [{"role": "user", "content": "x" * 15_000} for _ in range(70)],
}


@pytest.mark.parametrize("kind", LARGE)
def test_no_step_is_large(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    class Orjson:
        JSONEncodeError = orjson.JSONEncodeError

        @staticmethod
        def dumps(value: Any) -> bytes:
            steps.append(len(text := orjson.dumps(value)))
            return text

    expected = orjson.dumps(LARGE[kind])
    monkeypatch.setattr(writing, "orjson", Orjson)
    pieces = writing.written(LARGE[kind])

    is_same = b"".join(pieces) == expected
    assert is_same
    assert max(steps) <= 10 * writing.PIECE_BYTES  # that is what a text of characters can be
    assert max(map(len, pieces)) <= 20 * writing.PIECE_BYTES
    assert sum(steps) <= len(expected) + 3 * len(steps)


async def test_what_is_written_beside_others_is_written_in_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "written", lambda _value: [b"in ", b"pieces"])
    aside = Aside()
    assert writing.dumps([]) == b"[]"
    assert await aside.do(writing.dumps, []) == b"in pieces"
    await aside.close()
