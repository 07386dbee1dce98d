"""The tables of endpoints as docs/doors.md shows them, made of the doors and of the adapters.

`python -m tests.proxy.doors.endpoints` prints them anew.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from adapters import REGISTRY
from adapters.base import Adapter, ChatRequest
from adapters.memory import LruMemory
from adapters.openai.settings import OpenAISettings
from adapters.tasks import (
    CompletionRequest,
    Counts,
    EmbeddingRequest,
    PictureRequest,
    SpeechRequest,
    TranscriptionRequest,
    TranslationRequest,
)
from adapters.upstream import Upstream
from proxy.doors import DOORS, counting, keeping
from proxy.doors.responses.in_memory import Turns
from proxy.routing.operations.table import operations_of
from tests.fakes.model import words

PATHS: Mapping[type, str] = {
    ChatRequest: "/v1/chat/completions",
    CompletionRequest: "/v1/completions",
    EmbeddingRequest: "/v1/embeddings",
    TranscriptionRequest: "/v1/audio/transcriptions",
    TranslationRequest: "/v1/audio/translations",
    SpeechRequest: "/v1/audio/speech",
    PictureRequest: "/v1/images/generations",
}
"""Where each kind of request is asked; the other doors' chats are chats as well."""
WHAT: Mapping[str, frozenset[str]] = {
    "a chat": words(
        "/v1/chat/completions /v1/responses /v1/messages /api/chat "
        ":generateContent :streamGenerateContent"
    ),
    "a text gone on with": words("/v1/completions /api/generate"),
    "a conversation kept here": words("/v1/conversations /v1/responses/compact"),
    "vectors": words("/v1/embeddings /api/embed /api/embeddings :embedContent :batchEmbedContents"),
    "tokens counted": words("/v1/responses/input_tokens /v1/messages/count_tokens :countTokens"),
    "speech heard": words("/v1/audio/transcriptions /v1/audio/translations"),
    "words spoken": words("/v1/audio/speech"),
    "pictures painted": words("/v1/images/generations"),
    "pictures changed": words("/v1/images/edits"),
}
"""What can be asked for, and where; the paths of what belongs to an answer are left out."""
CLIENTS: Mapping[str, str] = {
    "OpenAI": r"/v1/(?!messages)",
    "Anthropic": "/v1/messages",
    "Ollama": "/api/",
    "Gemini": ":",
}
"""By the beginnings of their paths."""
COUNTS = "/v1/messages/count_tokens"
OTHER = "any that speaks as OpenAI does"


def adapters() -> dict[str, Adapter]:
    """One of each kind; a server of the kind `openai` besides of which nothing is known."""
    upstream: Any = object.__new__(Upstream)
    made = {kind: one(one.Settings(), upstream, LruMemory()) for kind, one in REGISTRY.items()}
    far = OpenAISettings.model_validate({"name": "far", "base_url": "https://llm.example/v1"})
    return {**made, OTHER: REGISTRY["openai"](far, upstream, LruMemory())}


def asked_at() -> list[str]:
    """Every path where something is asked for; of those with a model in them, the method."""
    entrances = (*DOORS, *counting(), *keeping(Turns(lambda: 0.0, most=0)))
    paths = [one.paths[0] for one in entrances if "POST" in one.methods]
    return [path[path.rindex("}") + 1 :] if ":path}:" in path else path for path in paths]


def doors_table() -> str:
    """One row for what can be asked for, one column a client's protocol."""
    rows = [["", *CLIENTS], ["---"] * (len(CLIENTS) + 1)]
    served = asked_at()
    for what, paths in WHAT.items():
        found = [
            ", ".join(f"`{path}`" for path in served if path in paths and re.match(start, path))
            for start in CLIENTS.values()
        ]
        rows.append([what, *(cell or "-" for cell in found)])
    return _written(rows)


def table() -> str:
    """One row an endpoint, one column a kind."""
    found = adapters()
    rows = [["", *(f"`{kind}`" if kind in REGISTRY else kind for kind in found)], ["---"]]
    rows[1] *= len(rows[0])
    operations = operations_of("")
    for kind, path in PATHS.items():
        cells = [_cell(operations[kind].model, one) for one in found.values()]
        rows.append([f"`{path}`", *cells])
    counted = [
        "the model's own count" if isinstance(a, Counts) else "a guess" for a in found.values()
    ]
    rows.append([f"`{COUNTS}`", *counted])
    return _written(rows)


def _written(rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(model_of: Any, adapter: Adapter) -> str:
    if model_of is None:
        return "yes"
    model = model_of(adapter)
    if model is None:
        return "-"
    return f"`{model}`" if model else "where a model is named"


if __name__ == "__main__":
    sys.stdout.write(f"{doors_table()}\n{table()}")
