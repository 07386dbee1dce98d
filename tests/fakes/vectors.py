"""The little model's vectors: each word of a text points somewhere, and a text is their sum."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence

from tests.fakes.model import tokens


def vector(text: str, size: int) -> list[float]:
    """A vector of length 1, the same for the same words."""
    total = [0.0] * size
    for word in tokens(text):
        digest = hashlib.sha256(word.strip().lower().encode()).digest()
        chance = random.Random(digest)
        total = [value + chance.gauss(0, 1) for value in total]
    return unit(total)


def unit(values: Sequence[float]) -> list[float]:
    length = math.hypot(*values) or 1.0
    return [value / length for value in values]
