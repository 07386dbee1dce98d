"""A model at a provider, and which characters a model's name may have."""

from __future__ import annotations

import re

from msgspec import Struct

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}", re.ASCII)


def is_model_name(text: str) -> bool:
    """Whether a model may be called so: never what would lead elsewhere as a part of a URL."""
    return bool(MODEL_NAME.fullmatch(text)) and ".." not in text and "//" not in text


class Candidate(Struct, frozen=True):
    """A provider and the model of it that would answer.

    `key` tells by which of the provider's keys it is asked, from 1 on; 0 where it has but one.
    """

    provider: str
    model: str
    key: int = 0

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"

    def by_any(self) -> Candidate:
        """The same, by whichever key."""
        return Candidate(self.provider, self.model) if self.key else self
