"""What a server loads, and when: memory and the time to the first answer are made of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.security.kit import Fakes, Process, ask, body_of, post, process, request
from tests.transports import CHOSEN, NAME

LARGE = {
    "alembic",
    "genai_prices",
    "google",
    "groq",
    "httpcore",
    "ollama",
    "openai",
    "opentelemetry",
    "prometheus_client",
    "sqlalchemy",
    "sqlmodel",
}
OF_TRANSPORT = {"httpcore"} if CHOSEN.get(NAME) == "httpx" else set[str]()


def large_ones(server: Process) -> set[str]:
    """The large packages that a server has loaded, which it tells by Python's own -X importtime."""
    lines = [line for line in server.said.splitlines() if line.startswith("import time:")]
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in lines}
    assert "uvicorn" in loaded
    return loaded & LARGE


def ended(server: Process) -> Process:
    """The server after it has written what it had to write."""
    server.terminate()
    assert server.exit_code() == 0, server.said
    return server


@pytest.mark.heavy
@pytest.mark.parametrize("ollama", ["there", "away"])
def test_an_idle_server_has_loaded_nothing_large(fakes: Fakes, tmp_path: Path, ollama: str) -> None:
    host = {} if ollama == "there" else {"OLLAMA_HOST": "127.0.0.1:1"}
    with process(fakes, tmp_path, PYTHONPROFILEIMPORTTIME="1", **host) as server:
        assert ask(server.port, request("GET", "/health/ready")).status == 200
        assert large_ones(ended(server)) == OF_TRANSPORT


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ("groq", {"genai_prices"}),
        ("gemini", {"genai_prices"}),
        ("ollama", set[str]()),
    ],
)
def test_a_new_server_loads_what_the_one_that_answers_needs(
    fakes: Fakes, tmp_path: Path, provider: str, expected: set[str]
) -> None:
    path = tmp_path / "new.db"
    url = f"sqlite:///{path}"
    with process(
        fakes, tmp_path, PYTHONPROFILEIMPORTTIME="1", POINTSMAN_DATABASE_URL=url
    ) as server:
        assert ask(server.port, post(body_of(provider))).status == 200
        assert large_ones(ended(server)) == expected | OF_TRANSPORT

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT provider FROM requests").fetchall() == [(provider,)]
