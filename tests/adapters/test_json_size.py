"""How much a JSON text holds is told without reading it, and not by what stands in its strings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from adapters.json_size import FEW, _bare, has_too_many_values, read_bytes

values: st.SearchStrategy[Any] = st.recursive(
    st.text('a"\\\\[{,\n\u00e9', max_size=6) | st.integers() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('{"\\\\', max_size=3), inner)
    ),
    max_leaves=20,
)


def containers(value: Any) -> int:
    match value:
        case dict():
            return 1 + sum(map(containers, value.values()))
        case list():
            return 1 + sum(map(containers, value))
        case _:
            return 0


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(values, st.booleans())
def test_only_what_is_no_text_counts(value: Any, ascii_: bool) -> None:
    bare = _bare(json.dumps(value, ensure_ascii=ascii_).encode())

    assert bare.count(b"[") + bare.count(b"{") == containers(value)


@pytest.mark.parametrize("text", ["{[,", '{"a":[1,2]}', "\\"])
def test_a_long_text_is_no_heap_of_values(text: str) -> None:
    body = json.dumps({"content": text * 1000}).encode()

    assert not has_too_many_values(body, most=10)
    assert read_bytes(json.dumps({"content": text * FEW}).encode()) < 5 * len(text) * FEW + 5000


def test_a_heap_of_values_is_one() -> None:
    assert has_too_many_values(b"[" + b"{}," * 10 + b"1]", most=10)
    assert not has_too_many_values(b"[" + b"{}," * 9 + b"1]", most=10)
    assert has_too_many_values(b'["', most=1) is False
    assert read_bytes(b"[" + b"{}," * FEW + b"1]") > 240 * FEW
