"""Answers that come in one piece, and those that hold vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
import msgspec

from adapters.errors import AdapterError, ErrorKind, Phase, not_promised
from adapters.events import Start, Usage
from adapters.tasks import EmbeddingRequest, Vectors
from adapters.wire.pieces import loads

MAX_DIMENSIONS = 65_536


class WholeAnswer:
    """What all such answers have in common as a `native.Dialect`; a reader has `whole` besides."""

    done = False

    def __init__(self, provider: str, refusal: Callable[[httpx.Response], AdapterError]) -> None:
        self.provider = provider
        self.refusal = refusal
        self._pieces = bytearray()

    def head(self, headers: Mapping[str, str]) -> list[Any]:
        return []

    def whole(self, body: bytes | bytearray) -> list[Any]:
        raise NotImplementedError

    def feed(self, data: bytes) -> list[Any]:
        """Some gateways send it as a stream."""
        self._pieces += data
        return []

    def end(self) -> list[Any]:
        return self.whole(self._pieces)


def vector(told: Any) -> list[float]:
    """One vector of an answer. Raises ValueError."""
    return msgspec.convert(told, list[float])


Told = tuple[Sequence[Sequence[float]], str | None, int | None]
"""Vectors, the model that made them, and how many tokens it took."""


class VectorsAnswer(WholeAnswer):
    """An answer that holds a vector for each text of a request.

    `read` tells them of what the body holds; it raises ValueError where there are none.
    """

    def __init__(
        self,
        provider: str,
        request: EmbeddingRequest,
        refusal: Callable[[httpx.Response], AdapterError],
        read: Callable[[Any], Told],
    ) -> None:
        super().__init__(provider, refusal)
        self._request = request
        self._read = read

    def whole(self, body: bytes | bytearray) -> list[Any]:
        try:
            vectors, model, tokens = self._read(loads(body))
        except ValueError:
            raise not_promised(self.provider, "the answer holds no vectors") from None
        self._check(vectors)
        told = [] if tokens is None else [Usage(prompt=tokens)]
        return [Start(model=model), Vectors(vectors), *told]

    def _check(self, vectors: Sequence[Sequence[float]]) -> None:
        """Raises AdapterError where they are not as many, or as long, as was asked."""
        sizes = {len(vector) for vector in vectors}
        is_each = len(vectors) == len(self._request.texts) and len(sizes) == 1
        if not is_each or not 0 < min(sizes) <= MAX_DIMENSIONS:
            raise not_promised(self.provider, "the answer does not hold a vector for each text")
        [size] = sizes
        if self._request.dimensions not in (None, size):
            raise AdapterError(
                ErrorKind.BAD_REQUEST,
                f"the model's vectors have {size} dimensions, not {self._request.dimensions}",
                provider=self.provider,
                phase=Phase.BEFORE_CONTENT,
                param="dimensions",
            )
