"""What would change a machine, passed on to the real server where the owner has said so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import ollama
import pytest

from tests.fakes.gate import Gate
from tests.fakes.server import Fault
from tests.proxy.doors.serving.kit import LONG_S
from tests.security.kit import Fakes, serving, settings_for


@pytest.fixture
def fakes(session_fakes: Fakes) -> Fakes:
    session_fakes.forget()
    return session_fakes


@pytest.fixture
def url(fakes: Fakes, tmp_path: Path) -> Iterator[str]:
    with serving(settings_for(fakes, tmp_path, ollama_passthrough=True)) as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture
def client(url: str) -> Iterator[ollama.Client]:
    with ollama.Client(url, trust_env=False, timeout=LONG_S) as made:
        yield made


def paths(fakes: Fakes) -> list[tuple[str, str]]:
    return [(one.method, one.path) for one in fakes.ollama.requests if one.method != "GET"]


def test_steps_come_as_they_are_made(client: ollama.Client, fakes: Fakes) -> None:
    steps = [one.status for one in client.pull("anything", stream=True)]

    assert steps == ["pulling manifest", "verifying sha256 digest", "success"]
    assert client.pull("anything").status == "success"
    assert client.delete("llama3.2").status == "success"
    with pytest.raises(ollama.ResponseError, match="not found") as caught:
        client.delete("nothing")
    assert caught.value.status_code == 404
    assert ("DELETE", "/api/delete") in paths(fakes)


def test_files_go_through_as_they_are(client: ollama.Client, fakes: Fakes, tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(bytes(range(256)) * 20_000)
    digest = client.create_blob(file)

    assert ("POST", f"/api/blobs/{digest}") in paths(fakes)
    [sent] = [one for one in fakes.ollama.requests if one.path.startswith("/api/blobs")]
    assert sent.body == file.read_bytes()


def test_no_page_and_no_program_made_of_pages_may(url: str, fakes: Fakes) -> None:
    for origin in ("app://obsidian.md", url, "https://evil.example"):
        answer = httpx.post(f"{url}/api/pull", json={"model": "m"}, headers={"origin": origin})
        assert (answer.status_code, list(answer.json())) == (403, ["error"])
    assert paths(fakes) == []


def test_who_hangs_up_ends_it_there(url: str, fakes: Fakes) -> None:
    fakes.ollama.chat_paths = (*fakes.ollama.chat_paths, "/api/pull")
    fakes.ollama.then(Fault(hold_at=(10, Gate())))
    try:
        left = fakes.ollama.counts.left
        with httpx.stream("POST", f"{url}/api/pull", json={"model": "m"}) as answer:
            next(answer.iter_raw())
        fakes.ollama.wait_until(lambda fake: fake.counts.left > left)
    finally:
        del fakes.ollama.chat_paths


def test_a_real_server_that_is_not_there_is_told(fakes: Fakes, tmp_path: Path) -> None:
    settings = settings_for(fakes, tmp_path, ollama_passthrough=True)
    gone = settings.providers["ollama"].model_copy(update={"host": "127.0.0.1:9", "base_url": None})
    settings = settings.model_copy(update={"providers": {**settings.providers, "ollama": gone}})
    with serving(settings) as server:
        answer = httpx.post(f"http://127.0.0.1:{server.port}/api/pull", json={"model": "m"})
    assert (answer.status_code, list(answer.json())) == (502, ["error"])
