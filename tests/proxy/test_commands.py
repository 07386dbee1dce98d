"""The commands beside serving, without a server and with one."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters import REGISTRY
from adapters.base import ErrorKind
from proxy.store import Database
from tests.fakes import Answer, Fault, GeminiFake, GroqFake, OllamaFake
from tests.proxy.kit import failure
from tests.proxy.serving import Host
from tests.proxy.terminal_kit import NOWHERE, clean, one_line, point_at_fakes, run, server

ASK = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]}


@pytest.fixture(autouse=True)
def clean_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clean(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host().running() as started:
        yield started


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[GroqFake, GeminiFake, OllamaFake]]:
    with GroqFake() as groq, GeminiFake() as gemini, OllamaFake() as ollama:
        point_at_fakes(monkeypatch, groq, gemini, ollama)
        yield groq, gemini, ollama


def facts() -> Any:
    return json.loads(run("status", "--json").stdout)


def request_file(folder: Path, **fields: Any) -> str:
    path = folder / "request.json"
    path.write_text(json.dumps(ASK | fields), encoding="utf-8")
    return str(path)


# -- all commands -----------------------------------------------------------------------------


def test_help_tells_each_command_in_a_whole_sentence() -> None:
    lines = run("--help").stdout.splitlines()
    told = {line.split()[0]: line for line in lines[lines.index("Commands:") + 1 :]}

    assert list(told) == ["doctor", "env", "explain", "status", "usage", "use"]
    assert all(line.endswith(".") and not line.endswith("...") for line in told.values())


@pytest.mark.parametrize("command", ["use", "status", "doctor", "explain", "env"])
def test_a_commands_help_needs_no_good_settings(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("LLM_PROVIDER", "bard")

    assert run(command, "--help").exit_code == 0


@pytest.mark.parametrize("command", [("use", "groq"), ("status",), ("explain", "-"), ("env",)])
def test_a_bad_setting_is_one_line_in_every_command(
    monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("LLM_PROVIDER", "bard")

    assert "LLM_PROVIDER" in one_line(run(*command), 2)


def test_the_version_needs_nothing_but_click() -> None:
    code = "import sys, proxy.__main__; print(*{name.split('.')[0] for name in sys.modules})"
    root = Path(__file__).resolve().parents[2]
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )

    assert not set(found.stdout.split()) & {"adapters", "httpx", "pydantic", "starlette", "uvicorn"}


def test_a_terminal_without_the_signs_is_no_failure() -> None:
    result = run("use", "groq", charset="ascii")

    assert result.exit_code == 0
    assert "Provider switched to Groq." in result.stdout


# -- use --------------------------------------------------------------------------------------


def test_without_a_server_the_choice_is_kept_for_the_next_start(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = run("use", "groq").stdout

    assert "✓ Provider switched to Groq. All subsequent requests will use Groq." in shown
    assert "the next start will use it" in shown
    with server(host, monkeypatch):
        answer = httpx.get(f"{host.base_url}/api/user/preferences", trust_env=False).json()
        assert answer["default_llm_provider"] == "groq"


def test_a_running_server_switches_for_the_next_request(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    fakes: tuple[GroqFake, GeminiFake, OllamaFake],
) -> None:
    with server(host, monkeypatch):
        shown = run("use", "gemini").stdout
        answer = httpx.post(f"{host.base_url}/v1/chat/completions", json=ASK, trust_env=False)

    assert shown == "✓ Provider switched to Gemini. All subsequent requests will use Gemini.\n"
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
    assert all(known in line for known in REGISTRY)


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


def test_what_is_missing_for_the_choice_is_told() -> None:
    shown = run("use", "groq").stdout

    assert "! Groq is not set up yet: GROQ_API_KEY is not set." in shown


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


# -- keys -------------------------------------------------------------------------------------


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
        result = run("use", "groq")
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
        shown = run("use", "groq").stdout
        heard = [request.headers for request in stranger.requests]

    assert "No pointsman is running" in shown
    assert heard
    assert not any("authorization" in headers for headers in heard)


# -- status -----------------------------------------------------------------------------------


def test_without_a_server_the_status_says_so_and_shows_what_is_set_up(tmp_path: Path) -> None:
    result = run("status")

    assert result.exit_code == 1
    assert "No pointsman is running at http://127.0.0.1:1." in result.stdout
    assert "not set up: GROQ_API_KEY is not set" in result.stdout
    assert all(name in result.stdout for name in REGISTRY)
    assert not (tmp_path / "store.db").exists()


def test_the_status_of_a_server_tells_who_answers(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    fakes: tuple[GroqFake, GeminiFake, OllamaFake],
) -> None:
    run("use", "groq")
    with server(host, monkeypatch):
        result = run("status")

    assert result.exit_code == 0
    assert f"{host.base_url}/v1, powered by Groq (llama-3.3-70b-versatile)" in result.stdout
    [groq] = [line for line in result.stdout.splitlines() if line.startswith("→")]
    assert groq.split()[1:4] == ["groq", "llama-3.3-70b-versatile", "ready"]
    assert "0/30 requests a minute" in groq


def test_a_server_where_nobody_answers_is_a_failure(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_PROVIDER", "ollama")
    with server(host, monkeypatch):
        result = run("status")

    assert result.exit_code == 1
    assert "nobody can answer now" in result.stdout
    assert "not reachable" in result.stdout


def test_a_cooldown_is_shown_with_its_end(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    fakes: tuple[GroqFake, GeminiFake, OllamaFake],
) -> None:
    run("use", "groq")
    with server(host, monkeypatch):
        fakes[0].then(refused_for(120))
        httpx.post(f"{host.base_url}/v1/chat/completions", json=ASK, trust_env=False)
        shown = run("status").stdout

    assert "powered by Ollama (llama3.2), instead of Groq" in shown
    [groq] = [line for line in shown.splitlines() if line.startswith("→")]
    assert "cooling (rate limit) until " in groq


def test_the_last_error_of_a_provider_is_shown(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(host, monkeypatch) as app:
        app.state.parts.sources.recorder.failed(failure(ErrorKind.SERVER, "groq"))
        shown = run("status").stdout

    assert re.search(r"^last error of groq at \d\d:\d\d:\d\d: failed with server$", shown, re.M)


def refused_for(seconds: int) -> Fault:
    body = b'{"error":{"message":"Too fast.","type":"requests","code":"rate_limit_exceeded"}}'
    headers = (("content-type", "application/json"), ("retry-after", str(seconds)))
    return Fault(answer=Answer(429, headers, (body,)))


def test_a_spent_days_quota_is_known_without_a_server(tmp_path: Path) -> None:
    run("use", "gemini")
    database = Database(f"sqlite:///{tmp_path}/store.db")
    database.open()
    until = datetime.now(UTC) + timedelta(hours=20)
    database.save_cooldowns([("gemini", "gemini-2.5-flash", until, "quota_day")])
    database.close()

    [pause] = [one["pause"] for one in facts()["providers"] if one["id"] == "gemini"]

    assert pause["reason"] == "quota day"
    assert abs(pause["ends_at"] - until.timestamp()) <= 2


def test_no_name_can_move_the_cursor_or_turn_the_line() -> None:
    named = run("use", "groq", "--app", "a\u202eb").stdout

    shown = named + run("status").stdout + run("status", "--json").stdout
    assert "app a\N{REPLACEMENT CHARACTER}b uses groq" in shown
    assert all(c.isprintable() or c == "\n" for c in shown)


def test_a_broken_database_is_named_and_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"no database" * 100)

    assert "store.db cannot be read" in run("status").stdout
    assert (tmp_path / "store.db").read_bytes() == b"no database" * 100


# -- explain ----------------------------------------------------------------------------------


def test_explain_shows_every_native_body_and_asks_nobody(
    fakes: tuple[GroqFake, GeminiFake, OllamaFake], tmp_path: Path
) -> None:
    run("use", "gemini")
    result = run("explain", request_file(tmp_path, logit_bias={"1": 5}))

    assert result.exit_code == 0
    assert result.stdout.startswith("goes to gemini/gemini-2.5-flash\n")
    assert "gemini-2.5-flash:generateContent" in result.stdout
    assert "api/chat" in result.stdout
    assert "dropped=logit_bias" in result.stdout
    assert '"text": "Say hello."' in result.stdout
    assert [request for fake in fakes for request in fake.requests] == []


def test_explain_reads_standard_input_and_prints_json() -> None:
    told = json.loads(run("explain", "--json", "-", stdin=json.dumps(ASK).encode()).stdout)

    assert told["plan"]["goes_to"] == {"provider": "ollama", "model": "llama3.2"}
    assert {native["provider"] for native in told["providers"]} == set(REGISTRY)


def test_explain_tells_what_a_provider_would_refuse(tmp_path: Path) -> None:
    audio = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    file = request_file(tmp_path, messages=[{"role": "user", "content": [audio]}])

    assert "refused: " in run("explain", file).stdout


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"{}", "model"),
        (b'{"model": "x"}', "messages"),
        (b"\xff\xfe", "not valid JSON"),
    ],
)
@pytest.mark.parametrize("is_running", [False, True], ids=["alone", "running"])
def test_explain_of_no_request_is_one_line(
    host: Host, monkeypatch: pytest.MonkeyPatch, body: bytes, reason: str, is_running: bool
) -> None:
    if is_running:
        with server(host, monkeypatch):
            line = one_line(run("explain", "-", stdin=body), 1)
    else:
        line = one_line(run("explain", "-", stdin=body), 1)

    assert reason in line


def test_explain_of_a_running_server_knows_its_cooldowns(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    fakes: tuple[GroqFake, GeminiFake, OllamaFake],
    tmp_path: Path,
) -> None:
    run("use", "groq")
    with server(host, monkeypatch):
        before = run("explain", request_file(tmp_path)).stdout
        fakes[0].then(refused_for(120))
        httpx.post(f"{host.base_url}/v1/chat/completions", json=ASK, trust_env=False)
        after = run("explain", request_file(tmp_path)).stdout

    assert before.startswith("goes to groq/llama-3.3-70b-versatile\n")
    assert after.startswith("goes to ollama/llama3.2\n")
    assert "groq/llama-3.3-70b-versatile is paused" in after


# -- env --------------------------------------------------------------------------------------


def test_a_shell_takes_the_lines_of_env(tmp_path: Path) -> None:
    lines = run("--port", "8111", "env").stdout
    script = f'eval {shlex.quote(lines)}; printf "%s %s" "$OPENAI_BASE_URL" "$OPENAI_API_KEY"'
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)

    assert told.stdout == "http://127.0.0.1:8111/v1 unused"


@pytest.mark.parametrize(
    ("shell", "first"),
    [
        ("sh", "export OPENAI_BASE_URL='http://127.0.0.1:1/v1'"),
        ("fish", "set -gx OPENAI_BASE_URL 'http://127.0.0.1:1/v1'"),
        ("powershell", "$env:OPENAI_BASE_URL = 'http://127.0.0.1:1/v1'"),
    ],
)
def test_env_speaks_the_shells_language(shell: str, first: str) -> None:
    assert run("env", "--shell", shell).stdout.splitlines()[0] == first


def test_env_does_not_print_the_key_that_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_API_KEYS", "k-secret")
    shown = run("env").stdout

    assert "secret" not in shown
    assert shown.splitlines()[-1].startswith("# Set OPENAI_API_KEY")


@pytest.mark.parametrize(
    ("listening", "reached"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("localhost", "localhost")],
)
def test_env_names_an_address_that_can_be_reached(listening: str, reached: str) -> None:
    assert f"http://{reached}:1/v1" in run("--host", listening, "env").stdout


@pytest.mark.parametrize("command", [("env",), ("status",), ("use", "groq")])
def test_a_port_that_the_system_chooses_must_be_named(command: tuple[str, ...]) -> None:
    assert "--port" in one_line(run("--port", "0", *command), 2)


def test_a_file_before_the_command_holds_for_it(tmp_path: Path) -> None:
    (tmp_path / "own.env").write_text(f"GROQ_API_KEY=gsk-1\nOLLAMA_HOST={NOWHERE}\n")

    shown = run("--env-file", "own.env", "use", "groq").stdout
    assert "not set up" not in shown
    assert "gsk-1" not in shown
