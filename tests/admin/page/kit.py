"""What the tests of the page need: the fakes together, an unmodified SDK, parts of the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import openai
from playwright.sync_api import Page

from adapters import REGISTRY, STANDING
from adapters.base import ProviderSettings
from proxy.parts import Parts
from tests.fakes import GEMINI_KEY, GROQ_KEY, Answer, Fault, GeminiFake, GroqFake, OllamaFake
from tests.proxy.serving import Host

Serve = Callable[..., AbstractContextManager[Parts]]


@dataclass(frozen=True)
class Fakes:
    ollama: OllamaFake
    gemini: GeminiFake
    groq: GroqFake

    def providers(self) -> dict[str, ProviderSettings]:
        given: dict[str, dict[str, Any]] = {
            "ollama": {"base_url": self.ollama.url},
            "gemini": {"base_url": self.gemini.url, "api_key": GEMINI_KEY},
            "groq": {"base_url": self.groq.url, "api_key": GROQ_KEY},
        }
        return {
            name: cls.Settings(**given.get(name, {}))
            for name, cls in ((name, REGISTRY[name]) for name in STANDING)
        }


def ask(host: Host, *, model: str = "gpt-4o", key: str = "app-notes") -> str:
    """The provider that answers an unmodified OpenAI SDK."""
    with openai.OpenAI(base_url=f"{host.base_url}/v1", api_key=key, max_retries=0) as client:
        answer = client.chat.completions.with_raw_response.create(
            model=model, messages=[{"role": "user", "content": "Hello."}]
        )
    provider: str = answer.headers["x-pointsman-provider"]
    return provider


def too_many(wait_s: int) -> Fault:
    headers = (("content-type", "application/json"), ("retry-after", str(wait_s)))
    body = {"error": {"message": "Slow down", "type": "requests", "code": "rate_limit_exceeded"}}
    return Fault(answer=Answer(429, headers, (json.dumps(body).encode(),)))


def radio(page: Page, name: str) -> Any:
    return page.get_by_role("radio", name=name)


def card(page: Page, provider: str) -> Any:
    return page.locator(f"[data-provider={provider}]")
