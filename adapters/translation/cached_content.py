"""Contents that Google keeps for a client, and that a request goes on from by their name. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

CACHE = "cached_content"


def google_blocks(extensions: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What was said in the blocks of Google's own OpenAI layer; the outermost comes last."""
    wrapped = extensions.get("extra_body")
    blocks = (
        wrapped.get("google") if isinstance(wrapped, dict) else None,
        extensions.get("google"),
    )
    return (block for block in blocks if isinstance(block, dict))


def names_cache(extensions: Mapping[str, Any]) -> bool:
    """Whether the request begins with kept contents, wherever in it they are named."""
    own = extensions.get("gemini")
    if isinstance(own, dict) and own.get("cachedContent"):
        return True
    return any(block.get(CACHE) for block in (extensions, *google_blocks(extensions)))
