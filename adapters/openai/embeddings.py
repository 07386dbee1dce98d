"""Texts -> `POST /embeddings`, and its answer -> vectors."""

from __future__ import annotations

import base64
from array import array
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from adapters.base import NativeCall
from adapters.events import Json
from adapters.openai.settings import KIND
from adapters.tasks import EmbeddingRequest
from adapters.translation.wishes import left_out
from adapters.wire.bounds import count, word
from adapters.wire.whole import Told, vector

PATH = "/embeddings"


def to_native_embedding(request: EmbeddingRequest) -> NativeCall:
    """The call; without a length the model's own holds."""
    body: Json = {"model": request.model, "input": request.texts}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    own = request.extensions.get(KIND)
    if isinstance(own, dict):
        body |= own
    dropped = left_out(request.extensions, (KIND,))
    dropped += [f"dropped={name}" for name in ("task", "title") if getattr(request, name)]
    return NativeCall("POST", PATH, body, tuple(dropped))


class _Row(Struct):
    embedding: Any
    index: int = -1


class _Answer(Struct):
    data: list[Any]
    model: Any = None
    usage: Any = None


def vectors_of(body: Any) -> Told:
    """What an answer holds. Raises ValueError."""
    answer = msgspec.convert(body, _Answer)
    rows = [msgspec.convert(row, _Row) for row in answer.data]
    vectors = [_vector(row.embedding) for row in _in_order(rows)]
    told = answer.usage if isinstance(answer.usage, dict) else {}
    return vectors, word(answer.model), count(told.get("prompt_tokens"))


def _in_order(rows: Sequence[_Row]) -> Sequence[_Row]:
    """By their numbers, where they have some that can be."""
    is_numbered = {row.index for row in rows} == set(range(len(rows)))
    return sorted(rows, key=lambda row: row.index) if is_numbered else rows


def _vector(told: Any) -> Sequence[float]:
    """Some answer in base64 without being asked to. Raises ValueError."""
    if not isinstance(told, str):
        return vector(told)
    raw = base64.b64decode(told, validate=True)
    if len(raw) % 4:
        raise ValueError("no floats")
    return array("f", raw).tolist()
