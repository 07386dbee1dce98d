"""An estimate of how many tokens a conversation is, where no provider counts them. Pure."""

from __future__ import annotations

from typing import Any

import orjson

from adapters.base import ChatRequest, Json

CHARACTERS = 4
"""That a token has, in the middle."""
MEDIUM = 258
"""What a picture takes at the providers that document it."""


def guessed_tokens(request: ChatRequest) -> int:
    """Those of the messages, their calls and media, and the tools; one at the least."""
    characters = sum(len(orjson.dumps(tool["function"])) for tool in request.tools)
    media = 0
    for message in request.messages:
        text, count = _sizes(message.get("content"))
        characters += text + sum(map(_size_of_call, message.get("tool_calls") or ()))
        media += count
    return max(1, -(-characters // CHARACTERS) + media * MEDIUM)


def _sizes(content: Any) -> tuple[int, int]:
    """Characters of text, and how many media there are."""
    if isinstance(content, str):
        return len(content), 0
    texts = [part["text"] for part in content or () if part.get("type") == "text"]
    return sum(map(len, texts)), len(content or ()) - len(texts)


def _size_of_call(call: Json) -> int:
    return len(call["function"]["name"]) + len(call["function"]["arguments"])
