"""Providers that are this server itself, told apart before it serves."""

from __future__ import annotations

from typing import Any

import pytest

from adapters import REGISTRY
from proxy.command.loops import apart
from proxy.settings import Settings, SettingsError

HERE = ("127.0.0.1", 8000)


def settings(**places: str) -> Settings:
    declared: Any = REGISTRY["ollama"].Settings
    return Settings(providers={"ollama": declared(**places)})


def place(told: Settings) -> str | None:
    return told.providers["ollama"].address


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "http://[::1]:8000", ":8000"])
def test_who_was_pointed_here_with_his_clients_is_looked_for_at_home(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place(apart(settings(host=host), *HERE)) == "http://127.0.0.1:11434"
    said = capsys.readouterr().err
    assert "is this server itself" in said and "OLLAMA_BASE_URL" in said
    assert len(said.splitlines()) == 1


def test_another_place_stays_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    for host in ("127.0.0.1:8001", "https://127.0.0.1:8000", "192.0.2.1:8000"):
        told = settings(host=host)
        assert place(apart(told, *HERE)) == place(told)
    assert capsys.readouterr().err == ""


def test_our_own_setting_may_not_lead_here() -> None:
    with pytest.raises(SettingsError, match=r"OLLAMA_BASE_URL=.* leads to this server itself"):
        apart(settings(base_url="http://127.0.0.1:8000", host="x"), *HERE)


def test_at_its_usual_port_it_cannot_be_reached(capsys: pytest.CaptureFixture[str]) -> None:
    told = settings()
    for host in ("127.0.0.1", "0.0.0.0"):
        assert place(apart(told, host, 11434)) == place(told)
        assert "cannot be reached" in capsys.readouterr().err
