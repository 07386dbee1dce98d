"""The providers: one adapter each, listed here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.base import Adapter
from adapters.embedded.adapter import EmbeddedAdapter
from adapters.gemini.adapter import GeminiAdapter
from adapters.groq.adapter import GroqAdapter
from adapters.ollama.adapter import OllamaAdapter

_ADAPTERS: tuple[type[Adapter], ...] = (
    OllamaAdapter,
    GeminiAdapter,
    GroqAdapter,
    EmbeddedAdapter,
)

REGISTRY: Mapping[str, type[Adapter]] = {cls.name: cls for cls in _ADAPTERS}
