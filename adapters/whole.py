"""Answers that come in one piece, and vectors that are read out of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from adapters.base import AdapterError, ErrorKind, NativeCall, Phase, Scope

MAX_DIMENSIONS = 65_536


class WholeAnswer:
    """What all such answers have in common as a `native.Dialect`; a reader has `whole` besides."""

    provider: str
    done = False

    def __init__(self, refusal: Callable[[httpx.Response], AdapterError]) -> None:
        self.refusal = refusal
        self._pieces = bytearray()

    def head(self, headers: Mapping[str, str]) -> list[Any]:
        return []

    def whole(self, body: bytes) -> list[Any]:
        raise NotImplementedError

    def feed(self, data: bytes) -> list[Any]:
        """Some gateways send it as a stream."""
        self._pieces += data
        return []

    def end(self) -> list[Any]:
        return self.whole(bytes(self._pieces))

    def amend(self, call: NativeCall, error: AdapterError) -> NativeCall | None:
        return None


def check_vectors(
    vectors: Sequence[Sequence[float]], count: int, dimensions: int | None, provider: str
) -> None:
    """Raises AdapterError where they are not as many, or as long, as was asked."""
    sizes = {len(vector) for vector in vectors}
    if len(vectors) != count or len(sizes) != 1 or not 0 < min(sizes) <= MAX_DIMENSIONS:
        raise AdapterError(
            ErrorKind.BAD_RESPONSE,
            "the answer does not hold a vector for each text",
            provider=provider,
            scope=Scope.PROVIDER,
        )
    [size] = sizes
    if dimensions not in (None, size):
        raise AdapterError(
            ErrorKind.BAD_REQUEST,
            f"the model's vectors have {size} dimensions, not {dimensions}",
            provider=provider,
            phase=Phase.BEFORE_CONTENT,
            param="dimensions",
        )
