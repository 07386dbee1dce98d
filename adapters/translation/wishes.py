"""Wishes that nobody can leave out and still give the answer that was asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def beyond_text(params: Mapping[str, Any]) -> str | None:
    """The parameter that asks for more than a text; None where none does."""
    if params.get("audio") or any(kind != "text" for kind in params.get("modalities") or ()):
        return "modalities" if "modalities" in params else "audio"
    return None


def blocks(moderation: Any) -> bool:
    """Whether a policy is to hold back what it finds: who moderates nothing must not answer."""
    match moderation:
        case {"policy": {"input": {"mode": "block"}} | {"output": {"mode": "block"}}}:
            return True
    return False
