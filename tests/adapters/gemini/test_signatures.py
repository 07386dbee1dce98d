"""A call is known again by what it says and by how the question before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

from adapters.gemini.signatures import MOST_CHARS, MOST_TEXTS, key_of_content
from adapters.wire.writing import IN_PIECES


class Parts(list[Any]):
    """Counts how many of its entries are looked at."""

    seen = 0

    def __iter__(self) -> Iterator[Any]:
        for one in super().__iter__():
            self.seen += 1
            yield one


def asked(content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}, {"role": "assistant", "content": "Well."}]


def test_each_call_has_a_key_by_its_own_words_and_those_of_the_question() -> None:
    known = {
        key_of_content(name, arguments, asked(question))
        for name in ("f", "g")
        for arguments in ({}, {"a": 1})
        for question in ("One?", "Two?", [{"type": "text", "text": "Three?"}])
    }

    assert len(known) == 12
    assert key_of_content("f", {"a": 1, "b": 2}, asked("x")) == key_of_content(
        "f", {"b": 2, "a": 1}, asked("x")
    )


def test_a_call_is_known_again_whether_or_not_the_request_is_large() -> None:
    arguments = {
        "\ufb00": [{"b": 1.5, "a": "\U0001f600"}],
        "\U0001f600": None,
        "\u00e9": {},
        "a": "\ud7ff",
    }

    def in_pieces() -> str:
        IN_PIECES.set(True)
        return key_of_content("f", arguments, asked("x"))

    assert copy_context().run(in_pieces) == key_of_content("f", arguments, asked("x"))


def test_a_long_question_is_not_gone_through_for_each_call() -> None:
    many = Parts([{"type": "text", "text": "x"}] * 10 * MOST_TEXTS)

    key_of_content("f", {}, asked(many))
    assert many.seen <= MOST_TEXTS + 1
    long = "x" * MOST_CHARS
    assert key_of_content("f", {}, asked(long + "a")) == key_of_content("f", {}, asked(long + "b"))
