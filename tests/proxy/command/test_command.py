"""The command: what it prints, and how it stops."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from adapters import STANDING
from proxy.__main__ import EXIT_BAD_SETTING, _listen, main
from proxy.settings import Settings
from tests.ports import kept_port
from tests.proxy.test_settings import PREFIXES

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.upper().startswith(PREFIXES) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("POINTSMAN_DATABASE_URL", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def refusal(*arguments: str) -> str:
    """The one line that the command says when it cannot start."""
    result = run(*arguments)
    assert result.exit_code == EXIT_BAD_SETTING == 2
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith("pointsman: ")
    return line


def test_help_names_every_option() -> None:
    result = run("--help")

    assert result.exit_code == 0
    for option in ("--host", "--port", "--env-file", "--version"):
        assert option in result.output


def test_version_is_the_distributions() -> None:
    assert run("--version").output.split()[-1] == version("pointsman")


@pytest.mark.parametrize("option", ["--host", "--port", "--env-file"])
def test_an_option_without_a_value_is_a_usage_error(option: str) -> None:
    assert run(option).exit_code == 2


def test_a_file_that_is_not_there_is_a_usage_error() -> None:
    result = run("--env-file", "absent.env")

    assert result.exit_code == 2
    assert "absent.env" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (("--port", "eighty"), "POINTSMAN_PORT", "eighty"),
        (("--port", "70000"), "POINTSMAN_PORT", "70000"),
    ],
)
def test_a_bad_option_is_one_line(arguments: tuple[str, str], name: str, value: str) -> None:
    line = refusal(*arguments)

    assert name in line and value in line


def test_a_bad_setting_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_TRANSPORT", "pigeon")

    line = refusal()

    assert "POINTSMAN_TRANSPORT" in line and "pigeon" in line and "httpx" in line


def test_a_bad_setting_of_the_folders_env_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LLM_PROVIDER=bard\n", encoding="utf-8")

    assert "LLM_PROVIDER" in refusal()


def test_a_given_file_takes_the_place_of_the_folders(tmp_path: Path, taken_port: int) -> None:
    (tmp_path / ".env").write_text("LLM_PROVIDER=bard\n", encoding="utf-8")
    (tmp_path / "own.env").write_text(f"POINTSMAN_PORT={taken_port}\n", encoding="utf-8")

    assert str(taken_port) in refusal("--env-file", "own.env")


@pytest.mark.parametrize("source", ["option", "environment"])
def test_a_port_in_use_says_how_to_take_another(
    monkeypatch: pytest.MonkeyPatch, taken_port: int, source: str
) -> None:
    if source == "environment":
        monkeypatch.setenv("POINTSMAN_PORT", str(taken_port))
    line = refusal(*(("--port", str(taken_port)) if source == "option" else ()))

    assert f"port {taken_port} is in use" in line
    assert "--port" in line and "POINTSMAN_PORT" in line


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "no such host"])
def test_an_address_that_is_not_this_machines_is_one_line(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("POINTSMAN_API_KEYS", "k-secret")
    line = refusal("--host", host, "--port", "0")

    assert host in line and "k-secret" not in line


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_other_machines_are_not_let_in_without_a_key(host: str) -> None:
    line = refusal("--host", host, "--port", "0")

    assert "POINTSMAN_API_KEYS" in line and host in line


def started(tmp_path: Path, command: str) -> subprocess.Popen[str]:
    """The server as a shell starts it with this redirection, once it answers."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OLLAMA_HOST": "127.0.0.1:1"}
    with kept_port() as port:
        process = subprocess.Popen(
            ["sh", "-c", f"exec {sys.executable} -m proxy --port {port} {command}"],
            env=environment,
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(1000):
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{port}/health/live", trust_env=False).is_success:
                    return process
            time.sleep(0.02)
    process.kill()
    raise AssertionError(process.communicate())


def test_where_windows_would_share_a_port_it_is_ours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_KEEPALIVE, raising=False)
    with _listen(Settings(port=0)) as listener:
        set_ = [
            bool(listener.getsockopt(socket.SOL_SOCKET, option))
            for option in (socket.SO_KEEPALIVE, socket.SO_REUSEADDR)
        ]

    assert set_ == [True, False]


@pytest.mark.heavy
@pytest.mark.skipif(sys.platform == "win32", reason="redirections and signals of POSIX")
@pytest.mark.parametrize(("command", "number"), [(">/dev/full", "SIGTERM"), ("<&- >&-", "SIGHUP")])
def test_a_banner_that_cannot_be_printed_stops_nothing(
    tmp_path: Path, command: str, number: str
) -> None:
    process = started(tmp_path, command)
    process.send_signal(signal.Signals[number])
    _, said = process.communicate(timeout=20)

    assert (process.returncode, said) == (0, "")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "GROQ_API_KEY": "gsk-secret-1",
        "GEMINI_API_KEY": "your_key_here",
        "OLLAMA_HOST": "127.0.0.1:1",
        "LLM_PROVIDER": "groq",
        "POINTSMAN_API_KEYS": "k-secret-2",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy", "--port", "0"],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_it_serves_says_where_and_stops_when_told(server: subprocess.Popen[str]) -> None:
    assert server.stdout is not None
    shown = ""
    while "curl" not in shown:
        line = server.stdout.readline()
        assert line, shown
        shown += line

    found = re.search(r"http://127\.0\.0\.1:(\d+)/v1\b", shown)
    assert found
    assert "groq (openai/gpt-oss-120b)" in shown
    assert all(name in shown for name in STANDING)
    assert "GEMINI_API_KEY is not set" in shown
    assert "secret" not in shown
    answer = httpx.get(f"http://127.0.0.1:{found[1]}/health/live", trust_env=False)
    assert answer.status_code == 200

    server.send_signal(signal.SIGTERM)
    rest, _ = server.communicate(timeout=20)

    assert server.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in rest
    assert "secret" not in rest
