"""Bedrock's InvokeModel for models that make vectors: Titan's and Cohere's bodies, each strict."""

from __future__ import annotations

from typing import Any

from tests.fakes.bedrock_rules import refuse
from tests.fakes.model import Json, tokens
from tests.fakes.server import Answer, Request, json_answer
from tests.fakes.vectors import unit, vector

TITAN = "amazon.titan-embed-text-v2:0"
COHERE = "cohere.embed-multilingual-v3"
COHERE_4 = "cohere.embed-v4:0"
PURPOSES = ("search_document", "search_query", "classification", "clustering")


def invoke(model: str, request: Request) -> Answer:
    """The answer. Raises RefusalError."""
    body = request.json
    if request.headers.get("content-type") != "application/json":
        raise refuse("SerializationException", "Expected content type application/json")
    if model == TITAN:
        return _titan(body)
    if model in (COHERE, COHERE_4):
        return _cohere(body, 1536 if model == COHERE_4 else None)
    raise refuse("ValidationException", "The provided model identifier is invalid.")


def _titan(body: Json) -> Answer:
    _only(body, "inputText", "dimensions", "normalize", "embeddingTypes")
    text, size = body.get("inputText"), body.get("dimensions", 1024)
    if not isinstance(text, str) or not text:
        raise refuse("ValidationException", "#/inputText: expected minLength: 1, actual: 0")
    if size not in (256, 512, 1024):
        raise refuse("ValidationException", "#/dimensions: not a valid enum value")
    made = unit(vector(text, 1024)[:size])
    told = {"embedding": made, "embeddingsByType": {"float": made}}
    return _answer({**told, "inputTextTokenCount": len(tokens(text))}, len(tokens(text)))


def _cohere(body: Json, largest: int | None) -> Answer:
    more = ("output_dimension", "max_tokens") if largest else ()
    _only(body, "texts", "input_type", "truncate", "embedding_types", *more)
    texts = body.get("texts")
    if not isinstance(texts, list) or not 0 < len(texts) <= 96:
        raise refuse("ValidationException", "#/texts: expected 1 to 96 items")
    if body.get("input_type") not in PURPOSES:
        raise refuse("ValidationException", "#/input_type: not a valid enum value")
    if body.get("truncate", "NONE") not in ("NONE", *(("LEFT", "RIGHT") if largest else ("END",))):
        raise refuse("ValidationException", "#/truncate: not a valid enum value")
    size = body.get("output_dimension", largest or 1024)
    made: Any = [unit(vector(text, largest or 1024)[:size]) for text in texts]
    kind = "embeddings_by_type" if largest else "embeddings_floats"
    made = {"float": made} if largest else made
    counted = sum(len(tokens(text)) for text in texts)
    return _answer({"embeddings": made, "id": "1", "response_type": kind, "texts": texts}, counted)


def _answer(told: Json, counted: int) -> Answer:
    return json_answer(told, headers=(("x-amzn-bedrock-input-token-count", str(counted)),))


def _only(body: Json, *known: str) -> None:
    for name in body.keys() - set(known):
        message = f"Malformed input request: extraneous key [{name}] is not permitted"
        raise refuse("ValidationException", message)
