"""Strict loopback fakes of the native APIs; `python -m tests.fakes` runs them."""

from __future__ import annotations

from tests.fakes.bedrock import BedrockFake
from tests.fakes.bedrock_rules import KEY as BEDROCK_KEY
from tests.fakes.gate import Gate
from tests.fakes.gemini import KEY as GEMINI_KEY, GeminiFake
from tests.fakes.groq import KEY as GROQ_KEY, GroqFake
from tests.fakes.ollama import OllamaFake
from tests.fakes.openai import KEY as OPENAI_KEY, OpenAIFake
from tests.fakes.server import Answer, Fault, Request

__all__ = [
    "BEDROCK_KEY",
    "GEMINI_KEY",
    "GROQ_KEY",
    "OPENAI_KEY",
    "Answer",
    "BedrockFake",
    "Fault",
    "Gate",
    "GeminiFake",
    "GroqFake",
    "OllamaFake",
    "OpenAIFake",
    "Request",
]
