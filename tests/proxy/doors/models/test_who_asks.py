"""What is offered to whom, by a running server."""

from __future__ import annotations

from pathlib import Path

import httpx

from proxy.app import create_app
from proxy.providers import providers_of
from proxy.settings import Settings
from tests.fakes import GROQ_KEY, GroqFake, OllamaFake
from tests.proxy.serving import Host


def test_an_app_that_is_local_only_is_offered_no_model_of_a_cloud(tmp_path: Path) -> None:
    with GroqFake() as groq, OllamaFake() as ollama, Host().running() as host:
        environment = {
            "GROQ_API_KEY": GROQ_KEY,
            "GROQ_BASE_URL": groq.url,
            "OLLAMA_BASE_URL": ollama.url,
        }
        settings = Settings(
            providers=providers_of(environment), database_url=f"sqlite:///{tmp_path / 'x.db'}"
        )
        with host.serving(create_app(settings)), httpx.Client(base_url=host.base_url) as client:
            choice = {"default_llm_provider": "ollama", "local_only": True}
            client.put("/api/user/preferences?app=notes", json=choice).raise_for_status()
            anybody = _providers(client, "unused")
            notes = _providers(client, "app-notes")

    assert {"groq", "ollama"} <= anybody
    assert "ollama" in notes
    assert "groq" not in notes


def _providers(client: httpx.Client, key: str) -> set[str]:
    answer = client.get("/v1/models", headers={"authorization": f"Bearer {key}"})
    return {model["id"].partition("/")[0] for model in answer.json()["data"]}
