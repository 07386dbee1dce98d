"""`/api/embed`, and the older `/api/embeddings`: texts in, vectors out. No I/O but a clock."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from adapters.base import Json, Usage
from adapters.tasks import EmbeddingRequest, Vectors
from adapters.wire.writing import dumps
from proxy.doors.door import Asked, Call, InOnePiece, Opening
from proxy.doors.ollama.errors import OllamaErrors
from proxy.doors.ollama.messages import text_of
from proxy.doors.ollama.objects import nanoseconds
from proxy.doors.ollama.options import Options, keep_alive
from proxy.doors.ollama.read import LATEST, in_own_words, model_name
from proxy.doors.reading.body import parse_json
from proxy.doors.reading.checks import checked, count, flag
from proxy.doors.writing.whole import Whole, json_reply, last
from proxy.errors import ApiError, bad_request
from proxy.reply import Reply

MAX_INPUTS = 2048


class Parsed(Asked, frozen=True):
    """A request, and what only the answer's form depends on."""

    name: str = ""
    began_s: float = 0.0

    def told(self, error: ApiError) -> ApiError:
        return in_own_words(error, self.name)


class OllamaEmbed(InOnePiece, OllamaErrors):
    """POST /api/embed, and where `is_one`, POST /api/embeddings."""

    def __init__(
        self, *, is_one: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._is_one = is_one
        self._clock = clock

    def read(self, call: Call) -> Parsed | Reply:
        """The request; no vectors of no texts."""
        began_s, data = self._clock(), parse_json(call.body)
        name = model_name(data.get("model"))
        texts = [text_of("", "prompt", data)] if self._is_one else _texts(data.get("input"))
        truncate = checked(data, "truncate", flag)
        request = EmbeddingRequest(
            model=name.removesuffix(LATEST),
            texts=tuple(texts),
            dimensions=checked(data, "dimensions", count),
            truncate=truncate is not False,
            extensions=_extensions(data),
        )
        if not any(texts):
            return json_reply(
                {"embedding": []} if self._is_one else {"model": name, "embeddings": []}
            )
        return Parsed(request, False, data.get("pointsman"), name, began_s)

    def fold(self, asked: Parsed, opening: Opening) -> Whole:
        return Whole(partial(self._vectors, asked, opening.prompt_guess))

    def _vectors(self, asked: Parsed, prompt_guess: int, events: Sequence[Any]) -> bytes:
        vectors = [vector for event in events if type(event) is Vectors for vector in event.values]
        if self._is_one:
            return dumps({"embedding": vectors[0]})
        usage = last(Usage, events)
        return dumps(
            {
                "model": asked.name,
                "embeddings": [unit(vector) for vector in vectors],
                "total_duration": nanoseconds(self._clock() - asked.began_s),
                "load_duration": 1,
                "prompt_eval_count": prompt_guess if usage is None else usage.prompt,
            }
        )


def unit(vector: Sequence[float]) -> Sequence[float]:
    """The vector with a length of 1, which clients of this API rely on."""
    length = math.hypot(*vector)
    if not length or math.isclose(length, 1, rel_tol=1e-4):
        return vector
    return [number / length for number in vector]


def _texts(given: Any) -> list[str]:
    if given is None or given == "":
        return []
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
        raise bad_request("invalid input type", param="input")
    if len(texts) > MAX_INPUTS:
        raise bad_request(f"'input' may hold {MAX_INPUTS} texts.", param="input")
    if texts and not all(texts):
        raise bad_request("'input' must not hold empty texts.", param="input")
    return texts


def _extensions(data: Json) -> Json:
    """What goes to a real server alone, as it came."""
    options = Options(data.get("options")).given
    own: Json = {"options": options} if options else {}
    if (told := keep_alive(data.get("keep_alive"))) is not None:
        own["keep_alive"] = told
    return {"ollama": own} if own else {}
