"""The bounded table: what was used last is kept."""

from __future__ import annotations

from hypothesis import given, strategies as st

from adapters.memory import LruMemory


def test_gives_what_was_put_last() -> None:
    memory = LruMemory()
    memory.put("call_1", "old")
    memory.put("call_1", "new")

    assert memory.get("call_1") == "new"
    assert memory.get("call_2") is None


def test_forgets_what_was_unused_longest() -> None:
    memory = LruMemory(size=2)
    memory.put("a", "1")
    memory.put("b", "2")
    memory.get("a")
    memory.put("c", "3")

    assert [memory.get(key) for key in "abc"] == ["1", None, "3"]


def test_putting_again_counts_as_use() -> None:
    memory = LruMemory(size=2)
    for key in "abac":
        memory.put(key, key)

    assert [memory.get(key) for key in "abc"] == ["a", None, "c"]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcdef"))), st.integers(1, 4))
def test_keeps_exactly_the_keys_used_last(uses: list[tuple[bool, str]], size: int) -> None:
    memory = LruMemory(size)
    by_age: list[str] = []
    for is_put, key in uses:
        if is_put:
            memory.put(key, key)
        else:
            assert (memory.get(key) == key) == (key in by_age)
        if is_put or key in by_age:
            by_age = [*(other for other in by_age if other != key), key][-size:]

    assert {key for key in "abcdef" if memory.get(key)} == set(by_age)


def test_it_holds_so_many_characters_and_no_entry_that_would_fill_it() -> None:
    memory = LruMemory(max_chars=100)
    for at in range(20):
        memory.put(f"{at:02}", "x" * 28)
    memory.put("large", "x" * 100)

    kept = [key for at in range(20) if memory.get(key := f"{at:02}")]
    assert kept == ["17", "18", "19"]
    assert memory.get("large") is None
    assert set(memory.take_new()) == set(kept)
