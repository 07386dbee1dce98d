"""`pointsman keys`: made, shown once, listed and revoked, with a server and without."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from tests.fakes import GeminiFake, GroqFake, OllamaFake
from tests.proxy.command.kit import ASK
from tests.proxy.command.terminal_kit import one_line, run, server
from tests.proxy.serving import Host

LIMITED = (
    *("--rpm", "60", "--tpm", "9000", "--budget-day", "1.5", "--budget-month", "20"),
    *("--models", "llama-*,tiny", "--providers", "Groq", "--role", "owner"),
)


def key_in(text: str) -> str:
    [key] = re.findall(r"psk-[\w-]+", text)
    return str(key)


def status_with(host: Host, key: str) -> int:
    headers = {"authorization": f"Bearer {key}"}
    url = f"{host.base_url}/v1/chat/completions"
    return httpx.post(url, json=ASK, headers=headers, trust_env=False, timeout=20).status_code


@pytest.mark.parametrize("is_running", [False, True], ids=["stored", "running"])
def test_a_key_is_made_listed_and_revoked(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    fakes: tuple[GroqFake, GeminiFake, OllamaFake],
    is_running: bool,
) -> None:
    def told() -> None:
        assert "There are no keys" in run("keys").stdout
        key = key_in(run("keys", "add", "anna", *LIMITED).stdout)
        listed = run("keys", "list").stdout
        assert key not in listed
        row = next(line for line in listed.splitlines() if line.startswith("anna"))
        for shown in (f"…{key[-4:]}", "owner", "60", "9,000", "1.5", "20", "groq, llama-*, tiny"):
            assert shown in row
        [told] = json.loads(run("keys", "list", "--json").stdout)["keys"]
        assert told["dollars_a_day"] == 1.5
        assert told["revoked_at"] is None
        run("keys", "change", "anna", "--rpm", "90", "--budget-day", "0", "--models", "big")
        [changed] = json.loads(run("keys", "list", "--json").stdout)["keys"]
        new = {"requests_per_minute": 90, "dollars_a_day": None, "models": ["big"]}
        assert changed == told | new
        assert "what is to change" in run("keys", "change", "anna").stderr
        assert "no key of the name" in one_line(run("keys", "change", "bob", "--rpm", "1"), 1)
        assert "already" in one_line(run("keys", "add", "anna"), 1)
        revoked = run("keys", "revoke", "anna").stdout
        assert "is revoked" in revoked and "still has to show one" in revoked
        assert "still has to show one" in run("keys", "list").stdout
        assert "no key of the name" in one_line(run("keys", "revoke", "anna"), 1)

    if is_running:
        with server(host, monkeypatch):
            told()
    else:
        told()


def test_a_server_knows_what_was_made_before_it_began(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    fakes: tuple[GroqFake, GeminiFake, OllamaFake],
) -> None:
    key = key_in(run("keys", "add", "anna").stdout)

    with server(host, monkeypatch):
        assert status_with(host, key) == 200
        assert status_with(host, "unused") == 401
        run("keys", "revoke", "anna")
        assert status_with(host, key) == 401


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("",), "name"),
        (("a" * 65,), "name"),
        (("anna", "--rpm", "0"), "requests_per_minute"),
        (("anna", "--budget-day", "-1"), "dollars_a_day"),
        (("anna", "--budget-month", "nan"), "dollars_a_month"),
        (("anna", "--providers", "bard"), "bard"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(arguments: tuple[str, ...], reason: str) -> None:
    assert reason in one_line(run("keys", "add", *arguments), 1)
