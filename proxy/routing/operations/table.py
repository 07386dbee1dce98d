"""What may be asked of a provider: one entry for each kind of neutral request."""

from __future__ import annotations

from types import MappingProxyType

from adapters.base import ChatRequest
from adapters.tasks import (
    CompletionRequest,
    EmbeddingRequest,
    PictureRequest,
    SpeechRequest,
    TranscriptionRequest,
    TranslationRequest,
)
from proxy.routing.operations.chat import CHAT, Complete
from proxy.routing.operations.embeddings import Embeddings
from proxy.routing.operations.hearing import Hearing
from proxy.routing.operations.operation import Operations
from proxy.routing.operations.painting import Painting
from proxy.routing.operations.speaking import Speaking


def operations_of(embedding_model: str) -> Operations:
    """By the type of the request; `embedding_model` is the one whose vectors are made."""
    return MappingProxyType(
        {
            ChatRequest: CHAT,
            CompletionRequest: Complete(),
            EmbeddingRequest: Embeddings(embedding_model),
            TranscriptionRequest: Hearing(translates=False),
            TranslationRequest: Hearing(translates=True),
            SpeechRequest: Speaking(),
            PictureRequest: Painting(),
        }
    )


OPERATIONS = operations_of("")
