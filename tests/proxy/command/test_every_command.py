"""What holds for every command: help, bad settings, the version, the file of settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.proxy.command.terminal_kit import NOWHERE, one_line, run


def test_help_tells_each_command_in_a_whole_sentence() -> None:
    lines = run("--help").stdout.splitlines()
    told = {line.split()[0]: line for line in lines[lines.index("Commands:") + 1 :]}

    names = ["alias", "doctor", "env", "explain", "keys", "migrate-to", "status", "usage", "use"]
    assert list(told) == names
    assert all(line.endswith(".") and not line.endswith("...") for line in told.values())


@pytest.mark.parametrize("command", ["use", "status", "doctor", "explain", "env"])
def test_a_commands_help_needs_no_good_settings(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("LLM_PROVIDER", "bard")

    assert run(command, "--help").exit_code == 0


@pytest.mark.parametrize("command", [("use", "groq"), ("status",), ("explain", "-"), ("env",)])
def test_a_bad_setting_is_one_line_in_every_command(
    monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("LLM_PROVIDER", "bard")

    assert "LLM_PROVIDER" in one_line(run(*command), 2)


def test_the_version_needs_nothing_but_click() -> None:
    code = "import sys, proxy.__main__; print(*{name.split('.')[0] for name in sys.modules})"
    root = Path(__file__).resolve().parents[3]
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )

    assert not set(found.stdout.split()) & {"adapters", "httpx", "pydantic", "starlette", "uvicorn"}


def test_a_terminal_without_the_signs_is_no_failure() -> None:
    result = run("use", "groq", "--force", charset="ascii")

    assert result.exit_code == 0
    assert "Provider switched to Groq." in result.stdout


def test_a_file_before_the_command_holds_for_it(tmp_path: Path) -> None:
    (tmp_path / "own.env").write_text(f"GROQ_API_KEY=gsk-1\nOLLAMA_HOST={NOWHERE}\n")

    shown = run("--env-file", "own.env", "use", "groq").stdout
    assert "not set up" not in shown
    assert "gsk-1" not in shown
