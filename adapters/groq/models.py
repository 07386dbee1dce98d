"""Groq's models by their names: which see pictures, which tell thoughts, which are no chat's."""

from __future__ import annotations

from adapters.compatible.messages import Taken

PROVIDER = "groq"
TEXT_ONLY_MODELS = (
    *("llama-3.1-", "llama-3.3-", "llama3-", "gemma", "allam", "mistral", "deepseek-"),
    *("openai/gpt-oss", "qwen/qwen3-", "qwen-", "moonshotai/kimi-k2", "compound", "groq/compound"),
)
"""Families known to see no images; of every other model Groq knows best."""

SPEECH_MODELS = ("whisper", "-tts", "orpheus")
"""Parts of the names of models that answer no chat; the list has no field that marks them."""
LEAST_CONTEXT = 1024
"""Whatever takes less than this judges or transcribes."""
REASONING_MODELS = ("openai/gpt-oss", "qwen", "deepseek")


def _thoughts(model: str) -> str | None:
    return "reasoning" if model.startswith(REASONING_MODELS) else None


TAKEN = Taken(
    PROVIDER,
    "Groq",
    names=False,
    audio=False,
    files=False,
    sees=lambda model: not model.startswith(TEXT_ONLY_MODELS),
    thoughts=_thoughts,
)
