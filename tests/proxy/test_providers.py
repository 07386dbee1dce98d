"""Providers of the user's own naming: of which kind, with which settings, and what none may be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapters import PRESETS, REGISTRY, STANDING
from adapters.base import AdapterError, ErrorKind
from adapters.groq.adapter import GroqAdapter
from adapters.ollama.adapter import OllamaAdapter
from proxy.command.loops import apart
from proxy.providers import BadProvidersError, placeholders, providers_of, same_keys
from proxy.settings import Settings, SettingsError, load_settings, strange_settings
from tests.adapters.kit import DictMemory, FakeUpstream, json_reply

DESK_AND_WORK = {
    "POINTSMAN_PROVIDERS": "Desk, work",
    "DESK_KIND": "ollama",
    "DESK_BASE_URL": "http://192.0.2.1:11434",
    "DESK_NUM_CTX": "4096",
    "WORK_KIND": "groq",
    "WORK_API_KEY": "k-work",
    "WORK_MODEL": "some-model",
    "WORK_TIMEOUT": "7",
    "WORK_BILLED": "true",
}


def test_a_few_stand_without_being_named() -> None:
    assert tuple(providers_of({})) == STANDING
    assert set(STANDING) <= set(REGISTRY)


def test_those_that_are_named_have_a_kind_and_settings_of_their_own() -> None:
    found: Any = providers_of(DESK_AND_WORK | {"GROQ_MODEL": "groqs-own"})

    assert tuple(found) == (*STANDING, "desk", "work")
    assert (found["desk"].url, found["desk"].num_ctx) == ("http://192.0.2.1:11434", 4096)
    assert (found["work"].model, found["work"].timeout, found["work"].billed) == (
        *("some-model", 7, True),
    )
    assert found["work"].api_key.get_secret_value() == "k-work"
    assert (found["groq"].model, found["groq"].api_key) == ("groqs-own", None)


def test_adapters_are_called_as_their_providers() -> None:
    found: Any = providers_of(DESK_AND_WORK)
    upstream = FakeUpstream().upstream
    work = GroqAdapter(found["work"], upstream, DictMemory())
    desk = OllamaAdapter(found["desk"], upstream, DictMemory())
    plain = GroqAdapter(found["groq"], upstream, DictMemory())

    assert (work.name, work.title, plain.name, plain.title) == (
        *("work", "work (Groq)", "groq", "Groq (Cloud)"),
    )
    assert (desk.name, desk.title) == ("desk", "desk (Ollama)")
    assert "WORK_API_KEY" in work.setup and "GROQ_API_KEY" in plain.setup
    assert plain.unconfigured == "GROQ_API_KEY is not set"
    assert work.unconfigured is None


def test_what_is_wrong_is_told_by_the_providers_own_name() -> None:
    found: Any = providers_of(DESK_AND_WORK)
    wire = FakeUpstream(json_reply({"error": {"message": "no", "code": "invalid_api_key"}}, 401))
    told = asyncio.run(GroqAdapter(found["work"], wire.upstream, DictMemory()).is_available())

    assert "WORK_API_KEY" in told.detail and "GROQ" not in told.detail


def test_an_error_is_of_the_provider_that_met_it() -> None:
    met = AdapterError(ErrorKind.AUTH, "check GROQ_API_KEY", provider="groq", status=401)
    error = met.at("my-work")

    assert (str(error), error.kind, error.status) == (
        *("my-work: check MY_WORK_API_KEY", ErrorKind.AUTH, 401),
    )
    assert met.at("groq") is met


def test_only_what_is_there_may_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in DESK_AND_WORK.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LLM_PROVIDER", "Desk")
    monkeypatch.setenv("POINTSMAN_FALLBACK", "work, groq")
    found = load_settings()
    monkeypatch.setenv("LLM_PROVIDER", "attic")

    assert (found.llm_provider, found.fallback) == ("desk", ("work", "groq"))
    with pytest.raises(SettingsError, match=r"LLM_PROVIDER='attic': must be one of .*desk, work"):
        load_settings()


def test_a_misspelt_setting_of_theirs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (DESK_AND_WORK | {"WORK_TIMOUT": "3"}).items():
        monkeypatch.setenv(name, value)

    assert strange_settings() == {"WORK_TIMOUT": "WORK_TIMEOUT"}
    assert placeholders(DESK_AND_WORK | {"WORK_API_KEY": "your_key_here"}) == {
        "work": "your_key_here"
    }


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"DESK_KIND": "lmstudios"}, "DESK_KIND='lmstudios': must be one of "),
        ({"DESK_KIND": ""}, "DESK_KIND is not set: must be one of "),
        ({"POINTSMAN_PROVIDERS": "desk,desk"}, "POINTSMAN_PROVIDERS='desk': the name is there tw"),
        ({"POINTSMAN_PROVIDERS": "a b"}, "POINTSMAN_PROVIDERS='a b': a name is up to"),
        ({"POINTSMAN_PROVIDERS": "pointsman"}, "POINTSMAN_PROVIDERS='pointsman': the name belongs"),
        ({"POINTSMAN_PROVIDERS": "default"}, "POINTSMAN_PROVIDERS='default': the name belongs"),
        ({"POINTSMAN_PROVIDERS": "desk,desk-two"}, "POINTSMAN_PROVIDERS='desk': DESK_… are settin"),
        (
            {"POINTSMAN_PROVIDERS": "groq", "GROQ_KIND": "ollama"},
            "GROQ_KIND='ollama': 'groq' is of the kind 'groq'",
        ),
        (
            {"POINTSMAN_PROVIDERS": "mistral", "MISTRAL_KIND": "ollama"},
            "MISTRAL_KIND='ollama': 'mistral' is of the kind 'openai'",
        ),
        ({"POINTSMAN_PROVIDERS": "vllm-two,vllm"}, "POINTSMAN_PROVIDERS='vllm': VLLM_… are settin"),
        ({"WORK_TIMEOUT": "0"}, "WORK_TIMEOUT='0': must be"),
        ({"DESK_BASE_URL": "http://a:b@c"}, "DESK_BASE_URL: must hold no user and no password"),
        (
            {"DESK_KIND": "openai", "DESK_BASE_URL": "http://a/v1#x"},
            "DESK_BASE_URL='http://a/v1#x': must end before",
        ),
        ({"DESK_BASE_URL": "ftp://a"}, "DESK_BASE_URL='ftp://a': it must be a host"),
        *(
            ({f"{name}_BASE_URL": url}, f"{name}_BASE_URL{line}")
            for name in ("OLLAMA", "GEMINI", "GROQ")
            for url, line in (
                ("https://u:p@a.example", ": must hold no user and no password"),
                ("https://a.example/#x", "='https://a.example/#x': must end before #"),
            )
        ),
        ({"OLLAMA_HOST": "http://u@a.example"}, "OLLAMA_HOST='http://***@a.example': it must be"),
    ],
)
def test_what_cannot_be_is_one_line_that_names_the_setting(
    change: dict[str, str], line: str
) -> None:
    values = {name: value for name, value in (DESK_AND_WORK | change).items() if value}
    with pytest.raises(BadProvidersError) as caught:
        providers_of(values)

    assert any(one.startswith(line) for one in caught.value.lines), caught.value.lines


# Known by their names


def test_a_presets_key_or_a_local_ones_address_is_enough() -> None:
    for name, preset in PRESETS.items():
        for variable in preset.sets_up:
            value = "http://127.0.0.1:9/v1" if variable.endswith("_URL") else "k-1"
            assert tuple(providers_of({variable: value})) == (*STANDING, name)
            assert tuple(providers_of({variable: "your_key_here"} if value == "k-1" else {})) == (
                STANDING
            )


def test_apps_own_variables_set_up_nothing_unless_the_provider_is_named() -> None:
    apps = {
        "OPENAI_API_KEY": "k-1",
        "OPENAI_BASE_URL": "http://127.0.0.1:8000/v1",
        "HF_TOKEN": "k-2",
        "GITHUB_TOKEN": "k-3",
    }
    named: Any = providers_of(apps | {"POINTSMAN_PROVIDERS": "openai,huggingface,github"})

    assert tuple(providers_of(apps)) == STANDING
    assert named["openai"].base_url == "https://api.openai.com/v1"
    keys = [named[n].api_key.get_secret_value() for n in ("openai", "huggingface", "github")]
    assert keys == ["k-1", "k-2", "k-3"]


def test_a_preset_can_be_had_twice_under_another_name() -> None:
    found: Any = providers_of(
        {"POINTSMAN_PROVIDERS": "work", "WORK_KIND": "OpenRouter", "WORK_API_KEY": "k"}
    )

    assert (found["work"].kind, found["work"].base_url) == (
        *("openai", "https://openrouter.ai/api/v1"),
    )


def test_two_with_one_key_are_told_of() -> None:
    found = providers_of(DESK_AND_WORK | {"GROQ_API_KEY": "k-work"})

    [line] = same_keys(found)
    assert line.startswith("WORK_API_KEY is the key of 'groq', too")
    assert list(same_keys(providers_of(DESK_AND_WORK))) == []


def test_one_that_is_this_server_is_told_by_its_own_setting() -> None:
    found = providers_of(
        {
            "POINTSMAN_PROVIDERS": "my-own",
            "MY_OWN_KIND": "vllm",
            "MY_OWN_BASE_URL": "http://[::1]:8",
        }
    )

    with pytest.raises(SettingsError, match=r"^MY_OWN_BASE_URL=.* leads to this"):
        apart(Settings(providers=found), "127.0.0.1", 8)
