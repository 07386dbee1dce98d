"""Which model takes the place of one that is gone: by the list and the names, whatever they are."""

from __future__ import annotations

from itertools import permutations

from adapters.base import Model
from proxy.limits.successor import successor

GROQ_NOW = [
    Model("openai/gpt-oss-120b", created=3),
    Model("openai/gpt-oss-20b", created=3),
    Model("openai/gpt-oss-safeguard-20b", created=4),
    Model("qwen/qwen3.6-27b", created=6),
    Model("whisper-large-v3-turbo", chat=False, created=9),
]
GEMINI_NOW = [
    Model("gemini-3.7-flash"),
    Model("gemini-3.6-flash"),
    Model("gemini-flash-latest"),
    Model("gemini-3.7-flash-lite"),
    Model("gemini-3.7-flash-image"),
    Model("gemini-3.1-pro-preview", free=False),
]


def named(*names: str) -> list[Model]:
    return [Model(name) for name in names]


CASES = (
    ("llama-3.3-70b-versatile", GROQ_NOW, "openai/gpt-oss-120b"),  # no family left: the default
    ("openai/gpt-oss-120b", GROQ_NOW[1:], "openai/gpt-oss-20b"),
    ("qwen/qwen3-32b", GROQ_NOW, "qwen/qwen3.6-27b"),
    ("gemini-2.5-flash", GEMINI_NOW, "gemini-flash-latest"),
    ("gemini-2.5-flash", GEMINI_NOW[:2], "gemini-3.7-flash"),
    ("gemini-2.5-flash-lite", GEMINI_NOW, "gemini-3.7-flash-lite"),
    ("gemini-2.5-pro", GEMINI_NOW, "gemini-3.1-pro-preview"),  # as near as can be, at its price
    ("gemini-2.5-ultra", GEMINI_NOW[:2] + GEMINI_NOW[5:], "gemini-3.7-flash"),
    ("llama3.2", named("qwen3:4b", "llama3.1:8b"), "llama3.1:8b"),
    ("gemma2", named("gemma3:4b", "gemma4:latest", "tiny"), "gemma4:latest"),
    ("gone", [Model("old", created=1), Model("young", created=2)], "young"),
    ("gone-1", named("zeta-10", "zeta-9"), "zeta-10"),  # nothing that we know
    ("gone", [Model("sky-tts-9"), Model("sky-preview-9"), Model("sky-1")], "sky-1"),
    ("gone", [Model("dear", free=False, created=9), Model("cheap")], "cheap"),
    ("gone", [Model("sky-vision")], "sky-vision"),  # better than nobody
)


def test_the_best_of_a_list_takes_the_place_in_whatever_order_it_is_listed() -> None:
    for gone, offered, expected in CASES:
        orders = list(permutations(offered))[::7] or [offered]
        found = {successor(gone, order, default="openai/gpt-oss-120b") for order in orders}

        assert found == {expected}, gone


def test_nobody_takes_the_place_where_nobody_can_chat() -> None:
    for offered in ([], [Model("whisper", chat=False)], [Model("gone")], [Model("gone:latest")]):
        assert successor("gone", offered, default="") is None
