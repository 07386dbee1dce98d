"""The fakes' wire forms, and the faults they can be told to have."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.fakes import GEMINI_KEY, GROQ_KEY, Answer, Fault, Gate, GeminiFake, GroqFake, OllamaFake

SAY = "Grüße 🎉 \u2028 end"
USER = {"role": "user", "content": "hello"}


def post_ollama(fake: OllamaFake, messages: list[Any]) -> httpx.Response:
    body = {"model": "llama3.2", "stream": False, "messages": messages}
    return httpx.post(f"{fake.url}/api/chat", json=body, trust_env=False)


def read(fake: OllamaFake) -> tuple[bytes, Exception | None]:
    """What a client reads of a stream, and how it ended."""
    got = b""
    body = {"model": "llama3.2", "messages": [{"role": "user", "content": SAY}]}
    try:
        with httpx.stream("POST", f"{fake.url}/api/chat", json=body, trust_env=False) as answer:
            for piece in answer.iter_raw():
                got += piece
    except httpx.TransportError as error:
        return got, error
    return got, None


def test_streams_have_the_providers_own_line_ends(
    groq_fake: GroqFake, gemini_fake: GeminiFake
) -> None:
    groq: Any = {
        "json": {"model": "llama-3.1-8b-instant", "messages": [USER], "stream": True},
        "headers": {"authorization": f"Bearer {GROQ_KEY}"},
    }
    url = f"{groq_fake.url}/openai/v1/chat/completions"
    streamed = httpx.post(url, trust_env=False, **groq).content
    assert streamed.endswith(b"}\n\ndata: [DONE]\n\n")
    assert b"\r" not in streamed
    url = f"{gemini_fake.url}/v1/models/gemini-2.5-flash:streamGenerateContent"
    contents = [{"role": "user", "parts": [{"text": "hello"}]}]
    ask: Any = {"json": {"contents": contents}, "headers": {"x-goog-api-key": GEMINI_KEY}}
    events = httpx.post(url, params={"alt": "sse"}, trust_env=False, **ask).content
    assert events.startswith(b"data: {") and events.endswith(b"}\r\n\r\n")
    assert isinstance(httpx.post(url, trust_env=False, **ask).json(), list)


def test_one_byte_a_write_gives_the_same_bytes(ollama_fake: OllamaFake) -> None:
    ollama_fake.then(None, Fault(piece=1))
    assert read(ollama_fake) == read(ollama_fake)


@pytest.mark.parametrize(
    ("stop", "expected"),
    [("close", httpx.RemoteProtocolError), ("reset", httpx.ReadError), ("end", type(None))],
)
def test_an_answer_stops_after_so_many_bytes(
    ollama_fake: OllamaFake, stop: Any, expected: type[Exception | None]
) -> None:
    ollama_fake.then(Fault(stop_at=150, stop=stop))
    got, error = read(ollama_fake)
    assert isinstance(error, expected)
    assert len(got) == 150 or stop == "reset"  # a reset may overtake what was sent before it
    assert ollama_fake.counts.left == 0


def test_another_answer_may_be_given(ollama_fake: OllamaFake) -> None:
    ollama_fake.then(Fault(answer=Answer(503, (("retry-after", "2"),), (b"busy",))))
    refused = post_ollama(ollama_fake, [USER])
    assert (refused.status_code, refused.headers["retry-after"], refused.text) == (503, "2", "busy")
    assert post_ollama(ollama_fake, [USER]).status_code == 200


@pytest.mark.parametrize(
    "hold", [lambda gate: Fault(hold=gate), lambda gate: Fault(hold_at=(150, gate))]
)
def test_an_answer_waits_at_its_gate(
    ollama_fake: OllamaFake, hold: Callable[[Gate], Fault]
) -> None:
    gate = Gate()
    ollama_fake.then(hold(gate))
    results: list[tuple[bytes, Exception | None]] = []
    client = threading.Thread(target=lambda: results.append(read(ollama_fake)))
    client.start()
    ollama_fake.wait_until(lambda fake: len(fake.requests) == 1)
    assert results == []
    gate.open()
    client.join()
    assert results == [read(ollama_fake)]


def test_a_client_that_leaves_is_noticed(ollama_fake: OllamaFake) -> None:
    ollama_fake.then(Fault(hold_at=(150, Gate())))
    body = {"model": "llama3.2", "messages": [USER]}
    with httpx.stream("POST", f"{ollama_fake.url}/api/chat", json=body, trust_env=False) as answer:
        next(answer.iter_raw())
    ollama_fake.wait_until(lambda fake: fake.counts.left == 1)
    assert (ollama_fake.counts.open, ollama_fake.counts.closed) == (0, 1)


def test_connections_are_kept_and_requests_remembered(ollama_fake: OllamaFake) -> None:
    with httpx.Client(base_url=ollama_fake.url, trust_env=False) as client:
        for _ in range(3):
            assert client.get("/api/version").json() == {"version": "0.33.0"}
    assert [request.path for request in ollama_fake.requests] == ["/api/version"] * 3
    assert ollama_fake.counts.accepted == 1


def test_canned_answers_are_made_once() -> None:
    with OllamaFake(canned=True) as fake:
        first = post_ollama(fake, [USER])
        assert post_ollama(fake, []).content == first.content
        assert fake.requests == []
        assert read(fake) == read(fake)
