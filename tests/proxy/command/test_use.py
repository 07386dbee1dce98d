"""`pointsman use`: the choice of a provider, kept, and shown to a running server."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from adapters import STANDING
from tests.fakes import GeminiFake, GroqFake, OllamaFake
from tests.proxy.command.kit import ASK, facts
from tests.proxy.command.terminal_kit import one_line, run, server
from tests.proxy.serving import Host


@pytest.fixture(autouse=True)
def two_set_up(clean_place: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groq and Gemini have a key, and are nowhere."""
    for name in ("GROQ", "GEMINI"):
        monkeypatch.setenv(f"{name}_API_KEY", "key-1")
        monkeypatch.setenv(f"{name}_BASE_URL", "http://127.0.0.1:2")


def test_without_a_server_the_choice_is_kept_for_the_next_start(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = run("use", "groq").stdout

    assert "✓ Provider switched to Groq. All subsequent requests will use Groq." in shown
    assert "No pointsman is running at http://127.0.0.1:1: the next start will use it" in shown
    assert "so will at once a server elsewhere that shares this database" in shown
    with server(host, monkeypatch):
        answer = httpx.get(f"{host.base_url}/api/user/preferences", trust_env=False).json()
        assert answer["default_llm_provider"] == "groq"


def test_a_running_server_switches_for_the_next_request(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    fakes: tuple[GroqFake, GeminiFake, OllamaFake],
) -> None:
    with server(host, monkeypatch):
        shown = run("use", "gemini").output
        answer = httpx.post(f"{host.base_url}/v1/chat/completions", json=ASK, trust_env=False)

    assert shown == (
        "✓ Provider switched to Gemini. All subsequent requests will use Gemini.\n"
        f"  The server at {host.base_url} has it by now.\n"
    )
    assert answer.headers["x-pointsman-provider"] == "gemini"


@pytest.mark.parametrize("is_running", [False, True], ids=["stored", "running"])
def test_a_model_may_be_chosen_with_its_provider(
    host: Host, monkeypatch: pytest.MonkeyPatch, is_running: bool
) -> None:
    if is_running:
        with server(host, monkeypatch):
            shown = run("use", "groq", "--model", "moonshotai/kimi-k2").stdout
    else:
        shown = run("use", "groq", "--model", "moonshotai/kimi-k2").stdout
    monkeypatch.setenv("POINTSMAN_PORT", "1")

    assert "Its model is moonshotai/kimi-k2." in shown
    models = {provider["id"]: provider["model"] for provider in facts()["providers"]}
    assert models["groq"] == "moonshotai/kimi-k2"
    assert models["ollama"] == "llama3.2"


@pytest.mark.parametrize("is_running", [False, True], ids=["stored", "running"])
def test_an_app_may_have_a_provider_of_its_own(
    host: Host, monkeypatch: pytest.MonkeyPatch, is_running: bool
) -> None:
    if is_running:
        with server(host, monkeypatch):
            shown = run("use", "gemini", "--app", "notes").stdout
            told = facts()
    else:
        shown = run("use", "gemini", "--app", "notes").stdout
        told = facts()

    assert "app 'notes' switched to Gemini" in shown
    assert told["preference"]["default_llm_provider"] == "ollama"
    assert [(app["id"], app["provider"]) for app in told["apps"]] == [("notes", "gemini")]


def test_a_later_choice_leaves_the_rest_of_the_row_alone() -> None:
    run("use", "groq", "--model", "first")
    run("use", "gemini")

    told = facts()
    assert told["preference"]["default_llm_provider"] == "gemini"
    assert {one["id"]: one["model"] for one in told["providers"]}["groq"] == "first"


@pytest.mark.parametrize("name", ["bard", "groq/llama", "", "gr\u043eq"])
def test_an_unknown_provider_is_one_line_that_names_those_there_are(name: str) -> None:
    line = one_line(run("use", name), 2)

    assert repr(name) in line
    assert all(known in line for known in STANDING)


def test_a_provider_may_be_written_in_capitals() -> None:
    assert "switched to Groq" in run("use", "GROQ").stdout


@pytest.mark.parametrize("is_running", [False, True], ids=["stored", "running"])
def test_a_name_that_no_model_has_changes_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch, is_running: bool
) -> None:
    if is_running:
        with server(host, monkeypatch):
            line = one_line(run("use", "groq", "--model", "../secrets"), 1)
    else:
        line = one_line(run("use", "groq", "--model", "../secrets"), 1)
    monkeypatch.setenv("POINTSMAN_PORT", "1")

    assert "models.groq" in line
    assert facts()["preference"]["default_llm_provider"] == "ollama"


@pytest.mark.heavy
@pytest.mark.parametrize("is_running", [False, True], ids=["stored", "running"])
@pytest.mark.parametrize("arguments", [(), ("--app", "notes"), ("--model", "m")])
def test_who_is_not_set_up_is_refused_with_the_cure(
    host: Host, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], is_running: bool
) -> None:
    monkeypatch.delenv("GROQ_API_KEY")
    if is_running:
        with server(host, monkeypatch):
            line = one_line(run("use", "groq", *arguments), 1)
    else:
        line = one_line(run("use", "groq", *arguments), 1)
    monkeypatch.setenv("POINTSMAN_PORT", "1")

    assert "Groq is not set up yet: GROQ_API_KEY is not set. To do: set GROQ_API_KEY" in line
    assert facts()["preference"] | {"fallback": []} == {
        "default_llm_provider": "ollama",
        "chosen": False,
        "fallback": [],
        "aliases": {},
        "rate_preset": "provider",
        "local_only": False,
        "split": {},
    }
    assert facts()["apps"] == []


