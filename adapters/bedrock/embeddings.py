"""Texts -> InvokeModel's body, as each house of models has it, and its answer -> vectors.

Source: AWS's "Inference request parameters": Titan Embeddings Text, Cohere Embed v3 and v4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from adapters.base import NativeCall
from adapters.bedrock.names import bare, model_path, refused
from adapters.bedrock.settings import KIND
from adapters.errors import AdapterError
from adapters.events import Json
from adapters.tasks import EmbeddingRequest
from adapters.translation.wishes import left_out
from adapters.wire.bounds import count
from adapters.wire.whole import Told, VectorsAnswer, vector

MODEL = "amazon.titan-embed-text-v2:0"
TITAN, COHERE = "amazon.titan-embed-text", "cohere.embed"
COHERES_MOST = 96
TITANS_LENGTHS = frozenset({256, 512, 1024})
PURPOSES: Mapping[str, str] = {
    "RETRIEVAL_QUERY": "search_query",
    "QUESTION_ANSWERING": "search_query",
    "CODE_RETRIEVAL_QUERY": "search_query",
    "CLASSIFICATION": "classification",
    "CLUSTERING": "clustering",
    "SEMANTIC_SIMILARITY": "clustering",
}
"""What vectors are for, by Google's words; all else is to be searched for."""
COUNTED = "x-amzn-bedrock-input-token-count"


def texts_at_once(model: str) -> int:
    """How many texts one call takes."""
    return COHERES_MOST if bare(model).startswith(COHERE) else 1


def to_native_embedding(request: EmbeddingRequest) -> NativeCall:
    """The call. Raises AdapterError for a model of which nobody knows how it is asked."""
    model, own = bare(request.model), request.extensions.get(KIND)
    if model.startswith(TITAN):
        body, read = _titan(request, model), {KIND}
    elif model.startswith(COHERE):
        body, read = _cohere(request, model), {KIND, "input_type"}
    else:
        raise refused(f"it is not known how {request.model} is asked for vectors", "model")
    dropped = left_out(request.extensions, read)
    dropped += ["dropped=title"] if request.title is not None else []
    dropped += ["dropped=task"] if request.task is not None and "input_type" not in body else []
    return NativeCall(
        "POST",
        model_path(request.model, "invoke"),
        {**body, **(own if isinstance(own, Mapping) else {})},
        tuple(dropped),
    )


def _titan(request: EmbeddingRequest, model: str) -> Json:
    """One text a call; the first model of them takes nothing but that."""
    body: Json = {"inputText": request.texts[0]}
    length = request.dimensions
    if length is None and request.expected in TITANS_LENGTHS:
        length = request.expected
    if length is not None and not model.startswith(f"{TITAN}-v1"):
        body["dimensions"] = length
    return body


def _cohere(request: EmbeddingRequest, model: str) -> Json:
    given = request.extensions.get("input_type")
    purpose = given if isinstance(given, str) else PURPOSES.get(request.task or "")
    body: Json = {"texts": list(request.texts), "input_type": purpose or "search_document"}
    is_third = "-v3" in model
    if (length := request.dimensions or request.expected) is not None and not is_third:
        body["output_dimension"] = length
    if request.truncate:
        body["truncate"] = "END" if is_third else "RIGHT"
    return body


class _ByType(Struct, rename={"vectors": "float"}):
    vectors: list[Any]


class _Answer(Struct):
    """Titan's `embedding`, or Cohere's `embeddings` in either of its forms."""

    embedding: Any = None
    embeddings: list[Any] | _ByType | None = None
    inputTextTokenCount: Any = None


class EmbeddingAnswer(VectorsAnswer):
    """How one answer is read (a `native.Dialect`); its headers count the tokens."""

    def __init__(
        self, request: EmbeddingRequest, refusal: Callable[[httpx.Response], AdapterError]
    ) -> None:
        super().__init__(KIND, request, refusal, self._vectors_of)
        self._counted: int | None = None

    def head(self, headers: Mapping[str, str]) -> list[Any]:
        told = headers.get(COUNTED, "")
        self._counted = int(told) if told.isascii() and told.isdecimal() else None
        return []

    def _vectors_of(self, body: Any) -> Told:
        answer = msgspec.convert(body, _Answer)
        found = answer.embeddings
        vectors = found.vectors if isinstance(found, _ByType) else found or []
        if answer.embedding is not None:
            vectors = [answer.embedding]
        vectors = [vector(told) for told in vectors]
        tokens = count(answer.inputTextTokenCount)
        return vectors, self._request.model, self._counted if tokens is None else tokens
