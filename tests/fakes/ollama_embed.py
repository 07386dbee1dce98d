"""Ollama's `/api/embed` on loopback."""

from __future__ import annotations

from typing import Any

from tests.fakes.model import Json, tokens
from tests.fakes.ollama_rules import body_of, find_model, refuse
from tests.fakes.server import Request
from tests.fakes.vectors import unit, vector

SIZE = 768


def embed(request: Request) -> Json:
    """The answer. Raises RefusalError."""
    body = body_of(request)
    texts = _texts(body.get("input"))
    _, model = find_model(body.get("model"))
    if not model.can("embedding"):
        raise refuse("this model does not support embeddings", 501)
    kept = [_fit(text, model.context, cut=body.get("truncate", True)) for text in texts]
    size = body.get("dimensions") or SIZE
    return {
        "model": body["model"],
        "embeddings": [unit(vector(text, SIZE)[:size]) for text in kept],
        "total_duration": 58_537_625,
        "load_duration": 4_384_500,
        "prompt_eval_count": sum(len(tokens(text)) for text in kept),
    }


def _texts(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given] if given else []
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise refuse("invalid input type")
    return given


def _fit(text: str, context: int, *, cut: bool) -> str:
    found = tokens(text)
    if len(found) > context and not cut:
        raise refuse("the input length exceeds the context length")
    return "".join(found[:context])
