"""Texts -> Ollama's `POST /api/embed`, and its answer -> vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from adapters.base import NativeCall
from adapters.errors import AdapterError, ErrorKind
from adapters.events import Json
from adapters.ollama.errors import NAME
from adapters.ollama.request import EXTENSIONS
from adapters.tasks import EmbeddingRequest
from adapters.translation.wishes import left_out
from adapters.wire.bounds import count, word
from adapters.wire.whole import Told, vector

MODEL = "nomic-embed-text"
PATH = "/api/embed"
OWN_WORDS = ("options", "keep_alive")


def to_native(request: EmbeddingRequest, keep_alive: str | int | None) -> NativeCall:
    """The call. Ollama would cut what is too long for the model, and tell nobody."""
    body: Json = {"model": request.model, "input": request.texts, "truncate": request.truncate}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    if keep_alive is not None:
        body["keep_alive"] = keep_alive
    own = request.extensions.get(NAME)
    given = {**request.extensions, **(own if isinstance(own, Mapping) else {})}
    body |= {name: given[name] for name in OWN_WORDS if given.get(name) is not None}
    dropped = left_out(request.extensions, EXTENSIONS)
    dropped += [f"dropped={name}" for name in ("task", "title") if getattr(request, name)]
    return NativeCall("POST", PATH, body, tuple(dropped))


class _Answer(Struct):
    embeddings: list[Any]
    model: Any = None
    prompt_eval_count: Any = None


def vectors_of(body: Any) -> Told:
    """What an answer holds. Raises ValueError."""
    answer = msgspec.convert(body, _Answer)
    vectors = [vector(told) for told in answer.embeddings]
    return vectors, word(answer.model), count(answer.prompt_eval_count)


def of_texts(error: AdapterError) -> AdapterError:
    """The error with the parameter that is at fault here."""
    if error.kind is not ErrorKind.CONTEXT:
        return error
    return error.but(param="input", message=error.message.replace("the prompt", "a text", 1))
