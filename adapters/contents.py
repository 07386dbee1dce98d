"""What the messages of a request hold: looked for once, when they are read. Pure.

There may be thousands of parts in them, and each step of a request asks for some of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set as AbstractSet
from typing import Any

from msgspec import Struct

from adapters.events import Json

Place = tuple[int, int]
"""Where a part is: the index of its message, and its own in there."""


class Contents(Struct, frozen=True):
    """`characters` of text, how many `parts`, and by their types where those are that are none.

    `names` are those of users: where there are several, each has to be told apart. `is_plain` are
    messages of a role and a text each, and nothing else, as nearly all are.
    """

    characters: int = 0
    parts: int = 0
    media: Mapping[str, Sequence[Place]] = {}
    names: AbstractSet[str] = frozenset()
    has_calls: bool = False
    is_plain: bool = False


class Messages(list[Json]):
    """Messages that nobody changes any more, with what is in them."""

    __slots__ = ("contents",)

    def __init__(self, messages: Sequence[Json], contents: Contents) -> None:
        super().__init__(messages)
        self.contents = contents


def contents_of(messages: Sequence[Json]) -> Contents:
    """What is in them: known where a door has read them, else looked for."""
    return messages.contents if type(messages) is Messages else found_in(messages)


def found_in(messages: Sequence[Json]) -> Contents:
    """What is in them, from one look at each part."""
    texts: list[Any] = [message.get("content") for message in messages]
    are_texts = all(texts) and _TEXT.issuperset(map(type, texts))
    if texts and are_texts and _TWO.issuperset(map(len, messages)):  # a role, and nothing else
        return Contents(sum(map(len, texts)), is_plain=True)
    characters = parts = 0
    media: dict[str, list[Place]] = {}
    names: set[str] = set()
    has_calls = False
    for at, (message, content) in enumerate(zip(messages, texts, strict=True)):
        has_calls = has_calls or "tool_calls" in message
        if "name" in message and message["role"] == "user" and message["name"]:
            names.add(message["name"])
        if type(content) is str:
            characters += len(content)
        elif content:
            parts += len(content)
            for place, part in enumerate(content):
                if type(part) is not dict:
                    continue
                if text := part.get("text"):
                    characters += len(text)
                elif (kind := part["type"]) in MEDIA:
                    media.setdefault(kind, []).append((at, place))
    return Contents(characters, parts, media, names, has_calls)


MEDIA = frozenset({"image_url", "input_audio", "file"})
"""The types of parts that are no text."""
_TEXT = frozenset({str})
_TWO = frozenset({2})
