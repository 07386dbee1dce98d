"""Providers that fail, each in a way of its own, behind a server that wants a key."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.clients import scenarios
from tests.fakes import GEMINI_KEY, GROQ_KEY, Answer, Fault, Gate, GeminiFake, GroqFake, OllamaFake
from tests.fakes.server import FakeServer, Request

JSON_TYPE = ("content-type", "application/json")
FIRST_BYTES = 300
IN_PROCESS = "here"
NAMES = (
    *("node-anthropic", "node-ollama", "node-genai", "ai-anthropic", "ai-google"),
    *("langchain-anthropic", "langchain-ollama", "langchain-gemini"),
    *(f"{IN_PROCESS}-{name}" for name in ("anthropic", "ollama", "gemini")),
)
"""Of clients. What breaks off has a provider for each, as three failures in a row shut one out."""
Faults = Callable[[], Fault]


def _refused(status: int, body: Any, *headers: tuple[str, str]) -> Faults:
    answer = Answer(status, (JSON_TYPE, *headers), (json.dumps(body).encode(),))
    return lambda: Fault(answer=answer)


LIMITED = _refused(429, {"error": {"message": "Too many.", "type": "x"}}, ("retry-after", "30"))
OVERLOADED = _refused(503, {"error": {"code": 503, "message": "Busy.", "status": "UNAVAILABLE"}})


def cut() -> Fault:
    """A stream that breaks after its first words."""
    return Fault(stop_at=FIRST_BYTES)


def held() -> Fault:
    """A stream that goes on for ever, in silence."""
    return Fault(hold_at=(FIRST_BYTES, Gate()))


def always(kind: type[FakeServer], fault: Faults) -> FakeServer:
    """A fake whose every answer of the model's fails."""
    fake = kind()

    def next_fault(request: Request) -> Fault:
        return fault() if request.path.endswith(kind.chat_paths) else Fault()

    fake.next_fault = next_fault  # type: ignore[method-assign] # what its script is for a few
    return fake


@contextlib.contextmanager
def failing() -> Iterator[tuple[dict[str, str], FakeServer]]:
    """Settings of a server before such providers, and the one that must notice who leaves."""
    with contextlib.ExitStack() as stack:
        busy, down, broken, slow = (
            stack.enter_context(always(kind, fault))
            for kind, fault in (
                (GroqFake, LIMITED),
                (GeminiFake, OVERLOADED),
                (OllamaFake, cut),
                (OllamaFake, held),
            )
        )
        rows = [("busy", "groq", busy), ("down", "gemini", down), ("slow", "ollama", slow)]
        rows += [(name, "ollama", broken) for name in NAMES]
        yield _settings(rows), slow


def _settings(rows: list[tuple[str, str, FakeServer]]) -> dict[str, str]:
    found = {
        "POINTSMAN_PROVIDERS": ",".join(name for name, _, _ in rows),
        "POINTSMAN_API_KEYS": f"clients:{scenarios.KEY}",
        "BUSY_API_KEY": GROQ_KEY,
        "DOWN_API_KEY": GEMINI_KEY,
    }
    for name, kind, fake in rows:
        variable = name.upper().replace("-", "_")
        found[f"{variable}_KIND"] = kind
        found[f"{variable}_BASE_URL"] = fake.url
    return found


def models_of(name: str) -> dict[str, str]:
    """Which model fails in which way, for the client of this name."""
    assert name in NAMES
    return {
        "limited": "busy/llama-3.1-8b-instant",
        "overloaded": "down/gemini-2.5-flash",
        "cut": f"{name}/llama3.2",
        "held": "slow/llama3.2",
    }
