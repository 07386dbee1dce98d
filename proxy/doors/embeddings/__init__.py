"""OpenAI's embeddings."""

from __future__ import annotations

from proxy.doors.door import Call, InOnePiece, Opening
from proxy.doors.embeddings.read import Parsed, parse_request
from proxy.doors.embeddings.write import EmbeddingFold
from proxy.doors.openai import OpenAIErrors, body_of


class EmbeddingsDoor(InOnePiece, OpenAIErrors):
    """POST /v1/embeddings."""

    name = "embeddings"

    def read(self, call: Call) -> Parsed:
        return parse_request(body_of(call))

    def fold(self, asked: Parsed, opening: Opening) -> EmbeddingFold:
        return EmbeddingFold(
            asked.request.model, in_base64=asked.in_base64, prompt_guess=opening.prompt_guess
        )
