"""Providers of the user's own naming at work: a strict server, a second Ollama, Groq."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import completion_create_params as typed

from proxy.app import create_app
from proxy.providers import providers_of
from proxy.settings import Settings
from tests.fakes import GROQ_KEY, OPENAI_KEY, Fault, GroqFake, OllamaFake, OpenAIFake
from tests.fakes.openai import REQUEST_KEYS
from tests.fakes.openai_media import PIXEL, SILENCE
from tests.fakes.server import json_answer
from tests.proxy.serving import Host

TOOL = {
    "type": "function",
    "function": {
        "name": "turn",
        "parameters": {"type": "object", "properties": {"way": {"type": "string"}}},
    },
}
LIMITED = Fault(json_answer({"error": {"message": "slow"}}, 429, headers=(("retry-after", "60"),)))
BROKEN = Fault(json_answer({"error": {"message": "broken"}}, 500))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[tuple[Host, GroqFake, OpenAIFake, OllamaFake]]:
    with contextlib.ExitStack() as stack:
        groq, router, attic = map(stack.enter_context, (GroqFake(), OpenAIFake(), OllamaFake()))
        environment = {
            "POINTSMAN_PROVIDERS": "router,attic",
            "GROQ_API_KEY": GROQ_KEY,
            "GROQ_BASE_URL": groq.url,
            "ROUTER_KIND": "openai",
            "ROUTER_BASE_URL": router.url,
            "ROUTER_API_KEY": OPENAI_KEY,
            "ROUTER_MODEL": "toy-1",
            "ROUTER_SPEAKING_MODEL": "voice-1",
            "ATTIC_KIND": "ollama",
            "ATTIC_BASE_URL": attic.url,
            "OLLAMA_BASE_URL": "http://127.0.0.1:9",
        }
        settings = Settings(
            providers=providers_of(environment),
            llm_provider="groq",
            fallback=("router", "attic"),
            database_url=f"sqlite:///{tmp_path / 'data' / 'x.db'}",
            max_wait_s=0,
        )
        host = stack.enter_context(Host().running())
        with host.serving(create_app(settings)):
            yield host, groq, router, attic


def ask(host: Host, **fields: Any) -> httpx.Response:
    body = {"model": "default", "messages": [{"role": "user", "content": "Hello."}], **fields}
    return httpx.post(f"{host.base_url}/v1/chat/completions", json=body, timeout=30)


def test_rotation_goes_on_over_all_kinds(
    house: tuple[Host, GroqFake, OpenAIFake, OllamaFake],
) -> None:
    host, groq, router, _ = house
    assert ask(host).headers["x-pointsman-provider"] == "groq"

    groq.then(LIMITED)
    second = ask(host)
    assert second.headers["x-pointsman-provider"] == "router"
    assert second.headers["x-pointsman-attempts"] == "groq:429,router:200"

    router.then(BROKEN)
    third = ask(host)
    assert third.headers["x-pointsman-provider"] == "attic"
    assert third.status_code == 200

    router.then(Fault(json_answer({"error": {"message": "no", "code": "invalid_api_key"}}, 401)))
    pinned = ask(host, model="router/toy-2")
    assert pinned.status_code == 502
    assert "ROUTER_API_KEY" in pinned.text and pinned.json()["error"]["provider"] == "router"


def test_the_sdk_streams_tools_through_a_strict_server(
    house: tuple[Host, GroqFake, OpenAIFake, OllamaFake],
) -> None:
    host, _, router, _ = house
    client = openai.OpenAI(base_url=f"{host.base_url}/v1", api_key="x", max_retries=0)
    asked: list[Any] = [{"role": "user", "content": 'Turn "left" please.'}]
    with client.chat.completions.stream(
        model="router/toy-1", messages=asked, tools=[TOOL], seed=3
    ) as stream:
        first = stream.get_final_completion()
    [call] = first.choices[0].message.tool_calls or ()
    assert json.loads(call.function.arguments) == {"way": "left"}
    message = first.choices[0].message.model_dump(exclude_none=True)
    result = {"role": "tool", "tool_call_id": call.id, "content": "done"}
    last = client.chat.completions.create(
        model="router/toy-1", messages=[*asked, message, result], tools=[TOOL]
    )

    assert "done" in (last.choices[0].message.content or "")
    assert last.usage and last.usage.completion_tokens > 0
    assert router.requests[-1].json["tools"] == [TOOL]


def test_a_server_of_ones_own_hears_speaks_and_paints(
    house: tuple[Host, GroqFake, OpenAIFake, OllamaFake],
) -> None:
    host, groq, router, _ = house
    client = openai.OpenAI(api_key="app-x", base_url=f"{host.base_url}/v1", max_retries=0)
    for path in ("transcriptions", "translations"):
        told = httpx.post(
            f"{host.base_url}/v1/audio/{path}",
            files={"file": ("a.wav", b"sound")},
            data={"model": "router/ears", "prompt": "x"},
        )
        assert told.json() == {"text": "ears hears 5 bytes."}
    spoken = client.audio.speech.create(
        model="router", voice="nova", input="Hi.", response_format="pcm"
    )
    assert spoken.content == SILENCE
    assert router.requests[-1].json["model"] == "voice-1"
    painted = client.images.generate(model="router/gpt-image-1", prompt="x", n=2)
    assert painted.data and all(one.b64_json == PIXEL for one in painted.data)
    assert len(painted.data) == 2
    with pytest.raises(openai.BadRequestError, match="cannot do what this endpoint is for"):
        client.images.generate(model="router", prompt="x")
    assert [one for one in groq.requests if one.method == "POST"] == []


def test_the_names_are_known_everywhere(
    house: tuple[Host, GroqFake, OpenAIFake, OllamaFake],
) -> None:
    host, *_ = house
    ask(host, model="router/toy-1")
    models = httpx.get(f"{host.base_url}/v1/models").json()["data"]
    metrics = httpx.get(f"{host.base_url}/metrics").text
    facts = httpx.get(f"{host.base_url}/admin/api/status").json()
    by_id = {one["id"]: one for one in facts["providers"]}

    assert {"router/toy-1", "router/toy-2"} <= {one["id"] for one in models}
    assert 'provider="router"' in metrics
    assert by_id["attic"]["title"] == "attic (Ollama)"
    assert by_id["router"]["in_rotation"] and not by_id["router"]["paid"]


def test_the_fake_takes_the_keys_that_the_sdk_types() -> None:
    known = set(typed.CompletionCreateParamsNonStreaming.__annotations__)
    known |= set(typed.CompletionCreateParamsBase.__annotations__)

    assert known - {"stream"} <= REQUEST_KEYS | {"prompt_cache_options"}
