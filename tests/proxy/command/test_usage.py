"""`pointsman usage`: of the running server, or of its database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.command.usage import usage_text
from tests.fakes import GeminiFake, GroqFake, OllamaFake
from tests.proxy.command.terminal_kit import clean, one_line, point_at_fakes, run, server
from tests.proxy.serving import Host

HELLO = {"model": "groq", "messages": [{"role": "user", "content": "Hello."}]}


@pytest.fixture(autouse=True)
def clean_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clean(monkeypatch, tmp_path)


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A server that has answered two requests."""
    with Host().running() as host, GroqFake() as groq, GeminiFake() as gemini, OllamaFake() as own:
        point_at_fakes(monkeypatch, groq, gemini, own)
        with server(host, monkeypatch):
            for app in ("notes", "mail"):
                headers = {"authorization": f"Bearer app-{app}"}
                url = f"{host.base_url}/v1/chat/completions"
                assert httpx.post(url, json=HELLO, headers=headers).status_code == 200
            yield host


def test_without_a_log_nothing_was_used() -> None:
    assert "by provider: nothing." in run("usage").stdout


def wait_for_two(*options: str) -> Any:
    """What the command tells once both requests are in the log, which takes up to a second."""
    for _ in range(400):
        result = run("usage", *options, "--json")
        if result.exit_code == 0:
            told = json.loads(result.stdout)
            if told["total"]["requests"] == 2:
                return told
    raise AssertionError(result.output)


def test_what_a_server_has_written_is_read_when_it_is_gone(
    used: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POINTSMAN_PORT", "1")

    [group] = wait_for_two()["groups"]

    assert (group["name"], group["requests"], group["errors"]) == ("groq", 2, 0)


def test_a_running_server_tells_what_was_used(used: Host) -> None:
    told = wait_for_two("--month", "--by", "app")

    assert (told["range"], told["by"]) == ("month", "app")
    assert {group["name"] for group in told["groups"]} == {"notes", "mail"}


def test_the_arms_of_a_split_are_compared_as_on_the_page(used: Host) -> None:
    """Of the running server, and of its database once it is gone."""
    assert run("use", "groq=80,gemini=20").exit_code == 0
    with httpx.Client(base_url=used.base_url) as client:
        for talk in range(12):
            body = {**HELLO, "model": "any", "user": f"talk-{talk}"}
            headers = {"x-session-id": f"talk-{talk}"}
            answer = client.post("/v1/chat/completions", json=body, headers=headers)
            assert answer.status_code == 200, answer.text
        for _ in range(4000):  # first rows are priced once the price lists are there
            total = client.get("/admin/api/usage", params={"range": "today"}).json()["total"]
            if (total["requests"], total["unpriced"]) == (2 + 12, 0):
                break
        arms = client.get("/admin/api/arms", params={"range": "today"}).json()["arms"]
    told = json.loads(run("usage", "--json").stdout)["arms"]
    text = run("usage").stdout

    assert told == arms and {arm["name"] for arm in arms} == {"groq", "gemini"}
    head, *rows = text.split("Shared out among")[1].strip().splitlines()
    assert head.split()[:2] == ["requests", "errors"]
    assert [row.split()[:2] for row in rows] == [[a["name"], f"{a['requests']}"] for a in arms]


def test_a_broken_database_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"no database at all" * 100)

    assert "cannot be read" in one_line(run("usage"), 1)


SUMS = {
    "requests": 1200,
    "errors": 3,
    "rotated": 4,
    "prompt": 50_000,
    "completion": 600,
    "estimated": 70,
    "cost_nano_usd": 0,
    "list_nano_usd": 1_234_560_000,
    "unpriced": 9,
}
TIMES = {"first_s_p50": 0.254, "total_s_p50": 1.0, "total_s_p95": 2.5, "tokens_per_s_p50": 1234.5}


def test_the_table_tells_sums_and_times() -> None:
    groups = [
        {"name": "far", **SUMS, **TIMES},
        {"name": None, **SUMS, **dict.fromkeys(TIMES), "list_nano_usd": 12_345},
    ]
    text = usage_text({"since": 0, "by": "provider", "groups": groups, "total": SUMS, "dropped": 2})

    far, nobody, total = text.splitlines()[3:6]
    assert far.split() == [
        *("far", "1,200", "3", "4", "50,000", "600"),
        *("0.25", "s", "1.00", "s", "2.50", "s", "1,234", "$0.00", "$1.23"),
    ]
    assert nobody.split()[0] == "(none)" and nobody.split()[-4:] == ["-", "-", "$0.00", "$0.000012"]
    assert total.startswith("in all")
    assert "about 70 tokens" in text
    assert "9 requests of models that are in no price list" in text
    assert "2 requests found no room" in text
    assert "Shared out" not in text


def test_an_arm_tells_what_it_failed_and_passed_on_and_won() -> None:
    arm = {
        "name": "far",
        "requests": 40,
        "errors": 2,
        "passed_on": 4,
        "answered": 20,
        "cut": 5,
        "first_s_p50": 0.25,
        "first_s_p95": None,
        "tokens_per_s_p50": 99.6,
        "cost_nano_usd": 0,
        "list_nano_usd": 0,
        "won": 3,
        "judged": 4,
    }
    told = {"since": 0, "by": "provider", "groups": [], "total": SUMS, "dropped": 0}
    group = {"name": "far", **SUMS, **TIMES}
    text = usage_text({**told, "groups": [group], "arms": [arm]})

    assert text.splitlines()[-1].split() == [
        *("far", "40", "2", "(5", "%)", "4", "(10", "%)", "0.25", "s", "-", "100"),
        *("5", "(25", "%)", "$0.00", "$0.00", "3", "of", "4"),
    ]
