"""Ollama's own client at its door, over each of the providers; it drops the ids of calls."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import ollama
import pytest

from tests.clients import scenarios as s
from tests.clients.conftest import Fakes

pytestmark = pytest.mark.clients

EACH = pytest.mark.parametrize("models", s.MODELS.values(), ids=s.MODELS)
TOOL: Any = {
    "type": "function",
    "function": {"name": "weather", "description": "Tells", "parameters": s.WEATHER},
}
PERSON: Any = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "home": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
    "required": ["name", "age", "home"],
}


@pytest.fixture
def client(base_url: str) -> Iterator[ollama.Client]:
    with ollama.Client(base_url.removesuffix("/v1"), trust_env=False, timeout=20) as made:
        yield made


def user(content: str, **more: Any) -> Any:
    return [{"role": "user", "content": content, **more}]


def said(pieces: Any, name: str = "content") -> str:
    return "".join(getattr(piece.message, name) or "" for piece in pieces)


@EACH
def test_text(client: ollama.Client, models: s.Models) -> None:
    name = models["chat"]
    whole = client.chat(name, user(s.UNICODE))
    pieces = list(client.chat(name, user(s.UNICODE), stream=True))

    assert whole.message.content == said(pieces) == s.EXPECTED["unicode"]
    for last in (whole, pieces[-1]):
        assert (last.model, last.done, last.done_reason) == (name, True, "stop")
        assert last.eval_count and last.prompt_eval_count and last.eval_duration
    answer = client.generate(name, s.PLAIN)
    assert answer.response == s.EXPECTED["plain"]
    again = client.generate(name, s.PLAIN, context=answer.context, stream=True)
    assert "".join(piece.response for piece in again) == s.EXPECTED["plain"]


@EACH
@pytest.mark.parametrize("stream", [False, True])
def test_tools(client: ollama.Client, models: s.Models, stream: bool) -> None:
    talk = user(s.CITIES)
    answer: Any = client.chat(models["tools"], talk, tools=[TOOL], stream=stream)
    talk += [piece.message for piece in (answer if stream else [answer])]
    calls = [call.function for message in talk[1:] for call in message.tool_calls or ()]
    assert [call.arguments for call in calls] == [{"city": "Paris"}, {"city": "Rome"}]
    for call in calls:
        words = s.weather(**call.arguments)
        talk.append({"role": "tool", "tool_name": call.name, "content": words})

    assert client.chat(models["tools"], talk, tools=[TOOL]).message.content == s.EXPECTED["tools"]


def test_signatures_come_back_without_ids(client: ollama.Client, fakes: Fakes) -> None:
    name = s.MODELS["gemini"]["tools"]
    talk = user(s.CITIES + " Now.")
    talk.append(client.chat(name, talk, tools=[TOOL]).message)
    talk += [{"role": "tool", "tool_name": "weather", "content": city} for city in "ab"]
    client.chat(name, talk, tools=[TOOL])

    parts = json.loads(fakes.gemini.requests[-1].body)["contents"][1]["parts"]
    signatures = [part.get("thoughtSignature") for part in parts if "functionCall" in part]
    assert signatures[0] and not signatures[0].startswith("skip_")


@EACH
def test_thoughts(client: ollama.Client, models: s.Models) -> None:
    name = models["thinking"]
    whole = client.chat(name, user(s.PLAIN), think=True)
    pieces = list(client.chat(name, user(s.PLAIN), think="high", stream=True))

    assert whole.message.thinking == said(pieces, "thinking") == s.EXPECTED["reasoning"]
    assert whole.message.content == said(pieces) == s.EXPECTED["plain"]
    quiet = client.chat(name, user(s.PLAIN), think=False)
    assert (quiet.message.thinking, quiet.message.content) == (None, s.EXPECTED["plain"])


@EACH
def test_an_image(client: ollama.Client, models: s.Models) -> None:
    answer = client.chat(models["vision"], user("What is it?", images=[s.PNG]))
    assert s.EXPECTED["image"] in (answer.message.content or "")
    assert (
        s.EXPECTED["image"]
        in client.generate(models["vision"], "What is it?", images=[s.PNG]).response
    )


@EACH
@pytest.mark.parametrize("stream", [False, True])
def test_a_schema(client: ollama.Client, models: s.Models, stream: bool) -> None:
    answer: Any = client.chat(models["schema"], user(s.PERSON), format=PERSON, stream=stream)
    text = said(answer) if stream else answer.message.content

    assert json.loads(text) == s.EXPECTED["structured"]


@pytest.mark.parametrize("name", s.UNKNOWN_MODEL.values())
def test_a_model_that_is_not_there(client: ollama.Client, name: str) -> None:
    for stream in (False, True):
        with pytest.raises(ollama.ResponseError) as caught:
            list(client.chat(name, user(s.PLAIN), stream=stream))
        assert caught.value.status_code == 404 and "not found" in caught.value.error


def test_what_only_a_real_server_has_goes_there(client: ollama.Client, fakes: Fakes) -> None:
    real = "ollama/qwen2.5-coder"
    raw = client.generate(real, s.PLAIN, raw=True)
    client.generate(real, s.PLAIN, template="{{ .Prompt }}", system="Be short.", context=[1, 2])
    client.generate(real, "def f(", suffix="return 1", options={"num_gpu": 1, "mirostat": 2})

    assert raw.response == s.EXPECTED["plain"] and raw.context is None
    sent = [one for one in fakes.ollama.requests if one.path == "/api/generate"]
    first, second, third = [json.loads(one.body) for one in sent]
    assert first["raw"] is True and first["prompt"] == s.PLAIN
    assert (second["template"], second["system"]) == ("{{ .Prompt }}", "Be short.")
    assert second["context"] == [1, 2]
    assert third["suffix"] == "return 1"
    assert third["options"]["num_gpu"] == 1 and third["options"]["mirostat"] == 2


def test_a_cloud_has_no_middle_to_fill(client: ollama.Client, fakes: Fakes) -> None:
    with pytest.raises(ollama.ResponseError, match="does not support insert") as caught:
        client.generate("groq/llama-3.3-70b-versatile", "def f(", suffix="return 1")
    assert caught.value.status_code == 400
    raw = client.generate("groq/llama-3.3-70b-versatile", s.PLAIN, raw=True)
    assert raw.response == s.EXPECTED["plain"]


def test_what_a_real_server_tells_of_its_models_is_passed_on(client: ollama.Client) -> None:
    rows = {one.model: one for one in client.list().models}
    shown: Any = client.show("qwen3:4b")

    assert rows["qwen3:4b"].size and rows["qwen3:4b"].details
    assert "gemini-2.5-flash" in rows and "openai/gpt-oss-20b" in rows
    assert shown.modelinfo["fake.context_length"] == 40_960
    assert "thinking" in shown.capabilities
    for name in rows:
        assert client.show(name or "").capabilities


EMBEDDING = {
    "ollama": "ollama/nomic-embed-text:latest",
    "gemini": "gemini/gemini-embedding-001",
    "default": "default",
}


@pytest.mark.parametrize("name", EMBEDDING.values(), ids=EMBEDDING)
def test_vectors(client: ollama.Client, name: str) -> None:
    answer = client.embed(name, s.EMBEDDED, keep_alive="5m")
    one = client.embed(name, s.EMBEDDED[0], dimensions=256)
    old = client.embeddings(name, s.EMBEDDED[1])

    first, second, third = answer.embeddings
    assert answer.model == name and answer.total_duration and answer.prompt_eval_count
    assert first == third != second
    assert math.hypot(*first) == pytest.approx(1, abs=1e-3)
    assert math.hypot(*one.embeddings[0]) == pytest.approx(1, abs=1e-3)
    assert len(one.embeddings[0]) == 256 < len(first) == len(old.embedding)


def test_no_vectors_of_nothing(client: ollama.Client) -> None:
    for nothing in ("", []):
        assert client.embed("default", nothing).embeddings == []
    assert client.embeddings("default", "").embedding == []
    with pytest.raises(ollama.ResponseError, match="invalid input type"):
        client._request_raw("POST", "/api/embed", json={"model": "m", "input": 7})


def test_no_vectors_of_who_makes_none(client: ollama.Client) -> None:
    for name in ("groq/llama-3.3-70b-versatile", "ollama/llama3.2"):
        with pytest.raises(ollama.ResponseError) as caught:
            client.embed(name, "Hi")
        assert caught.value.status_code in (400, 404)