def test_who_is_not_set_up_can_be_chosen_by_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GROQ_API_KEY")

    shown = run("use", "groq", "--force").stdout

    assert "✓ Provider switched to Groq." in shown
    assert "! Groq is not set up yet: GROQ_API_KEY is not set." in shown
    assert facts()["preference"]["default_llm_provider"] == "groq"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nonsense", "not the URL of a database"),
        ("nosuch://host/name", "not the URL of a database"),
        ("sqlite:////dev/null/store.db", "cannot be used"),
    ],
)
def test_a_choice_that_cannot_be_kept_says_why(
    monkeypatch: pytest.MonkeyPatch, url: str, reason: str
) -> None:
    monkeypatch.setenv("POINTSMAN_DATABASE_URL", url)

    assert reason in one_line(run("use", "groq"), 1)


def test_a_newer_versions_database_is_left_alone(tmp_path: Path) -> None:
    run("use", "groq")
    set_schema(tmp_path, "9999")

    assert "newer version" in one_line(run("use", "gemini"), 1)
    assert "of another version" in run("status").stdout


def set_schema(folder: Path, version: str) -> None:
    with closing(sqlite3.connect(folder / "store.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
        connection.commit()


@pytest.mark.parametrize("is_running", [False, True], ids=["stored", "running"])
def test_a_choice_can_be_taken_back_and_an_alias_made_and_forgotten(
    host: Host, monkeypatch: pytest.MonkeyPatch, is_running: bool
) -> None:
    def steps() -> None:
        run("use", "groq")
        run("use", "gemini", "--app", "app-notes", "--model", "m")
        assert [(one["id"], one["provider"]) for one in facts()["apps"]] == [("notes", "gemini")]
        assert "is taken back" in run("use", "--app", "notes", "--reset").stdout
        assert [one["provider"] for one in facts()["apps"]] in ([], [None])
        assert facts()["preference"]["default_llm_provider"] == "groq"
        run("use", "--reset")
        assert facts()["preference"]["default_llm_provider"] == "ollama"
        run("alias", "smart", "Groq=big", "gemini=m:1")
        assert facts()["preference"]["aliases"] == {"smart": {"groq": "big", "gemini": "m:1"}}
        assert run("alias").stdout.split() == ["smart", "groq=big,", "gemini=m:1"]
        assert "forgotten" in run("alias", "smart").stdout
        one_line(run("alias", "smart"), 1)
        assert "no names" in run("alias").stdout
        assert facts()["preference"]["aliases"] == {}

    if is_running:
        with server(host, monkeypatch):
            steps()
    else:
        steps()


@pytest.mark.parametrize(
    "arguments",
    [
        ("use",),
        ("use", "groq", "--reset"),
        ("use", "--reset", "--model", "m"),
        ("use", "groq", "--model", ""),
        ("alias", "smart", "groq"),
        ("alias", "smart", "groq="),
    ],
)
def test_what_a_command_was_not_given_is_one_line(arguments: tuple[str, ...]) -> None:
    one_line(run(*arguments), 2)


def test_a_model_that_is_not_listed_is_warned_of(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    fakes: tuple[GroqFake, GeminiFake, OllamaFake],
) -> None:
    with server(host, monkeypatch):
        httpx.get(f"{host.base_url}/v1/models", trust_env=False)
        assert (
            "! Ollama does not list a model nope:1b."
            in run("use", "ollama", "--model", "nope:1b").stdout
        )
        seen = run("status").stdout
        assert "does not list this model" in seen
        assert "ollama: nope:1b is not in its list of models: choose another" in seen
        assert "!" not in run("use", "ollama", "--model", "llama3.2").stdout
        assert "list" not in run("status").stdout


def test_talks_can_be_shared_out_and_a_plain_choice_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "key")

    shown = run("use", "groq=80, Gemini=20").stdout

    assert "✓ Provider split: Groq 80, Gemini 20." in shown
    assert facts()["preference"]["split"] == {"groq": 80, "gemini": 20}
    assert facts()["preference"]["default_llm_provider"] == "groq"
    assert "switched to Groq" in run("use", "groq").stdout
    assert facts()["preference"]["split"] == {}


def test_an_app_s_talks_can_be_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "key")
    run("use", "groq=1,gemini=1", "--app", "notes")
    [app] = facts()["apps"]
    assert (app["id"], app["split"]) == ("notes", {"groq": 1, "gemini": 1})
    assert facts()["preference"]["split"] == {}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["groq=80"], 1, "two providers or more"),
        (["groq=80,nobody=20"], 2, "no provider 'nobody'"),
        (["groq=80,gemini"], 2, "is not PROVIDER=SHARE"),
        (["groq=80,gemini=much"], 2, "is not PROVIDER=SHARE"),
        (["groq=80,gemini=-1"], 2, "is not PROVIDER=SHARE"),
        (["groq=80,groq=20"], 2, "is not PROVIDER=SHARE"),
        (["groq=80,ollama=0"], 1, "split.ollama"),
        (["groq=80,ollama=20", "--model", "m"], 2, "--model wants one provider"),
        (["groq=80,ollama=20", "--local-only"], 2, "Groq is not on this machine"),
    ],
)
def test_what_is_no_split_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, words: str
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "key")
    assert words in one_line(run("use", *arguments), code)
    assert facts()["preference"]["split"] == {}


def test_an_arm_that_is_not_set_up_is_refused_with_the_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GROQ_API_KEY")
    assert "Groq is not set up yet" in one_line(run("use", "ollama=80,groq=20"), 1)
    assert "! Groq is not set up yet" in run("use", "ollama=80,groq=20", "--force").stdout
