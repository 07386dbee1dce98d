"""How much a JSON text holds is told without reading it, and not by what stands in its strings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from adapters.wire.json_size import (
    FEW,
    MAX_ANSWER_CONTAINERS,
    MAX_ANSWER_ITEMS,
    MAX_CONTAINERS,
    MAX_ITEMS,
    Values,
    has_too_many_values,
    read_bytes,
    values_of,
)
from tests.sampling import ALL

values: st.SearchStrategy[Any] = st.recursive(
    st.text('a"\\\\[{,\n\u00e9', max_size=6) | st.integers() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('{"\\\\', max_size=3), inner)
    ),
    max_leaves=20,
)


def counted(value: Any) -> tuple[int, int]:
    """Containers and keys."""
    match value:
        case dict() | list():
            inner = [counted(one) for one in (value.values() if type(value) is dict else value)]
            keys = len(value) if type(value) is dict else 0
            return 1 + sum(one for one, _ in inner), keys + sum(each for _, each in inner)
        case _:
            return 0, 0


@settings(derandomize=True, database=None, deadline=None, max_examples=300 if ALL else 60)
@given(values, st.booleans(), st.integers(1, 7))
def test_only_what_is_no_text_counts_however_it_comes(value: Any, ascii_: bool, size: int) -> None:
    text = json.dumps(value, ensure_ascii=ascii_).encode()
    found = Values()
    for at in range(0, len(text), size):
        found.feed(text[at : at + size])

    assert (found.containers, found.keys) == counted(value)


def test_long_runs_of_backslashes_may_be_cut_anywhere() -> None:
    text = json.dumps({"a": "\\" * 200 + '"{', "b": ["\\"]}).encode()

    for size in (1, 63, 64, 65, 129, 300):
        found = Values()
        for at in range(0, len(text), size):
            found.feed(text[at : at + size])
        assert (found.containers, found.items, found.keys) == (2, 1, 2), size


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


def test_very_many_keys_are_too_many_as_well() -> None:
    many = json.dumps({f"k{at}": at for at in range(25)}).encode()

    assert has_too_many_values(many, most=10)
    assert not has_too_many_values(many, most=13)
    assert not has_too_many_values(json.dumps({"text": ":" * 1000}).encode(), most=10)
    assert values_of(many).are_more_than(12)


def test_only_an_answer_may_hold_as_many_items_as_vectors_have() -> None:
    for items, is_too_many in ((MAX_ITEMS, False), (MAX_ITEMS + 1, True)):
        text = b"[" + b"1," * items + b"1]"
        assert has_too_many_values(text) is is_too_many
        assert values_of(text).are_more_than(MAX_CONTAINERS) is is_too_many
        most, of_answers = MAX_ANSWER_CONTAINERS, MAX_ANSWER_ITEMS
        assert not has_too_many_values(text, most=most, items=of_answers)
