"""How each door is asked to say something, streamed or whole, and how it ends a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

Body = dict[str, Any]


class Talk(Struct, frozen=True):
    """`ends` stands in a stream that has come to its end, `fails` before what broke one.

    `body` has the user's words and the model's name; `key` tells a stream, where the path does not.
    """

    door: str
    path: str
    body: Callable[[str, str], Body]
    ends: str
    fails: str = '"error":'
    streams: str = ""

    def asked(self, *, stream: bool, words: str = "Hello.", model: str = "m") -> tuple[str, Body]:
        """The path and the body."""
        path = self.streams if stream and self.streams else self.path
        said = self.body(words, model)
        return path.format(model=model), said if self.streams else said | {"stream": stream}


def _messages(words: str, model: str) -> Body:
    return {"model": model, "messages": [{"role": "user", "content": words}]}


def _contents(words: str, model: str) -> Body:
    return {"contents": [{"role": "user", "parts": [{"text": words}]}]}


_GEMINI = "/v1beta/models/{model}:"
_ALL = (
    Talk("chat", "/v1/chat/completions", _messages, "[DONE]"),
    Talk(
        "completions",
        "/v1/completions",
        lambda words, model: {"model": model, "prompt": words},
        "[DONE]",
    ),
    Talk(
        "responses",
        "/v1/responses",
        lambda words, model: {"model": model, "input": words},
        "response.completed",
        "response.failed",
    ),
    Talk(
        "messages",
        "/v1/messages",
        lambda words, model: _messages(words, model) | {"max_tokens": 99},
        "message_stop",
        "event: error",
    ),
    Talk("ollama", "/api/chat", _messages, '"done":true'),
    Talk(
        "ollama-generate",
        "/api/generate",
        lambda words, model: {"model": model, "prompt": words},
        '"done":true',
    ),
    Talk(
        "gemini",
        f"{_GEMINI}generateContent",
        _contents,
        "finishReason",
        streams=f"{_GEMINI}streamGenerateContent?alt=sse",
    ),
    Talk(
        "gemini-array",
        f"{_GEMINI}generateContent",
        _contents,
        "finishReason",
        streams=f"{_GEMINI}streamGenerateContent",
    ),
)
TALKS: Mapping[str, Talk] = {talk.door: talk for talk in _ALL}


def paths() -> Iterable[str]:
    """Where the talks are held."""
    return {path.partition("?")[0] for talk in _ALL for path in (talk.path, talk.streams) if path}
