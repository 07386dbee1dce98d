"""What of the environment the server's programs are given, and what of it cannot be used."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from proxy.__main__ import serve
from proxy.settings import Settings, SettingsError, load_settings


def test_child_processes_get_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://me:pa55word@db/x"
    secret = {
        "GROQ_API_KEY": "gsk-one",
        "POINTSMAN_API_KEYS": "notes:two-three",
        "POINTSMAN_DATABASE_URL": url,
        "POINTSMAN_SHARED_URL": "valkey://:pa55word@db",
    }
    for name, value in {**secret, "GROQ_MODEL": "m", "POINTSMAN_PORT": "0"}.items():
        monkeypatch.setenv(name, value)
    seen: dict[str, str] = {}

    def run(_settings: Settings, listener: socket.socket) -> None:
        listener.close()
        seen.update(os.environ)

    monkeypatch.setattr("proxy.server.run", run)

    serve(load_settings())

    assert seen["GROQ_MODEL"] == "m"
    assert seen["PATH"]
    assert secret.keys().isdisjoint(seen)


def test_certificates_that_cannot_be_read_are_told_at_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (empty := tmp_path / "empty.pem").touch()
    for path in (empty, tmp_path / "missing.pem"):
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        with pytest.raises(SettingsError, match=r"^SSL_CERT_FILE: .*\.pem is no file of cert"):
            load_settings()
