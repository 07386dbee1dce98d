"""What a request's messages hold is looked for once."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from adapters.base import ChatRequest, Json
from adapters.contents import Contents, contents_of
from proxy.doors.reading.schemas import MAX_MEDIA, MAX_PARTS, within_bounds
from proxy.errors import ApiError

TEXT = {"type": "text", "text": "abc"}
PICTURE = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
FILE = {"type": "file", "file": {"file_id": "f"}}
TALK: list[Json] = [
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": [TEXT, PICTURE, FILE, TEXT, PICTURE]},
    {"role": "assistant", "content": None},
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
    {"role": "user", "content": [PICTURE]},
]
FOUND = Contents(13, 7, {"image_url": [(1, 1), (1, 4), (4, 0)], "file": [(1, 2)]})


def asking(*parts: Json) -> ChatRequest:
    return ChatRequest("m", [{"role": "user", "content": list(parts)}])


def test_texts_are_measured_and_of_all_else_the_places_are_kept() -> None:
    assert contents_of(TALK) == FOUND
    assert contents_of([]) == Contents()


def test_who_speaks_and_whether_anything_is_called_is_seen() -> None:
    said = [{"role": "user", "content": "a", "name": name} for name in ("Ann", "Bob", "Ann", None)]
    called = {"role": "assistant", "content": None, "name": "Eve", "tool_calls": []}
    assert contents_of([*said, called]) == Contents(4, names={"Ann", "Bob"}, has_calls=True)


def test_a_role_and_a_text_each_are_plain() -> None:
    said = {"role": "user", "content": "a"}
    assert contents_of([said, said]).is_plain
    for other in ({**said, "name": None}, {**said, "content": ""}, {**said, "content": [TEXT]}):
        assert not contents_of([said, other]).is_plain


def test_what_a_door_has_read_is_not_looked_at_again() -> None:
    request = within_bounds(ChatRequest("m", TALK))

    assert contents_of(request.messages) is contents_of(request.messages)
    assert contents_of(request.messages) == FOUND
    assert contents_of(replace(request, model="other").messages) is contents_of(request.messages)


def test_other_messages_are_looked_at_anew() -> None:
    request = within_bounds(ChatRequest("m", TALK))

    for others in ([*request.messages, TALK[4]], request.messages[:-1]):
        assert contents_of(others).media["image_url"] != FOUND.media["image_url"]


def test_parts_have_a_bound_and_a_smaller_one_where_they_are_no_text() -> None:
    for parts in ([TEXT] * MAX_PARTS, [PICTURE] * (MAX_MEDIA - 1) + [FILE]):
        assert within_bounds(asking(*parts)).messages[0]["content"] == parts
        with pytest.raises(ApiError, match="more than") as caught:
            within_bounds(asking(*parts, parts[-1]))
        assert (caught.value.status, caught.value.param) == (400, "messages")
