"""The kinds of providers: one adapter each, listed here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.base import Adapter
from adapters.bedrock.adapter import BedrockAdapter
from adapters.configured import Preset
from adapters.embedded.adapter import EmbeddedAdapter
from adapters.gemini.adapter import GeminiAdapter
from adapters.groq.adapter import GroqAdapter
from adapters.ollama.adapter import OllamaAdapter
from adapters.openai.adapter import OpenAIAdapter

_STANDING: tuple[type[Adapter], ...] = (
    OllamaAdapter,
    GeminiAdapter,
    GroqAdapter,
    EmbeddedAdapter,
)
_NAMED: tuple[type[Adapter], ...] = (OpenAIAdapter, BedrockAdapter)

REGISTRY: Mapping[str, type[Adapter]] = {cls.Settings.kind: cls for cls in (*_STANDING, *_NAMED)}
PRESETS: Mapping[str, Preset] = {
    name: preset for cls in REGISTRY.values() for name, preset in cls.Settings.presets().items()
}
"""The providers that are known by their names, and set up by a variable of theirs."""
STANDING: tuple[str, ...] = tuple(cls.Settings.kind for cls in _STANDING)
"""The kinds of which there is a provider without anybody naming one, called as its kind."""
