"""`pointsman status`, without a server and with one."""

from __future__ import annotations

import re
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest

from adapters import STANDING
from adapters.base import ErrorKind
from proxy.store.database import Database
from proxy.store.kept import setbacks
from tests.fakes import GeminiFake, GroqFake, OllamaFake
from tests.proxy.command.kit import ASK, facts, refused_for
from tests.proxy.command.terminal_kit import run, server
from tests.proxy.kit import failure
from tests.proxy.serving import Host
from tests.proxy.store.usage.test_rows import failed


def test_without_a_server_the_status_says_so_and_shows_what_is_set_up(tmp_path: Path) -> None:
    result = run("status")

    assert result.exit_code == 1
    assert "No pointsman is running at http://127.0.0.1:1." in result.stdout
    assert "not set up: GROQ_API_KEY is not set" in result.stdout
    assert all(name in result.stdout for name in STANDING)
    assert not (tmp_path / "store.db").exists()


def test_the_status_of_a_server_tells_who_answers(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    fakes: tuple[GroqFake, GeminiFake, OllamaFake],
) -> None:
    run("use", "groq")
    with server(host, monkeypatch):
        result = run("status")

    assert result.exit_code == 0
    assert f"{host.base_url}/v1, powered by Groq (openai/gpt-oss-120b)" in result.stdout
    [groq] = [line for line in result.stdout.splitlines() if line.startswith("→")]
    assert groq.split()[1:4] == ["groq", "openai/gpt-oss-120b", "ready"]
    assert "0/30 requests a minute" in groq
    assert "vectors (/v1/embeddings) by " in result.stdout


def test_a_server_where_nobody_answers_is_a_failure(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_PROVIDER", "ollama")
    with server(host, monkeypatch):
        result = run("status")

    assert result.exit_code == 1
    assert "nobody can answer now" in result.stdout
    assert "not reachable" in result.stdout


def test_a_local_provider_that_has_ended_is_not_called_ready(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        ollama = stack.enter_context(OllamaFake())
        monkeypatch.setenv("OLLAMA_BASE_URL", ollama.url)
        with server(host, monkeypatch):
            assert "ready" in run("status").stdout
            stack.close()
            assert "not reachable" in run("status").stdout


def test_a_cooldown_is_shown_with_its_end(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    fakes: tuple[GroqFake, GeminiFake, OllamaFake],
) -> None:
    run("use", "groq")
    with server(host, monkeypatch):
        fakes[0].then(refused_for(120))
        httpx.post(f"{host.base_url}/v1/chat/completions", json=ASK, trust_env=False)
        shown = run("status").stdout

    assert "powered by Ollama (llama3.2), instead of Groq" in shown
    [groq] = [line for line in shown.splitlines() if line.startswith("→")]
    assert "cooling (rate limit) until " in groq


def test_the_last_error_of_a_provider_is_shown(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(host, monkeypatch) as app:
        app.state.parts.monitors.recorder.ended(failed(failure(ErrorKind.SERVER, "groq")))
        shown = run("status").stdout

    assert re.search(
        r"^last error of groq at \d\d:\d\d:\d\d: failed with a fault of its own$", shown, re.M
    )


def test_a_spent_days_quota_is_known_without_a_server(tmp_path: Path) -> None:
    run("use", "gemini")
    database = Database(f"sqlite:///{tmp_path}/store.db")
    database.open()
    until = datetime.now(UTC) + timedelta(hours=20)
    database.write(
        partial(setbacks.save, fresh=[("gemini", "gemini-flash-latest", until, "quota_day")])
    )
    database.close()

    [pause] = [one["pause"] for one in facts()["providers"] if one["id"] == "gemini"]

    assert pause["reason"] == "quota day"
    assert abs(pause["ends_at"] - until.timestamp()) <= 2


def test_no_name_can_move_the_cursor_or_turn_the_line() -> None:
    refused = run("use", "groq", "--app", "a\u202eb", "--force")
    assert refused.exit_code != 0
    named = run("alias", "a\u202eb", "groq=x\u202ey")

    shown = refused.stderr + named.stderr + named.stdout
    shown += run("status").stdout + run("status", "--json").stdout
    assert all(c.isprintable() or c == "\n" for c in shown)


def test_a_broken_database_is_named_and_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"no database" * 100)

    assert "store.db cannot be read" in run("status").stdout
    assert (tmp_path / "store.db").read_bytes() == b"no database" * 100
