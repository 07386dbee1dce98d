"""The fakes and a server process in front of them, for the whole session."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.failing import failing
from tests.fakes import GEMINI_KEY, GROQ_KEY, GeminiFake, GroqFake, OllamaFake
from tests.fakes.server import FakeServer
from tests.transports import CHOSEN

START_S = 30

Serve = Callable[..., AbstractContextManager[str]]


@dataclass(frozen=True, slots=True)
class Fakes:
    groq: GroqFake
    gemini: GeminiFake
    ollama: OllamaFake

    def environment(self) -> dict[str, str]:
        return {
            "GROQ_API_KEY": GROQ_KEY,
            "GROQ_BASE_URL": self.groq.url,
            "GEMINI_API_KEY": GEMINI_KEY,
            "GEMINI_BASE_URL": self.gemini.url,
            "OLLAMA_HOST": self.ollama.url,
            "LLM_PROVIDER": "groq",
            "POINTSMAN_FALLBACK": "groq,gemini,ollama",
            "POINTSMAN_RATE_PRESET": "off",
            "POINTSMAN_MAX_WAIT_S": "0",
            **CHOSEN,
        }


@pytest.fixture(scope="session")
def fakes() -> Iterator[Fakes]:
    with GroqFake() as groq, GeminiFake() as gemini, OllamaFake() as ollama:
        yield Fakes(groq, gemini, ollama)


@pytest.fixture(autouse=True)
def forget(fakes: Fakes) -> None:
    for fake in (fakes.groq, fakes.gemini, fakes.ollama):
        fake.forget()


@pytest.fixture(scope="session")
def serve(fakes: Fakes, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """Starts a server before the fakes; its keyword arguments are settings. Gives the base URL."""

    @contextlib.contextmanager
    def served(**settings: str) -> Iterator[str]:
        home = tmp_path_factory.mktemp("home")
        with _server(home, fakes.environment() | settings) as url:
            yield url

    return served


@pytest.fixture(scope="session")
def base_url(serve: Serve) -> Iterator[str]:
    with serve() as url:
        yield url


@dataclass(frozen=True, slots=True)
class FailingServer:
    """The address, and the provider that must notice who leaves."""

    url: str
    slow: FakeServer


@pytest.fixture(scope="session")
def failing_server(serve: Serve) -> Iterator[FailingServer]:
    """A server whose models all fail, as `failing.models_of` has them."""
    with failing() as (settings, slow), serve(**settings) as url:
        yield FailingServer(url.removesuffix("/v1"), slow)


@contextlib.contextmanager
def _server(home: Path, settings: dict[str, str]) -> Iterator[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "PYTHONUNBUFFERED": "1",
    }
    command = [str(Path(sys.executable).with_name("pointsman")), "--port", "0"]
    log = home / "stderr"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            command, cwd=home, env=environment | settings, stdout=subprocess.PIPE, stderr=stderr
        ) as process,
    ):
        try:
            yield _listening(process, log)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
    said = log.read_text(encoding="utf-8")
    assert "Traceback" not in said, said


def _listening(process: subprocess.Popen[bytes], log: Path) -> str:
    """The base URL out of the banner."""
    assert process.stdout
    too_late = threading.Timer(START_S, process.kill)
    too_late.start()
    try:
        for line in process.stdout:
            words = line.decode().split()
            if words[:1] == ["pointsman"]:
                return words[1]
    finally:
        too_late.cancel()
    pytest.fail(f"the server did not start:\n{log.read_text(encoding='utf-8')}")
