"""Settings of providers that cannot be: the command ends at once with a line that names them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports import kept_port
from tests.proxy.command.terminal_kit import one_line, run

BAD = {
    "an unknown kind": ({"DESK_KIND": "toaster"}, "DESK_KIND='toaster': must be one of"),
    "no kind": ({"DESK_KIND": ""}, "DESK_KIND is not set"),
    "a name twice": ({"POINTSMAN_PROVIDERS": "desk,desk"}, "POINTSMAN_PROVIDERS='desk': the name"),
    "another's name": ({"POINTSMAN_PROVIDERS": "http"}, "POINTSMAN_PROVIDERS='http': the name"),
    "others' variables": ({"POINTSMAN_PROVIDERS": "desk,desk-up"}, "DESK_… are settings of"),
    "a login": ({"DESK_BASE_URL": "http://me:secret@far/v1"}, "DESK_BASE_URL"),
    "a login for groq's kind": (
        {"DESK_KIND": "groq", "DESK_BASE_URL": "http://me:secret@far"},
        "DESK_BASE_URL",
    ),
    "a fragment": ({"DESK_BASE_URL": "http://far/v1#x"}, "DESK_BASE_URL='http://far/v1#x'"),
    "a fragment for groq's kind": (
        {"DESK_KIND": "groq", "DESK_BASE_URL": "http://far/#x"},
        "DESK_BASE_URL='http://far/#x'",
    ),
    "a fragment for gemini's kind": (
        {"DESK_KIND": "gemini", "DESK_BASE_URL": "http://far/#x"},
        "DESK_BASE_URL='http://far/#x'",
    ),
    "a fragment for ollama's kind": (
        {"DESK_KIND": "ollama", "DESK_BASE_URL": "http://far/#x"},
        "DESK_BASE_URL='http://far/#x'",
    ),
    "a pool of one": ({"POINTSMAN_POOLS": "home:desk"}, "POINTSMAN_POOLS"),
    "a pool of strangers": (
        {"POINTSMAN_POOLS": "home:desk+cellar"},
        "POINTSMAN_POOLS='home:desk+cellar': 'cellar' must be one of ollama, ",
    ),
    "a stranger among those that stand in": (
        {"POINTSMAN_FALLBACK": "groq,cellar"},
        "POINTSMAN_FALLBACK='groq,cellar': 'cellar' must be one of ollama, ",
    ),
    "a place in two pools": ({"POINTSMAN_POOLS": "a:desk+groq,b:desk+gemini"}, "POINTSMAN_POOLS"),
    "keys in no known way": ({"DESK_KEYS": "random"}, "DESK_KEYS=(hidden): must be 'order' or"),
    "no call at once": ({"DESK_MAX_CONCURRENT": "0"}, "DESK_MAX_CONCURRENT='0'"),
}
DESK = {
    "POINTSMAN_PROVIDERS": "desk",
    "DESK_KIND": "openai",
    "DESK_BASE_URL": "http://127.0.0.1:9/v1",
}


def test_of_one_mistake_nothing_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of names that are none only because of it, nor the same of one name twice."""
    for change in ({"DESK_KIND": "toaster"}, {"POINTSMAN_PROVIDERS": "desk,desk"}):
        with monkeypatch.context() as there:
            for name, value in (DESK | {"POINTSMAN_POOLS": "home:desk+groq"} | change).items():
                there.setenv(name, value)
            line = one_line(run("--port", "9"), exit_code=2)

        assert "POINTSMAN_POOLS" not in line and ";" not in line


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_told_in_a_line(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change, told = BAD[case]
    for name, value in (DESK | change).items():
        monkeypatch.setenv(name, value)
    with socket.create_server(("127.0.0.1", 0)) as taken:  # so that nothing is ever served
        line = one_line(run("--port", str(taken.getsockname()[1])), exit_code=2)

    assert told in line and "secret" not in line


def test_an_address_that_is_this_server_ends_the_real_command(tmp_path: Path) -> None:
    with kept_port() as port:
        environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "LANG")},
            **DESK,
            "DESK_BASE_URL": f"http://localhost:{port}/v1",
            "HOME": str(tmp_path),
        }
        done = subprocess.run(
            [sys.executable, "-m", "proxy", "--port", str(port)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].endswith("leads to this server itself")
    assert "DESK_BASE_URL" in done.stderr
