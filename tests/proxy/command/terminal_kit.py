"""What the tests of the commands share: a clean place, the command, a server for it to find."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from starlette.applications import Starlette

from proxy.__main__ import main
from proxy.app import create_app
from proxy.settings import load_settings
from tests.fakes import GEMINI_KEY, GROQ_KEY, GeminiFake, GroqFake, OllamaFake
from tests.proxy.serving import Host
from tests.proxy.test_settings import PREFIXES

NOWHERE = "127.0.0.1:2"


def clean(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """No setting of the machine's, a database and a current folder of the test's own."""
    for name in list(os.environ):
        if name.upper().startswith(PREFIXES) or name.lower().endswith("_proxy"):
            patch.delenv(name)
    patch.setenv("XDG_DATA_HOME", str(folder / "data"))
    patch.setenv("POINTSMAN_DATABASE_URL", f"sqlite:///{folder}/store.db")
    patch.setenv("POINTSMAN_PORT", "1")
    patch.setenv("OLLAMA_HOST", NOWHERE)
    patch.chdir(folder)


def run(*arguments: str, stdin: bytes | None = None, charset: str = "utf-8") -> Result:
    """The command, as if from a shell; what it raises is the test's."""
    runner = CliRunner(charset=charset)
    return runner.invoke(main, list(arguments), input=stdin, catch_exceptions=False)


def one_line(result: Result, exit_code: int) -> str:
    """The one line on stderr that ended the command."""
    assert result.exit_code == exit_code, result.output
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith("pointsman: ")
    return line


def point_at_fakes(
    patch: pytest.MonkeyPatch, groq: GroqFake, gemini: GeminiFake, ollama: OllamaFake
) -> None:
    """Let the settings name the fakes, with the keys that they take."""
    patch.setenv("GROQ_API_KEY", GROQ_KEY)
    patch.setenv("GROQ_BASE_URL", groq.url)
    patch.setenv("GEMINI_API_KEY", GEMINI_KEY)
    patch.setenv("GEMINI_BASE_URL", gemini.url)
    patch.setenv("OLLAMA_HOST", ollama.url)


@contextlib.contextmanager
def server(host: Host, patch: pytest.MonkeyPatch) -> Iterator[Starlette]:
    """A server with the settings of now, at the port where the command looks for it."""
    app = create_app(load_settings())
    with host.serving(app):
        patch.setenv("POINTSMAN_PORT", str(host.port))
        yield app
