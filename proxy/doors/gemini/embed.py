"""Vectors of texts, as Gemini's clients ask for them: one, or several in one request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.base import Json
from adapters.tasks import EmbeddingRequest, Vectors
from adapters.wire.writing import dumps
from proxy.doors.door import Asked, Call, InOnePiece, Opening
from proxy.doors.gemini.errors import JSON_TYPE, GeminiErrors
from proxy.doors.gemini.fields import field, member, objects, whole, word
from proxy.doors.gemini.messages import as_parts
from proxy.doors.gemini.read import named_model
from proxy.doors.reading.body import parse_json
from proxy.doors.reading.checks import json_object, out_of_range, string
from proxy.doors.writing.whole import Whole
from proxy.errors import bad_request

MAX_TEXTS = 2048
ALIKE = ("taskType", "outputDimensionality")
"""What is said once for all texts of a request."""


class EmbedDoor(InOnePiece, GeminiErrors):
    """POST …/{model}:embedContent, or `:batchEmbedContents`."""

    name = "gemini-embeddings"

    def __init__(self, *, several: bool = False) -> None:
        self._several = several

    def read(self, call: Call) -> Asked:
        data = parse_json(call.body)
        model = named_model(call, data)
        if not self._several:
            return Asked(_request(model, [data], [""]))
        requests = member(data, "", "requests", objects) or []
        if not 1 <= len(requests) <= MAX_TEXTS:
            raise out_of_range("requests", f"a list of 1 to {MAX_TEXTS}")
        return Asked(_request(model, requests, [f"requests[{i}]" for i in range(len(requests))]))

    def fold(self, asked: Asked, opening: Opening) -> Whole:
        return Whole(self._vectors, (JSON_TYPE,))

    def _vectors(self, events: Sequence[Any]) -> bytes:
        vectors = [vector for event in events if type(event) is Vectors for vector in event.values]
        found: list[Json] = [{"values": vector} for vector in vectors]
        return dumps({"embeddings": found} if self._several else {"embedding": found[0]})


def _request(model: str, given: Sequence[Json], paths: Sequence[str]) -> EmbeddingRequest:
    first, *others = given
    for one, path in zip(others, paths[1:], strict=True):
        for name in ALIKE:
            if field(one, name) != field(first, name):
                raise bad_request(
                    f"'{name}' must be the same for all texts of a request.",
                    param=f"{path}.{name}",
                    code="unsupported_parameter",
                )
    where = paths[0]
    titles = {member(one, path, "title", string) for one, path in zip(given, paths, strict=True)}
    return EmbeddingRequest(
        model=model,
        texts=tuple(_text(one, path) for one, path in zip(given, paths, strict=True)),
        dimensions=member(first, where, "outputDimensionality", whole(1, 2**31 - 1)),
        task=_task(member(first, where, "taskType", word)),
        title=titles.pop() if len(titles) == 1 else None,
        truncate=field(first, "autoTruncate") is not False,
        extensions={"requests.title": True} if titles else {},
    )


def _task(given: str | None) -> str | None:
    return None if given == "TASK_TYPE_UNSPECIFIED" else given


def _text(given: Json, path: str) -> str:
    where = f"{path}.content".lstrip(".")
    content: Any = field(given, "content")
    if isinstance(content, str):
        content = {"parts": [content]}
    parts = as_parts(json_object(where, content), where)
    texts = [member(part, f"{where}.parts[{i}]", "text", string) for i, part in enumerate(parts)]
    if not all(texts) or not texts:
        raise bad_request("Vectors are made of texts alone, none of them empty.", param=where)
    return "\n".join(texts)
