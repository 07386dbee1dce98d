"""Tokens are counted by Gemini where it would answer, and guessed where another one would."""

from __future__ import annotations

import anthropic
import openai
from google import genai
from google.genai import types

from tests.clients.conftest import Fakes

WORDS = "Eight words are about as many tokens."
GEMINI, GROQ = "gemini/gemini-2.5-flash", "groq/llama-3.3-70b-versatile"


def counts(base_url: str, model: str) -> list[int | None]:
    """By Anthropic's client, by Google's, and by OpenAI's."""
    url = base_url.removesuffix("/v1")
    options = types.HttpOptions(base_url=url, client_args={"trust_env": False})
    with (
        anthropic.Anthropic(base_url=url, api_key="app-x") as claude,
        genai.Client(api_key="app-x", http_options=options) as google,
        openai.OpenAI(base_url=base_url, api_key="app-x") as open_ai,
    ):
        said = [{"role": "user", "content": WORDS}]
        return [
            claude.messages.count_tokens(model=model, messages=said).input_tokens,  # type: ignore[arg-type] # a message
            google.models.count_tokens(model=model, contents=WORDS).total_tokens,
            open_ai.responses.input_tokens.count(model=model, input=WORDS).input_tokens,
        ]


def test_the_count_is_the_providers_own_where_it_has_one(base_url: str, fakes: Fakes) -> None:
    [count, *others] = counts(base_url, GEMINI)

    assert others == [count, count]
    paths = [one.path for one in fakes.gemini.requests if one.method == "POST"]
    assert paths == ["/v1beta/models/gemini-2.5-flash:countTokens"] * 3
    asked = fakes.gemini.requests[-1].json["generateContentRequest"]
    assert asked["contents"] == [{"role": "user", "parts": [{"text": WORDS}]}]


def test_it_is_a_guess_where_nobody_counts(base_url: str, fakes: Fakes) -> None:
    for count in counts(base_url, GROQ):
        assert count is not None and 8 <= count <= 15
    for fake in (fakes.groq, fakes.gemini, fakes.ollama):
        assert [one.path for one in fake.requests if one.method == "POST"] == []
