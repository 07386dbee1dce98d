"""How many tokens a conversation is: as a provider counts them, else about how many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from adapters.base import ChatRequest, Json
from adapters.wire.aside import aside, weight_of
from proxy.routing.counting import Count

CHARACTERS = 4
"""That a token has, in the middle."""
MEDIUM = 258
"""What a picture takes at the providers that document it."""


async def counted(
    count: Count,
    app: str,
    body: bytes | bytearray,
    read: Callable[[], ChatRequest],
    medium: int = MEDIUM,
) -> int:
    """The tokens of the request that `read` makes of `body`. Raises ApiError as that does."""
    request, guess = await aside(weight_of(body), _guessed, read, medium)
    told = await count(request, app)
    return guess if told is None else told


def _guessed(read: Callable[[], ChatRequest], medium: int) -> tuple[ChatRequest, int]:
    request = read()
    return request, guessed_tokens(request, medium)


def guessed_tokens(request: ChatRequest, medium: int = MEDIUM) -> int:
    """Those of messages, calls and media, tools and the answer's schema; one at the least."""
    characters = sum(len(orjson.dumps(tool["function"])) for tool in request.tools)
    if request.response_format is not None and request.response_format.schema:
        characters += len(orjson.dumps(request.response_format.schema))
    media = 0
    for message in request.messages:
        text, count = _sizes(message.get("content"))
        characters += text + sum(map(_size_of_call, message.get("tool_calls") or ()))
        media += count
    return max(1, -(-characters // CHARACTERS) + media * medium)


def _sizes(content: Any) -> tuple[int, int]:
    """Characters of text, and how many media there are."""
    if isinstance(content, str):
        return len(content), 0
    texts = [part["text"] for part in content or () if part.get("type") == "text"]
    return sum(map(len, texts)), len(content or ()) - len(texts)


def _size_of_call(call: Json) -> int:
    return len(call["function"]["name"]) + len(call["function"]["arguments"])
