"""What a command shows a server that is guarded, and a stranger at its port."""

from __future__ import annotations

import pytest

from tests.fakes import OllamaFake
from tests.proxy.command.kit import facts
from tests.proxy.command.terminal_kit import one_line, run, server
from tests.proxy.serving import Host


@pytest.mark.parametrize(
    "settings",
    [
        {"POINTSMAN_ADMIN_TOKEN": "t-secret"},
        {"POINTSMAN_API_KEYS": "laptop:k-secret"},
        {"POINTSMAN_ADMIN_TOKEN": "t-secret", "POINTSMAN_API_KEYS": "k-secret"},
    ],
    ids=["token", "keys", "both"],
)
def test_a_guarded_server_is_shown_the_settings_token(
    host: Host, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with server(host, monkeypatch):
        result = run("use", "groq", "--force")
        told = facts()

    assert result.exit_code == 0
    assert "secret" not in result.output
    assert told["running"] is True
    assert told["preference"]["default_llm_provider"] == "groq"


@pytest.mark.parametrize("command", [("use", "groq"), ("status",)])
def test_without_the_token_the_command_says_what_to_set(
    host: Host, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("POINTSMAN_ADMIN_TOKEN", "t-secret")
    with server(host, monkeypatch):
        monkeypatch.delenv("POINTSMAN_ADMIN_TOKEN")
        line = one_line(run(*command), 1)

    assert "POINTSMAN_ADMIN_TOKEN" in line


def test_a_stranger_at_the_port_is_no_server_and_gets_no_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POINTSMAN_ADMIN_TOKEN", "t-secret")
    with OllamaFake() as stranger:
        monkeypatch.setenv("POINTSMAN_PORT", stranger.url.rpartition(":")[2])
        shown = run("use", "groq", "--force").stdout
        heard = [request.headers for request in stranger.requests]

    assert "No pointsman is running" in shown
    assert heard
    assert not any("authorization" in headers for headers in heard)
