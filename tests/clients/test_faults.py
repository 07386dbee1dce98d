"""What an app on the `openai` SDK sees when a provider fails, and what becomes of its calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.clients import scenarios
from tests.clients.conftest import Fakes, Serve
from tests.fakes import Answer, Fault, Gate

USER: Any = [{"role": "user", "content": scenarios.PLAIN}]
SAID = scenarios.EXPECTED["plain"]
MODELS = {
    "groq": "groq/llama-3.1-8b-instant",
    "gemini": "gemini/gemini-2.5-pro",
    "ollama": "ollama/gemma3:4b",
}
BODIES: dict[str, Callable[[str], Any]] = {
    "groq": lambda text: {"error": {"message": text, "type": "x"}},
    "gemini": lambda text: {"error": {"code": 0, "message": text, "status": "X"}},
    "ollama": lambda text: {"error": text},
}


def client_of(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key="app-x", max_retries=0)


@pytest.fixture
def client(base_url: str) -> Iterator[openai.OpenAI]:
    with client_of(base_url) as client:
        yield client


@pytest.fixture
def own(serve: Serve) -> Iterator[openai.OpenAI]:
    """A client of a server of its own: what fails in one test cools down in no other."""
    with serve() as url, client_of(url) as client:
        yield client


def failing(provider: str, status: int, **headers: str) -> Fault:
    body = json.dumps(BODIES[provider]("it is broken")).encode()
    content_type = ("content-type", "application/json")
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Fault(answer=Answer(status, (content_type, *named), (body,)))


def fault(fakes: Fakes, provider: str, *faults: Fault | None) -> None:
    getattr(fakes, provider).then(*faults)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (429, openai.RateLimitError, "rate_limit_exceeded"),
        (500, openai.InternalServerError, None),
        (503, openai.InternalServerError, None),
        (401, openai.InternalServerError, "upstream_authentication_failed"),
        (400, openai.BadRequestError, None),
    ],
)
def test_a_pinned_provider_fails_as_the_right_exception(
    own: openai.OpenAI,
    fakes: Fakes,
    status: int,
    kind: type[openai.APIStatusError],
    code: str | None,
) -> None:
    for provider, model in MODELS.items():
        fault(fakes, provider, *[failing(provider, status, retry_after="30")] * 4)
        with pytest.raises(kind) as caught:
            own.chat.completions.create(model=model, messages=USER)
        assert code in (None, caught.value.code), provider
        assert caught.value.response.headers["x-pointsman-provider"] == provider
        assert isinstance(caught.value.body, dict)
        assert caught.value.body["provider"] == provider


def test_a_wait_that_the_provider_told_comes_to_the_app(own: openai.OpenAI, fakes: Fakes) -> None:
    fault(fakes, "groq", failing("groq", 429, retry_after="30"))
    with pytest.raises(openai.RateLimitError) as caught:
        own.chat.completions.create(model=MODELS["groq"], messages=USER)
    assert 25 <= float(caught.value.response.headers["retry-after"]) <= 34


@pytest.mark.heavy
@pytest.mark.parametrize("stream", [False, True])
def test_the_next_provider_answers_in_place_of_a_failing_one(
    own: openai.OpenAI, fakes: Fakes, stream: bool
) -> None:
    fault(fakes, "groq", failing("groq", 429, retry_after="30"))
    create = own.chat.completions.with_raw_response.create
    answer: Any = create(model="gpt-4o", messages=USER, stream=stream)
    assert answer.headers["x-pointsman-provider"] == "gemini"
    assert answer.headers["x-pointsman-attempts"] == "groq:429,gemini:200"
    parsed = answer.parse()
    texts = [chunk.choices[0].delta.content or "" for chunk in parsed] if stream else []
    assert ("".join(texts) if stream else parsed.choices[0].message.content) == SAID


@pytest.mark.heavy
@pytest.mark.parametrize("stop", ["close", "reset", "end"])
def test_a_stream_that_breaks_after_its_first_words_is_a_loud_error(
    own: openai.OpenAI, fakes: Fakes, stop: Any
) -> None:
    for provider, size in {"groq": 800, "gemini": 500, "ollama": 300}.items():
        gate = Gate()
        fault(fakes, provider, Fault(hold_at=(size, gate), stop_at=size, stop=stop))
        stream = own.chat.completions.create(model=MODELS[provider], messages=USER, stream=True)
        texts: list[str] = []
        with pytest.raises(openai.APIError):
            for chunk in stream:
                texts.append(chunk.choices[0].delta.content or "")
                gate.open()
        assert "".join(texts), provider
        assert SAID.startswith("".join(texts)), provider


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize("stream", [False, True])
def test_an_app_that_leaves_stops_the_provider(
    base_url: str, fakes: Fakes, provider: str, stream: bool
) -> None:
    fake = getattr(fakes, provider)
    left = fake.counts.left
    fault(fakes, provider, Fault(hold_at=(300 if stream else 20, Gate())))
    body = {"model": MODELS[provider], "messages": USER, "stream": stream}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{base_url}/chat/completions", json=body, timeout=0.5, trust_env=False)
    fake.wait_until(lambda fake: fake.counts.left == left + 1, timeout_s=5)


@pytest.mark.parametrize("provider", MODELS)
def test_bytes_one_by_one_give_the_same_answer(
    client: openai.OpenAI, fakes: Fakes, provider: str
) -> None:
    fault(fakes, provider, Fault(piece=1), Fault(piece=1))
    unicode: Any = [{"role": "user", "content": scenarios.UNICODE}]
    ask: Any = {"model": MODELS[provider], "messages": unicode}
    whole = client.chat.completions.create(**ask).choices[0].message.content
    chunks = client.chat.completions.create(stream=True, **ask)
    assert whole == "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert whole == scenarios.EXPECTED["unicode"]


@pytest.mark.parametrize("model", ["../x", "groq/../x", "x#frag", "a?b=c", "a\r\nx: y", "groq//x"])
def test_a_name_that_no_model_can_have_goes_nowhere(
    client: openai.OpenAI, fakes: Fakes, model: str
) -> None:
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model=model, messages=USER)
    asked = [*fakes.groq.requests, *fakes.gemini.requests, *fakes.ollama.requests]
    assert [request for request in asked if request.method == "POST"] == []
