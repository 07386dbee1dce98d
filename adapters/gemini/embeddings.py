"""Texts -> Gemini's batchEmbedContents, and its answer -> vectors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from adapters.base import NativeCall
from adapters.events import Json
from adapters.gemini.names import model_id
from adapters.gemini.request import OWN_BLOCK
from adapters.tasks import EmbeddingRequest
from adapters.translation.wishes import FOR_OTHERS, left_out
from adapters.wire.bounds import count
from adapters.wire.whole import Told, vector

MODEL = "gemini-embedding-001"
OWN_WORDS: Mapping[str, str] = {
    "taskType": "taskType",
    "task_type": "taskType",
    "title": "title",
    "outputDimensionality": "outputDimensionality",
    "output_dimensionality": "outputDimensionality",
}


def to_native(request: EmbeddingRequest, api_version: str) -> NativeCall:
    """The call; each text is an entry of its own, as the parts of one would share a vector."""
    name = model_id(request.model)
    entry: Json = {"model": f"models/{name}"}
    for word, value in (
        ("outputDimensionality", request.dimensions or request.expected),
        ("taskType", request.task),
        ("title", request.title),
    ):
        if value is not None:
            entry[word] = value
    own = request.extensions.get(OWN_BLOCK)
    given = {**request.extensions, **(own if isinstance(own, Mapping) else {})}
    entry |= {OWN_WORDS[word]: value for word, value in given.items() if word in OWN_WORDS}
    entries = [{**entry, "content": {"parts": [{"text": text}]}} for text in request.texts]
    return NativeCall(
        "POST",
        f"/{api_version}/models/{name}:batchEmbedContents",
        {"requests": entries},
        tuple(left_out(request.extensions, FOR_OTHERS | OWN_WORDS.keys())),
    )


class _Embedding(Struct):
    values: Any


class _Answer(Struct):
    embeddings: list[Any]
    usageMetadata: Any = None


def vectors_of(model: str, call: NativeCall, body: Any) -> Told:
    """What the answer to `call` holds. Raises ValueError."""
    answer = msgspec.convert(body, _Answer)
    rows = [msgspec.convert(row, _Embedding) for row in answer.embeddings]
    vectors: Sequence[Sequence[float]] = [vector(row.values) for row in rows]
    if "outputDimensionality" in call.body["requests"][0]:
        vectors = [_unit(vector) for vector in vectors]
    told = answer.usageMetadata
    tokens = told.get("promptTokenCount") if isinstance(told, dict) else None
    return vectors, model, count(tokens)


def _unit(vector: Sequence[float]) -> Sequence[float]:
    """The vector with a length of 1: those that were cut to fewer dimensions may be shorter."""
    length = math.hypot(*vector)
    if length == 0 or abs(length - 1) < 1e-4:
        return vector
    return [value / length for value in vector]
