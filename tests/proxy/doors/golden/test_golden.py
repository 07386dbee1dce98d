"""What an answer says is what each protocol's own SDK reads of it, streamed or in one piece."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from adapters.base import Event
from proxy.errors import ApiError
from tests.proxy.doors.golden.features import FEATURES
from tests.proxy.doors.golden.reader import NEVER, Line, Reader, entrances
from tests.proxy.doors.golden.table import READERS, table

DOCS = Path(__file__).parents[4] / "docs" / "doors.md"
NO_TALK = {"embeddings", "gemini-embeddings", "transcriptions", "translations"}
NO_TALK |= {"speech", "images", "edits"}
"""Doors whose answers are no messages."""
EACH = pytest.mark.parametrize("reader", READERS, ids=lambda one: one.door)


@EACH
@pytest.mark.parametrize("form", ["stream", "whole"])
def test_the_sdk_reads_what_was_said(reader: Reader, form: str) -> None:
    for name, feature in FEATURES.items():
        gap = reader.gaps.get(name)
        if gap and gap.words == NEVER:
            continue
        expected = feature.meaning.but(**gap.changes) if gap else feature.meaning

        assert getattr(reader, form)(Line(reader.door, feature), feature) == expected, name


@EACH
def test_a_gap_is_one(reader: Reader) -> None:
    assert reader.gaps.keys() <= FEATURES.keys()
    for name, gap in reader.gaps.items():
        meaning = FEATURES[name].meaning
        assert gap.words == NEVER or meaning.but(**gap.changes) != meaning, name


@EACH
@pytest.mark.parametrize("form", ["stream", "whole"])
def test_a_failure_is_raised_by_the_sdk(reader: Reader, form: str) -> None:
    text = FEATURES["text"]
    for error in (
        ApiError(429, "Slow down.", type_="rate_limit_error", code="rate_limit_exceeded"),
        ApiError(502, "north: it broke", type_="api_error", code="upstream_error"),
        ApiError(504, "Too late.", type_="api_error", code="upstream_timeout"),
    ):
        with pytest.raises(reader.raises) as caught:
            getattr(reader, form)(Line(reader.door, text, fails=error), text)
        assert error.message in str(caught.value)


def test_every_event_is_in_the_table() -> None:
    seen = {type(event) for one in FEATURES.values() for batch in one.batches for event in batch}

    assert seen == {*get_args(Event)}


def test_every_door_is_in_the_table() -> None:
    doors = {one.door.name for one in entrances() if hasattr(one.door, "stream")}

    assert {reader.door for reader in READERS} == doors - NO_TALK


def test_the_docs_show_the_table() -> None:
    assert table() in DOCS.read_text(encoding="utf-8")
