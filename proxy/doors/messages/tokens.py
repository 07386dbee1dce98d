"""An estimate of how many tokens a request is, as Anthropic's clients are told it. Pure."""

from __future__ import annotations

import math

import orjson

from adapters.base import ChatRequest, Json

CHARACTERS = 4
OF_AN_IMAGE = 1600
OF_A_MESSAGE = 3


def prompt_tokens(request: ChatRequest) -> int:
    """At four characters each, with the tools, and a fixed number for what is no text."""
    total = sum(map(_of_message, request.messages))
    if request.tools:
        total += _of(orjson.dumps(request.tools))
    if request.response_format is not None and request.response_format.schema:
        total += _of(orjson.dumps(request.response_format.schema))
    return max(1, total)


def _of(text: str | bytes) -> int:
    return math.ceil(len(text) / CHARACTERS)


def _of_message(message: Json) -> int:
    content = message.get("content") or ""
    tokens = OF_A_MESSAGE
    if isinstance(content, str):
        tokens += _of(content)
    else:
        tokens += sum(
            _of(part["text"]) if part["type"] == "text" else OF_AN_IMAGE for part in content
        )
    for call in message.get("tool_calls") or ():
        tokens += _of(call["function"]["name"]) + _of(call["function"]["arguments"])
    return tokens
