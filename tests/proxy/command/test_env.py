"""`pointsman env`: lines for a shell."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from adapters.base import is_placeholder
from tests.proxy.command.terminal_kit import one_line, run


def test_a_shell_takes_the_lines_of_env(tmp_path: Path) -> None:
    lines = run("--port", "8111", "env").stdout
    script = f'eval {shlex.quote(lines)}; printf "%s %s" "$OPENAI_BASE_URL" "$OPENAI_API_KEY"'
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)

    assert told.stdout == "http://127.0.0.1:8111/v1 unused"


@pytest.mark.parametrize(
    ("shell", "first"),
    [
        ("sh", "export OPENAI_BASE_URL='http://127.0.0.1:1/v1'"),
        ("fish", "set -gx OPENAI_BASE_URL 'http://127.0.0.1:1/v1'"),
        ("powershell", "$env:OPENAI_BASE_URL = 'http://127.0.0.1:1/v1'"),
    ],
)
def test_env_speaks_the_shells_language(shell: str, first: str) -> None:
    assert run("env", "--shell", shell).stdout.splitlines()[0] == first


def test_env_does_not_print_the_key_that_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_API_KEYS", "k-secret")
    shown = run("env").stdout

    assert "secret" not in shown
    assert shown.splitlines()[-1].startswith("# Set OPENAI_API_KEY")


def test_env_knows_that_keys_were_made() -> None:
    before = run("env").stdout
    run("keys", "add", "anna")

    assert "unused" in before
    assert run("env").stdout.splitlines()[-1].startswith("# Set OPENAI_API_KEY")


@pytest.mark.parametrize(
    ("listening", "reached"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("localhost", "localhost")],
)
def test_env_names_an_address_that_can_be_reached(listening: str, reached: str) -> None:
    assert f"http://{reached}:1/v1" in run("--host", listening, "env").stdout


@pytest.mark.parametrize("command", [("env",), ("status",), ("use", "groq")])
def test_a_port_that_the_system_chooses_must_be_named(command: tuple[str, ...]) -> None:
    assert "--port" in one_line(run("--port", "0", *command), 2)


@pytest.mark.parametrize(
    ("protocol", "lines"),
    [
        (
            "anthropic",
            [
                "export ANTHROPIC_BASE_URL='http://127.0.0.1:1'",
                "export ANTHROPIC_AUTH_TOKEN='unused'",
            ],
        ),
        (
            "ollama",
            [
                "export OLLAMA_HOST='http://127.0.0.1:1'",
                "# Where pointsman itself runs, OLLAMA_BASE_URL names the real server.",
            ],
        ),
        (
            "gemini",
            [
                "export GOOGLE_GEMINI_BASE_URL='http://127.0.0.1:1'",
                "export GEMINI_API_KEY='none'",
            ],
        ),
    ],
)
def test_env_is_for_other_protocols_too(protocol: str, lines: list[str]) -> None:
    assert run("env", "--for", protocol).stdout.splitlines() == lines


def test_the_key_that_env_sets_for_gemini_is_none_to_this_server() -> None:
    assert is_placeholder("none")


def test_env_names_the_protocols_that_there_are() -> None:
    result = run("env", "--for", "esperanto")

    assert result.exit_code == 2
    assert "anthropic, ollama, gemini" in result.stderr
