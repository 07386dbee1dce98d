"""OpenAI's embeddings."""

from __future__ import annotations

from functools import partial

from proxy.doors.door import Call, InOnePiece, Opening
from proxy.doors.embeddings.read import Parsed, parse_request
from proxy.doors.embeddings.write import embeddings
from proxy.doors.openai import OpenAIErrors, body_of
from proxy.doors.writing.whole import Whole


class EmbeddingsDoor(InOnePiece, OpenAIErrors):
    """POST /v1/embeddings."""

    name = "embeddings"

    def read(self, call: Call) -> Parsed:
        return parse_request(body_of(call))

    def fold(self, asked: Parsed, opening: Opening) -> Whole:
        return Whole(
            partial(
                embeddings,
                model=asked.request.model,
                in_base64=asked.in_base64,
                prompt_guess=opening.prompt_guess,
            )
        )
