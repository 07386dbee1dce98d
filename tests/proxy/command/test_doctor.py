"""`pointsman doctor`: what it finds of providers and models, what it says to do, when it fails."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from adapters import STANDING
from adapters.base import Availability, ErrorKind, Model
from proxy.store.database import Database
from proxy.store.kept import setbacks
from proxy.store.kept.setbacks import GONE, Cooldown
from tests.adapters.embedded.model import needs_the_extra
from tests.fakes import GEMINI_KEY, GROQ_KEY, GeminiFake, GroqFake, OllamaFake
from tests.proxy.command.kit import ABSENT, BAD, GOOD, findings
from tests.proxy.command.terminal_kit import NOWHERE, one_line, run
from tests.proxy.kit import HANG, ScriptedAdapter, adapter_class, failure

pytestmark = pytest.mark.usefixtures("any_port")


def scripted(
    patch: pytest.MonkeyPatch, *names: str, **attributes: object
) -> dict[str, type[ScriptedAdapter]]:
    """Let these providers be all there are."""
    registry = {name: adapter_class(name, **attributes) for name in names}
    for module in ("routing.open", "providers"):
        patch.setattr(f"proxy.{module}.REGISTRY", registry)
    patch.setattr("proxy.providers.STANDING", tuple(registry))
    return registry


# As a whole


def test_where_all_is_well_every_line_is_good(
    fakes: tuple[GroqFake, GeminiFake, OllamaFake], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("LLM_PROVIDER=groq\n")
    run("--port", "1", "use", "gemini")
    found = findings()

    assert [text for text in found.values() if text.startswith(BAD)] == []
    for subject in ("settings", "database", "ollama", "gemini", "groq", "groq key", "groq model"):
        assert found[subject].startswith(GOOD), subject


def test_each_of_several_keys_is_looked_at(
    fakes: tuple[GroqFake, GeminiFake, OllamaFake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", f"gsk_one-that-is-dead,{GROQ_KEY}")
    found = findings()

    assert found["groq key …dead"].startswith(GOOD) and found["groq key …ests"].startswith(GOOD)
    assert found["groq"].startswith(f"{BAD} answers")
    assert "but key …dead: " in found["groq"] and "GROQ_API_KEY" in found["groq"]


def test_what_nobody_has_set_up_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, "toy", "idle")["idle"].script.unset = "IDLE_API_KEY is not set"
    found = findings()

    assert found["settings"].startswith(ABSENT)
    assert found["database"].startswith(ABSENT)
    assert found["idle"].startswith(ABSENT)
    assert found["toy"].startswith(GOOD)


def test_without_any_provider_nothing_can_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, "toy")["toy"].script.unset = "TOY_API_KEY is not set"
    found = findings()

    assert found["toy"] == f"{ABSENT} not set up: TOY_API_KEY is not set → set TOY_API_KEY"
    assert found["answers"].startswith(BAD)


def test_a_setting_that_cannot_be_used_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_TIMEOUT", "soon")
    found = findings()

    assert list(found) == ["settings"]
    assert "GEMINI_TIMEOUT" in found["settings"]


def test_no_secret_is_printed(
    monkeypatch: pytest.MonkeyPatch, fakes: tuple[GroqFake, GeminiFake, OllamaFake]
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "AIza-wrong-secret")
    monkeypatch.setenv("POINTSMAN_API_KEYS", "k-secret")
    monkeypatch.setenv("POINTSMAN_ADMIN_TOKEN", "t-secret")
    shown = run("doctor").output
    monkeypatch.setenv("GROQ_BASE_URL", fakes[0].url.replace("//", "//user:hunter2@"))
    shown += run("doctor").output

    assert "GROQ_BASE_URL: must hold no user and no password" in shown
    assert [w for w in (GROQ_KEY, GEMINI_KEY, "wrong", "k-secret", "hunter2") if w in shown] == []


@pytest.mark.parametrize("name", [".env", "own.env"])
def test_the_file_of_settings_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("GROQ_API_KEY=your_key_here\n")
    found = findings("--env-file", name)

    assert found["settings"].startswith(GOOD) and name in found["settings"]
    assert '"your_key_here"' in found["groq key"]


def test_it_takes_no_argument() -> None:
    assert run("doctor", "groq").exit_code == 2
    assert set(STANDING) <= set(" ".join(findings()).split())
    assert one_line(run("--port", "eighty", "env"), 2)


# Providers


@pytest.mark.parametrize("text", ["your_key_here", "YOUR_API_KEY_HERE", " changeme "])
def test_a_placeholder_is_named_as_such(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GROQ_API_KEY", text)
    monkeypatch.setenv("OPENROUTER_API_KEY", text)
    found = findings()

    assert "OPENROUTER_API_KEY is the placeholder" in found["openrouter key"]
    assert found["groq key"].startswith(ABSENT)
    assert f'placeholder "{text.strip().lower()}"' in found["groq key"]
    assert "console.groq.com" in found["groq key"]


def test_a_key_that_is_not_needed_may_be_a_placeholder(
    monkeypatch: pytest.MonkeyPatch, fakes: tuple[GroqFake, GeminiFake, OllamaFake]
) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "your_key_here")
    found = findings()

    assert found["ollama key"].startswith(ABSENT)
    assert found["ollama"].startswith(GOOD)


@pytest.mark.parametrize(
    "settings",
    [{"LLM_PROVIDER": "groq"}, {"POINTSMAN_FALLBACK": "groq,ollama"}],
    ids=["preferred", "fallback"],
)
@pytest.mark.parametrize("key", ["", "your_key_here"], ids=["missing", "placeholder"])
def test_a_chosen_provider_without_a_key_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], key: str
) -> None:
    for name, value in (settings | {"GROQ_API_KEY": key}).items():
        monkeypatch.setenv(name, value)
    found = findings()

    assert found["groq key" if key else "groq"].startswith(BAD)
    assert "GROQ_API_KEY" in found["groq key" if key else "groq"]


def test_a_provider_chosen_by_command_is_one_that_ought_to_work() -> None:
    run("--port", "1", "use", "groq", "--force")

    assert findings()["groq"].startswith(BAD)


def test_a_refused_key_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, fakes: tuple[GroqFake, GeminiFake, OllamaFake]
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "gsk-wrong")
    found = findings()

    assert found["groq key"].startswith(GOOD)
    assert found["groq"].startswith(BAD) and "key" in found["groq"]
    assert fakes[0].url in found["groq"]


@pytest.mark.parametrize("key", ["gsk-k\u00e9y", "gsk- key", "gsk\nkey", "gsk-\u200bkey"])
def test_a_key_that_was_copied_badly_is_a_fault(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("GROQ_API_KEY", key)
    monkeypatch.setenv("GROQ_BASE_URL", f"http://{NOWHERE}")
    found = findings()["groq key"]

    assert found.startswith(f"{BAD} GROQ_API_KEY holds a character that no key has")
    assert key not in found


def test_a_server_that_is_down_is_a_fault_with_its_address() -> None:
    found = findings()

    assert found["ollama"].startswith(BAD)
    assert f"http://{NOWHERE}: " in found["ollama"]
    assert "`ollama serve`" in found["ollama"]


def test_one_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.command.doctor.ASK_TIMEOUT_S", 0.05)

    async def never(_self: object) -> None:
        await asyncio.Event().wait()

    scripted(monkeypatch, "toy", is_available=never)

    assert "no answer in time" in findings()["toy"]


def test_all_providers_are_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    together = asyncio.Barrier(2)

    async def when_both_are_asked(_self: object) -> Availability:
        await together.wait()
        return Availability(True)

    scripted(monkeypatch, "one", "two", is_available=when_both_are_asked)
    found = findings()

    assert found["one"].startswith(GOOD) and found["two"].startswith(GOOD)


@pytest.mark.parametrize("url", ["groq.example", "ftp://groq.example", "https://", "http://[::"])
def test_a_base_url_that_is_none_is_a_fault(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("GROQ_API_KEY", GROQ_KEY)
    monkeypatch.setenv("GROQ_BASE_URL", url)

    assert findings()["groq"].startswith(f"{BAD} GROQ_BASE_URL is not the URL of a server")


# Models


def test_a_model_that_is_not_pulled_is_named_with_the_cure(
    monkeypatch: pytest.MonkeyPatch, fakes: tuple[GroqFake, GeminiFake, OllamaFake]
) -> None:
    monkeypatch.setenv("OLLAMA_MODEL", "mistral")
    found = findings()["ollama model"]

    assert found.startswith(f"{BAD} mistral is not there; there are: gemma3:4b, llama3.2:latest")
    assert found.endswith("→ `ollama pull mistral` or set OLLAMA_MODEL to one of those")


def test_the_model_is_the_one_that_was_chosen_last(
    fakes: tuple[GroqFake, GeminiFake, OllamaFake],
) -> None:
    run("--port", "1", "use", "ollama", "--model", "qwen3:4b")

    assert findings()["ollama model"] == f"{GOOD} qwen3:4b, one of 5"


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([], f"{ABSENT} there are no models yet"),
        ([Model("toy-1")], f"{GOOD} toy-1"),
        ([Model("toy-1:latest")], f"{GOOD} toy-1"),
        ([Model(f"other-{i}") for i in range(9)], f"{BAD} toy-1 is not there; there are: other-0"),
        (failure(ErrorKind.SERVER), f"{GOOD} toy-1; it gave no list"),
        (HANG, f"{GOOD} toy-1; it gave no list"),
    ],
    ids=["none", "there", "latest", "others", "error", "silence"],
)
def test_the_configured_model_is_looked_up(
    monkeypatch: pytest.MonkeyPatch, listed: object, expected: str
) -> None:
    monkeypatch.setattr("proxy.command.doctor.ASK_TIMEOUT_S", 0.05)
    scripted(monkeypatch, "toy")["toy"].script.listed = listed  # type: ignore[assignment]
    if listed:
        monkeypatch.setenv("TOY_MODEL", "toy-1")

    assert findings()["toy model"].startswith(expected)


def test_who_answers_in_place_of_a_model_that_is_gone_is_told_by_the_list(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    monkeypatch.setenv("POINTSMAN_DATABASE_URL", f"sqlite:///{tmp_path}/gone.db")
    with closing(Database(f"sqlite:///{tmp_path}/gone.db")) as database:
        database.write(
            partial(
                setbacks.save, fresh=[Cooldown("toy", "llama3-8b", until, f"{GONE}no such model")]
            )
        )
    monkeypatch.setenv("TOY_MODEL", "llama3-8b")
    scripted(monkeypatch, "toy")["toy"].script.listed = [Model("toy-model"), Model("llama4-9b")]

    assert findings()["toy model"].startswith(f"{BAD} llama4-9b answers instead of llama3-8b")


def test_a_key_that_others_can_read_on_its_way_is_told_of(
    fakes: tuple[GroqFake, GeminiFake, OllamaFake], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "GROQ_BASE_URL" not in findings()
    monkeypatch.setenv("GROQ_API_KEY", f"gsk_one-that-is-secret,{GROQ_KEY}")
    monkeypatch.setenv("GROQ_BASE_URL", "http://groq.invalid:1")

    told = findings()["GROQ_BASE_URL"]
    assert told.startswith(f"{ABSENT} is http://")
    assert "https://" in told


def test_a_misspelt_setting_is_named_with_the_one_that_is_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POINTSMAN_FALBACK", "groq")

    assert findings()["POINTSMAN_FALBACK"] == (
        f"{ABSENT} there is no such setting → did you mean POINTSMAN_FALLBACK?"
    )


@needs_the_extra
def test_weights_that_are_not_there_have_a_cure_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EMBEDDED_MODEL_PATH", "/nowhere.gguf")

    assert "→ set EMBEDDED_MODEL_PATH to a GGUF file" in findings()["embedded"]
