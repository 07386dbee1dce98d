"""A model at a provider, and what the name of a model may be."""

from __future__ import annotations

import re

from msgspec import Struct

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}", re.ASCII)


class Candidate(Struct, frozen=True):
    """A provider and the model of it that would answer."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"
