"""POINTSMAN_STRICT_PARAMS: what a provider would drop is refused instead. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.errors import bad_request

HINTS = frozenset(
    {
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "stream_options.include_obfuscation",
    }
)
"""Parameters without a meaning for the answer: named when dropped, but never a reason to refuse."""


def refuse_drops(warnings: Sequence[str]) -> None:
    """Raises ApiError 400 for the first parameter that was dropped and is no mere hint."""
    for warning in warnings:
        word, _, param = warning.partition("=")
        if word == "dropped" and param not in HINTS:
            raise bad_request(
                f"'{param}' cannot be honoured and POINTSMAN_STRICT_PARAMS is on.",
                param=param,
                code="unsupported_parameter",
            )
