"""The table of endpoints and kinds of providers as docs/doors.md shows it, made of the adapters.

`python -m tests.proxy.doors.endpoints` prints it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
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
from proxy.routing.operations.table import operations_of

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
COUNTS = "/v1/messages/count_tokens"
OTHER = "any that speaks as OpenAI does"


def adapters() -> dict[str, Adapter]:
    """One of each kind; a server of the kind `openai` besides of which nothing is known."""
    upstream: Any = object.__new__(Upstream)
    made = {kind: one(one.Settings(), upstream, LruMemory()) for kind, one in REGISTRY.items()}
    far = OpenAISettings.model_validate({"name": "far", "base_url": "https://llm.example/v1"})
    return {**made, OTHER: REGISTRY["openai"](far, upstream, LruMemory())}


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
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(model_of: Any, adapter: Adapter) -> str:
    if model_of is None:
        return "yes"
    model = model_of(adapter)
    if model is None:
        return "-"
    return f"`{model}`" if model else "where a model is named"


if __name__ == "__main__":
    sys.stdout.write(table())
