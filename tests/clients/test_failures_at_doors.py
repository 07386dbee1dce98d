"""What Anthropic's, Ollama's and Google's own clients raise where a provider fails or is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import ollama
import pytest
from google import genai
from google.genai import errors, types

from tests.clients import scenarios as s
from tests.clients.conftest import FailingServer
from tests.clients.failing import IN_PROCESS, models_of

pytestmark = pytest.mark.clients

Words = Iterator[str]
Ask = Callable[[str, str, str], Words]


def of_anthropic(url: str, key: str, model: str) -> Words:
    with anthropic.Anthropic(base_url=url, api_key=key, max_retries=0) as client:
        message: Any = {"role": "user", "content": s.PLAIN}
        with client.messages.stream(model=model, max_tokens=99, messages=[message]) as stream:
            yield from stream.text_stream


def of_ollama(url: str, key: str, model: str) -> Words:
    headers = {"authorization": f"Bearer {key}"}
    with ollama.Client(url, headers=headers, trust_env=False) as client:
        message: Any = {"role": "user", "content": s.PLAIN}
        for piece in client.chat(model, [message], stream=True):
            yield piece.message.content or ""


def of_gemini(url: str, key: str, model: str) -> Words:
    options = types.HttpOptions(base_url=url, client_args={"trust_env": False})
    with genai.Client(api_key=key, http_options=options) as client:
        for piece in client.models.generate_content_stream(model=model, contents=s.PLAIN):
            yield piece.text or ""


SEEN: dict[str, Callable[[Any], int]] = {
    "anthropic": lambda error: int(error.status_code),
    "ollama": lambda error: int(error.status_code),
    "gemini": lambda error: int(error.code),
}
"""The status as each client's error bears it."""
ASKS: dict[str, Ask] = {"anthropic": of_anthropic, "ollama": of_ollama, "gemini": of_gemini}
RAISED = (anthropic.APIStatusError, ollama.ResponseError, errors.APIError)
OVERLOADED = {"anthropic": 529}
ON_THE_WAY = {"anthropic": 200, "ollama": -1, "gemini": 502}
"""What they take for the status of an answer that had begun well."""


@pytest.mark.parametrize("name", ASKS)
def test_the_client_raises_what_its_own_service_would(
    failing_server: FailingServer, name: str
) -> None:
    url, models = failing_server.url, models_of(f"{IN_PROCESS}-{name}")
    for key, model, status in (
        ("wrong", "limited", 401),
        (s.KEY, "limited", 429),
        (s.KEY, "overloaded", OVERLOADED.get(name, 503)),
    ):
        with pytest.raises(RAISED) as caught:
            list(ASKS[name](url, key, models[model]))
        assert SEEN[name](caught.value) == status


@pytest.mark.parametrize("name", ASKS)
def test_an_answer_that_breaks_off_is_raised_after_its_first_words(
    failing_server: FailingServer, name: str
) -> None:
    model = models_of(f"{IN_PROCESS}-{name}")["cut"]
    words: list[str] = []
    with pytest.raises(RAISED) as caught:
        words.extend(ASKS[name](failing_server.url, s.KEY, model))  # one by one, so all are kept
    assert "".join(words) and s.EXPECTED["plain"].startswith("".join(words))
    assert SEEN[name](caught.value) == ON_THE_WAY[name]


@pytest.mark.parametrize("name", ASKS)
def test_who_leaves_amid_an_answer_stops_the_provider(
    failing_server: FailingServer, name: str
) -> None:
    left = failing_server.slow.counts.left
    answer: Any = ASKS[name](failing_server.url, s.KEY, models_of(f"{IN_PROCESS}-{name}")["held"])
    assert next(word for word in answer if word)
    answer.close()

    failing_server.slow.wait_until(lambda fake: fake.counts.left == left + 1, timeout_s=5)
