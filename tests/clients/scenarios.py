"""What every client is asked to do, and with which models; nothing here but the standard library.

The client scripts run in environments of their own. The
answers are those of `tests/fakes/model.py`.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from typing import Any

Models = dict[str, str]
Check = Callable[[Models], Any]
Failing = Callable[[str, Models], Any]
"""Takes the address of a server whose models all fail, and which does how."""

MODELS: dict[str, Models] = {
    "groq": {
        "chat": "groq/llama-3.3-70b-versatile",
        "tools": "groq/openai/gpt-oss-20b",
        "vision": "groq/meta-llama/llama-4-scout-17b-16e-instruct",
        "thinking": "groq/openai/gpt-oss-120b",
        "schema": "groq/openai/gpt-oss-20b",
    },
    "gemini": {
        "chat": "gemini/gemini-2.5-flash",
        "tools": "gemini/gemini-3-flash-preview",
        "vision": "gemini/gemini-2.5-flash",
        "thinking": "gemini/gemini-3-flash-preview",
        "schema": "gemini/gemini-2.5-flash",
    },
    "ollama": {
        "chat": "ollama/llama3.2",
        "tools": "ollama/qwen3:4b",
        "vision": "ollama/gemma3:4b",
        "thinking": "ollama/qwen3:4b",
        "schema": "ollama/llama3.2",
    },
}

EMBEDDED = ["The cat sat.", "Köln 🦊", "The cat sat."]
EMBEDDING_MODEL = "text-embedding-3-small"
PLAIN = "Say hello."
UNICODE = "Grüße, 日本語, 👩‍🚀 and a line\u2028separator\u2029 \x85 \x00end"
CITIES = 'What is the weather in "Paris" and in "Rome"?'
PERSON = 'Describe "Ada".'
WEB = "What is the news on the web?"
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
DATA_URI = f"data:image/png;base64,{PNG}"
WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Its name in English"}},
    "required": ["city"],
    "additionalProperties": False,
}
UNKNOWN_MODEL = {"groq": "groq/gpt-4o", "gemini": "gemini/gpt-4o", "ollama": "ollama/gpt-4o"}
HOT = 9  # no provider takes such a temperature
KEY = "clients-right-key"  # where one is asked for


def weather(city: str) -> str:
    """What the tool gives back."""
    return f"sunny in {city}"


EXPECTED: dict[str, Any] = {
    "plain": f"You said: {PLAIN}",
    "stream": f"You said: {PLAIN}",
    "unicode": f"You said: {UNICODE}",
    "tools": "The tools are done: weather says sunny in Paris; weather says sunny in Rome",
    "structured": {"name": "Ada", "age": 7, "home": {"city": "text"}},
    "image": f"{len(base64.b64decode(PNG))} bytes",
    "reasoning": "The user wants an answer. 🤔 I think about it, step by step.",
    "embedded": [1536, 1536, 1536],
}


def expected_of(expected: dict[str, Any], provider: str, check: str) -> Any:
    """What a check sees at a provider, where they differ."""
    seen = expected[check]
    if isinstance(seen, dict) and seen.keys() == MODELS.keys():
        return seen[provider]
    return seen


def by_responses(checks: dict[str, Any]) -> dict[str, Any]:
    """The same, under names that tell them from those by chat."""
    return {f"{name}_by_responses": check for name, check in checks.items()}


def report(checks: dict[str, Check], failing: dict[str, Failing] | None = None) -> None:
    """Run every check for every provider, and print what came of each as JSON."""
    outcomes = {
        provider: {name: _outcome(check, models) for name, check in checks.items()}
        for provider, models in MODELS.items()
    }
    if failing:
        url, models = json.loads(sys.argv[2])
        outcomes["failing"] = {
            name: _outcome(check, url, models) for name, check in failing.items()
        }
    json.dump(outcomes, sys.stdout)


def _outcome(check: Callable[..., Any], *given: Any) -> Any:
    try:
        return check(*given)
    except Exception as error:
        return {"raised": type(error).__name__, "text": str(error)[:2000]}
