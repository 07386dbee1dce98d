"""`pointsman explain`: every provider's native body, and nobody asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters import STANDING
from proxy.console.explain import PIXEL
from tests.fakes import GeminiFake, GroqFake, OllamaFake
from tests.fakes.server import Request
from tests.proxy.command.kit import ASK, refused_for
from tests.proxy.command.terminal_kit import one_line, run, server
from tests.proxy.serving import Host


def request_file(folder: Path, **fields: Any) -> str:
    path = folder / "request.json"
    path.write_text(json.dumps(ASK | fields), encoding="utf-8")
    return str(path)


def test_explain_shows_every_native_body_and_asks_nobody(
    fakes: tuple[GroqFake, GeminiFake, OllamaFake], tmp_path: Path
) -> None:
    run("use", "gemini")
    result = run("explain", request_file(tmp_path, logit_bias={"1": 5}))

    assert result.exit_code == 0
    assert result.stdout.startswith("goes to gemini/gemini-flash-latest\n")
    assert "gemini-flash-latest:streamGenerateContent" in result.stdout
    assert "api/chat" in result.stdout
    assert "dropped=logit_bias" in result.stdout
    assert '"text": "Say hello."' in result.stdout
    assert [request for fake in fakes for request in fake.requests] == []


def test_explain_reads_standard_input_and_prints_json() -> None:
    told = json.loads(run("explain", "--json", "-", stdin=json.dumps(ASK).encode()).stdout)

    assert told["plan"]["goes_to"] == {"provider": "ollama", "model": "llama3.2"}
    assert {native["provider"] for native in told["providers"]} == set(STANDING)


def test_explain_tells_what_a_provider_would_refuse(tmp_path: Path) -> None:
    audio = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    file = request_file(tmp_path, messages=[{"role": "user", "content": [audio]}])

    shown = run("explain", file).stdout

    assert "refused: " in shown
    assert "refused: groq: " not in shown


@pytest.mark.parametrize("is_running", [False, True], ids=["alone", "running"])
def test_explain_asks_first_what_a_request_would_ask_first(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    fakes: tuple[GroqFake, GeminiFake, OllamaFake],
    tmp_path: Path,
    is_running: bool,
) -> None:
    """An image is for a model that sees; nothing but what a model can do is asked for."""
    run("use", "ollama")
    pixel = {"type": "image_url", "image_url": {"url": PIXEL}}
    file = request_file(tmp_path, messages=[{"role": "user", "content": [pixel]}])
    if is_running:
        with server(host, monkeypatch):
            shown = run("explain", file).stdout
    else:
        shown = run("explain", file).stdout

    assert not shown.startswith("goes to ollama")
    assert "ollama/llama3.2 cannot see images" in shown
    assert [path for fake in fakes for path in map(_path, fake.requests) if "chat" in path] == []


def _path(request: Request) -> str:
    return request.path


def test_explain_tells_of_several_calls_and_writes_each_path_alike(tmp_path: Path) -> None:
    shown = run("explain", request_file(tmp_path, n=2)).stdout

    assert "POST /api/chat" in shown and "POST /v1beta/models/" in shown
    assert shown.count("emulated=n") == 3  # Gemini gives both in one call


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"{}", "model"),
        (b'{"model": "x"}', "messages"),
        (b"\xff\xfe", "not valid JSON"),
    ],
)
@pytest.mark.parametrize("is_running", [False, True], ids=["alone", "running"])
def test_explain_of_no_request_is_one_line(
    host: Host, monkeypatch: pytest.MonkeyPatch, body: bytes, reason: str, is_running: bool
) -> None:
    if is_running:
        with server(host, monkeypatch):
            line = one_line(run("explain", "-", stdin=body), 1)
    else:
        line = one_line(run("explain", "-", stdin=body), 1)

    assert reason in line


def test_explain_of_a_running_server_knows_its_cooldowns(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    fakes: tuple[GroqFake, GeminiFake, OllamaFake],
    tmp_path: Path,
) -> None:
    run("use", "groq")
    with server(host, monkeypatch):
        before = run("explain", request_file(tmp_path)).stdout
        fakes[0].then(refused_for(120))
        httpx.post(f"{host.base_url}/v1/chat/completions", json=ASK, trust_env=False)
        after = run("explain", request_file(tmp_path)).stdout

    assert before.startswith("goes to groq/openai/gpt-oss-120b\n")
    assert after.startswith("goes to ollama/llama3.2\n")
    assert "groq/openai/gpt-oss-120b is paused" in after


def test_a_request_of_any_door_is_explained(tmp_path: Path) -> None:
    asked = [
        ("completions", {"model": "m", "prompt": "Say hello."}),
        ("/v1/responses", {"model": "m", "input": "Say hello."}),
        ("/api/generate", {"model": "m", "prompt": "Say hello."}),
        ("messages", {"model": "m", "max_tokens": 9, "messages": ASK["messages"]}),
    ]
    for door, body in asked:
        result = run("explain", "--door", door, "-", stdin=json.dumps(body).encode())
        assert result.exit_code == 0, (door, result.stderr)
        assert "Say hello." in result.stdout and "api/chat" in result.stdout, door


def test_vectors_are_explained_by_who_makes_them() -> None:
    body = json.dumps({"model": "ollama/nomic-embed-text", "input": "Hi"}).encode()
    told = json.loads(run("explain", "--door", "embeddings", "--json", "-", stdin=body).stdout)

    assert [native["path"].strip("/") for native in told["providers"]] == ["api/embed"]


def test_a_door_that_is_none_is_told_with_those_that_are() -> None:
    result = run("explain", "--door", "cellar", "-", stdin=json.dumps(ASK).encode())

    assert result.exit_code != 0
    assert "'cellar'" in result.stderr and "chat, gemini, completions," in result.stderr
