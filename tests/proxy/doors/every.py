"""The same talk at each door that a chat comes in by: where it is, and how it is spelled there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Turns = Sequence[tuple[str, str]]
"""(user or assistant, text), the user's last."""


@dataclass(frozen=True)
class Way:
    """One door. `body` spells a talk; Gemini's paths tell what the others' bodies tell."""

    name: str
    path: str
    body: Callable[[Turns, str], dict[str, Any]]
    stream_path: str = ""
    greedy: tuple[str, ...] = ("temperature",)

    def asked(
        self, turns: Turns, *, stream: bool = False, model: str = "default", greedy: bool = False
    ) -> tuple[str, dict[str, Any]]:
        """The path and the body; `greedy` asks for an answer that can be repeated."""
        body = self.body(turns, model)
        path = self.stream_path if stream and self.stream_path else self.path
        if not self.stream_path:
            body["stream"] = stream
        if greedy:
            place = body
            for name in self.greedy[:-1]:
                place = place.setdefault(name, {})
            place[self.greedy[-1]] = 0
        return path.replace("{model}", model), body


def _messages(turns: Turns, model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": who, "content": text} for who, text in turns]}


def _input(turns: Turns, model: str) -> dict[str, Any]:
    return {"model": model, "input": [{"role": who, "content": text} for who, text in turns]}


def _contents(turns: Turns, _model: str) -> dict[str, Any]:
    roles = {"user": "user", "assistant": "model"}
    return {"contents": [{"role": roles[who], "parts": [{"text": text}]} for who, text in turns]}


def _with_most(turns: Turns, model: str) -> dict[str, Any]:
    return {**_messages(turns, model), "max_tokens": 50}


def _prompt(turns: Turns, model: str) -> dict[str, Any]:
    return {"model": model, "prompt": "\n".join(text for _, text in turns)}


_GEMINI = "/v1beta/models/{model}:"
EVERY: Sequence[Way] = (
    Way("chat", "/v1/chat/completions", _messages),
    Way("responses", "/v1/responses", _input),
    Way("messages", "/v1/messages", _with_most),
    Way("ollama", "/api/chat", _messages, greedy=("options", "temperature")),
    Way(
        "gemini",
        f"{_GEMINI}generateContent",
        _contents,
        f"{_GEMINI}streamGenerateContent?alt=sse",
        ("generationConfig", "temperature"),
    ),
)
WITHOUT_TALKS: Sequence[Way] = (
    Way("completions", "/v1/completions", _prompt),
    Way("generate", "/api/generate", _prompt, greedy=("options", "temperature")),
)
"""Doors that take one text at a time."""
