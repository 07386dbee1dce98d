"""Runs a client's script in an environment of its own, which is made the first time."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.clients import scenarios
from tests.sampling import ALL

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
INSTALL_S = 180
RUN_S = 120

INSTALLED = [
    pytest.mark.clients,
    pytest.mark.skipif(not ALL, reason="installs other projects' clients: `.ci/run` tries them"),
]
"""The marks of what needs clients that are installed first."""

Outcomes = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Client:
    """A script, the packages it needs (none: those of `node/package.json`), and what it sees.

    `failing` is what it sees at a server whose models all fail; `arguments` are its own.
    """

    script: str
    packages: tuple[str, ...]
    expected: dict[str, Any]
    failing: dict[str, Any] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


def run_client(client: Client, base_url: str, *more: str) -> Outcomes | str:
    """What the script printed, or why it cannot run here."""
    try:
        command, folder = _python(client) if client.packages else _node(client)
    except (OSError, subprocess.SubprocessError) as error:
        return f"{client.script} cannot be set up: {error}"
    if not client.packages:
        shared = {name: getattr(scenarios, name) for name in dir(scenarios) if name.isupper()}
        arguments = [base_url, json.dumps(shared)]
    else:
        arguments = [base_url]
    run = [*command, *arguments, *more]
    done = subprocess.run(run, **_kept(folder), timeout=RUN_S, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    outcomes: Outcomes = json.loads(done.stdout)
    return outcomes


def _python(client: Client) -> tuple[list[str], Path]:
    uv = _found("uv")
    packages = [word for package in client.packages for word in ("--with", package)]
    python = [uv, "run", "--quiet", "--no-project", *packages, "python"]
    _set_up([*python, "-c", "pass"], ROOT)
    return [*python, "-m", f"tests.clients.{client.script}"], ROOT


def _node(client: Client) -> tuple[list[str], Path]:
    node, npm = _found("node"), _found("npm")
    manifest = (HERE / "node" / "package.json").read_bytes()
    name = f"pointsman-clients-{os.getuid()}-{hashlib.sha256(manifest).hexdigest()[:12]}"
    folder = Path(tempfile.gettempdir()) / name
    folder.mkdir(exist_ok=True)
    for file in (HERE / "node").iterdir():
        shutil.copy(file, folder)
    ready = folder / "ready"
    if not ready.exists():
        _set_up([npm, "install", "--no-package-lock", "--no-audit", "--no-fund"], folder)
        ready.touch()
    return [node, client.script], folder


def _found(command: str) -> str:
    path = shutil.which(command)
    if path is None:
        raise FileNotFoundError(f"no {command} here")
    return path


def _set_up(command: list[str], folder: Path) -> None:
    subprocess.run(command, **_kept(folder), timeout=INSTALL_S, check=True)


def _kept(folder: Path) -> dict[str, Any]:
    """What Python compiles of a client is kept with it, whatever holds for the sources here."""
    environment = {n: text for n, text in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    return {"cwd": folder, "env": environment, "capture_output": True}
