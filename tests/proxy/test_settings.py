"""Every setting by its name, from the environment and from `.env`, and what a bad one says."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from adapters import STANDING
from adapters.base import PLACEHOLDER_KEYS
from proxy import settings as module
from proxy.providers import in_the_clear
from proxy.settings import (
    Settings,
    SettingsError,
    load_settings,
    strange_settings,
)

PREFIXES = ("POINTSMAN_", "LLM_", *(f"{name.upper()}_" for name in STANDING))


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith(PREFIXES) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(params=["environment", "file"])
def load(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Settings]:
    """Load settings that stand in the environment, or in a file."""

    def from_environment(**values: str) -> Settings:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        return load_settings(tmp_path / "absent.env")

    def from_file(**values: str) -> Settings:
        lines = [f"{name}={value}" for name, value in values.items()]
        path = tmp_path / ".env"
        path.write_text("# settings\n" + "\n".join(lines) + "\n", encoding="utf-8")
        return load_settings(path)

    return from_environment if request.param == "environment" else from_file


OWN: list[tuple[str, str, str, Any]] = [
    ("LLM_PROVIDER", "Groq", "llm_provider", "groq"),
    ("POINTSMAN_HOST", "0.0.0.0", "host", "0.0.0.0"),
    ("POINTSMAN_PORT", "9001", "port", 9001),
    ("POINTSMAN_WORKERS", "4", "workers", 4),
    ("POINTSMAN_FALLBACK", "groq, Gemini ,", "fallback", ("groq", "gemini")),
    ("POINTSMAN_POOLS", "home:groq+gemini,", "pools", ("home:groq+gemini",)),
    ("POINTSMAN_ALLOWED_HOSTS", "a.example,b.example", "allowed_hosts", ("a.example", "b.example")),
    ("POINTSMAN_ALLOWED_ORIGINS", "http://a.example", "allowed_origins", ("http://a.example",)),
    ("POINTSMAN_DATABASE_URL", "sqlite:///x.db", "database_url", "sqlite:///x.db"),
    ("POINTSMAN_SHARED_URL", "valkey://db", "shared_url", SecretStr("valkey://db")),
    ("POINTSMAN_SHARED_PATIENCE_S", "0.2", "shared_patience_s", 0.2),
    ("POINTSMAN_MAX_WAIT_S", "2.5", "max_wait_s", 2.5),
    ("POINTSMAN_DEADLINE_S", "60", "deadline_s", 60),
    ("POINTSMAN_DRAIN_S", "300", "drain_s", 300),
    ("POINTSMAN_DRAIN_PAUSE_S", "5", "drain_pause_s", 5),
    ("POINTSMAN_KEEPALIVE_S", "0", "keepalive_s", 0),
    ("POINTSMAN_EMBEDDING_MODEL", "gemini/e", "embedding_model", "gemini/e"),
    ("POINTSMAN_COMPACT", "on", "compact", True),
    ("POINTSMAN_STICKY", "off", "sticky", False),
    ("POINTSMAN_CACHE", "memory", "cache", "memory"),
    ("POINTSMAN_CACHE_TTL_S", "60", "cache_ttl_s", 60),
    ("POINTSMAN_CACHE_MB", "8", "cache_mb", 8),
    ("POINTSMAN_STRICT_PARAMS", "true", "strict_params", True),
    ("POINTSMAN_OLLAMA_PASSTHROUGH", "on", "ollama_passthrough", True),
    ("POINTSMAN_FETCH_IMAGES", "off", "fetch_images", "off"),
    ("POINTSMAN_RESPONSES_STORE", "disk", "responses_store", "disk"),
    ("POINTSMAN_RESPONSES_DISK_MB", "64", "responses_disk_mb", 64),
    ("POINTSMAN_LOG_LEVEL", "DEBUG", "log_level", "debug"),
    ("POINTSMAN_LOG_FORMAT", "JSON", "log_format", "json"),
    ("POINTSMAN_OTEL", "on", "otel", True),
    ("OTEL_TRACES_EXPORTER", "none", "otel_traces_exporter", "none"),
    ("OTEL_METRICS_EXPORTER", "none", "otel_metrics_exporter", "none"),
    ("POINTSMAN_RATE_PRESET", "careful", "rate_preset", "careful"),
    ("POINTSMAN_TRANSPORT", "httpx", "transport", "httpx"),
    ("POINTSMAN_ALERT_DAY_QUOTA", "0.8", "alert_day_quota", 0.8),
    ("POINTSMAN_ALERT_ERROR_RATE", "0.2", "alert_error_rate", 0.2),
    ("POINTSMAN_ALERT_COST_USD", "1.5", "alert_cost_usd", 1.5),
]
OF_A_PROVIDER: list[tuple[str, str, str, Any]] = [
    ("MODEL", "some-model", "model", "some-model"),
    ("BASE_URL", "http://127.0.0.1:9", "base_url", "http://127.0.0.1:9"),
    ("TIMEOUT", "7", "timeout", 7),
    ("FIRST_TOKEN_TIMEOUT", "8", "first_token_timeout", 8),
    ("TEMPERATURE", "0.5", "temperature", 0.5),
    ("MAX_TOKENS", "100", "max_tokens", 100),
    ("RATE_LIMIT_ENABLED", "false", "rate_limit_enabled", False),
    ("RATE_LIMIT_REQUESTS_PER_MINUTE", "3", "rate_limit_requests_per_minute", 3),
    ("RATE_LIMIT_TOKENS_PER_MINUTE", "4", "rate_limit_tokens_per_minute", 4),
    ("RATE_LIMIT_REQUESTS_PER_DAY", "5", "rate_limit_requests_per_day", 5),
    ("BILLED", "true", "billed", True),
]


@pytest.mark.parametrize(("name", "value", "field", "expected"), OWN, ids=lambda value: str(value))
def test_each_of_the_proxys_settings_is_read(
    load: Callable[..., Settings], name: str, value: str, field: str, expected: Any
) -> None:
    assert getattr(load(**{name: value}), field) == expected


@pytest.mark.parametrize(("name", "value", "field", "expected"), OF_A_PROVIDER, ids=str)
@pytest.mark.parametrize("provider", STANDING)
def test_each_of_a_providers_settings_is_read(
    load: Callable[..., Settings], provider: str, name: str, value: str, field: str, expected: Any
) -> None:
    found = load(**{f"{provider.upper()}_{name}": value}).providers

    assert getattr(found[provider], field) == expected
    for other in set(STANDING) - {provider}:
        assert found[other] == load_settings().providers[other]


@pytest.mark.parametrize("provider", STANDING)
def test_a_key_is_read_and_never_shown(load: Callable[..., Settings], provider: str) -> None:
    found = load(
        **{
            f"{provider.upper()}_API_KEY": " k-secret-1 ",
            "POINTSMAN_API_KEYS": "k-secret-2,app:k-secret-3",
            "POINTSMAN_ADMIN_TOKEN": "k-secret-4",
        }
    )

    key = found.providers[provider].api_key
    assert key is not None and key.get_secret_value() == "k-secret-1"
    assert sorted(found.secrets()) == [f"k-secret-{i}" for i in range(1, 5)]
    for text in (repr(found), str(found), repr(found.client_keys), found.model_dump_json()):
        assert "k-secret" not in text


EXAMPLES = (
    *("YOUR_API_KEY_HERE", " ", "None", "...", "…", "gsk_...", "AIza...", "sk-…", "gsk_abc..."),
    *("<key>", "<your key>", "xxx", "XXXXXXXX", "sk-xxxx", "gsk_xxxxxxxxxxxx", "***", "TODO"),
    *("your-api-key", "your_groq_api_key_here", "insert your key here", "my-token", "null"),
)


@pytest.mark.parametrize("key", [*sorted(PLACEHOLDER_KEYS), *EXAMPLES])
def test_a_placeholder_key_counts_as_none(load: Callable[..., Settings], key: str) -> None:
    found = load(GROQ_API_KEY=key)

    assert found.providers["groq"].api_key is None
    assert found.secrets() == []


@pytest.mark.parametrize("key", ["k", "sk-1", "xx", "gsk_xx9", "a...b", "yourself", "mykey", "key"])
def test_a_key_that_is_merely_odd_is_a_key(load: Callable[..., Settings], key: str) -> None:
    assert load(GROQ_API_KEY=key).secrets() == [key]


def test_what_only_ollama_has_is_read(load: Callable[..., Settings]) -> None:
    found: Any = load(
        OLLAMA_HOST="192.0.2.1:11434", OLLAMA_KEEP_ALIVE="10m", OLLAMA_NUM_CTX="8192"
    ).providers["ollama"]

    assert (found.host, found.keep_alive, found.num_ctx) == ("192.0.2.1:11434", "10m", 8192)


def test_the_defaults_are_for_a_laptop() -> None:
    found = load_settings()

    assert (found.host, found.port, found.is_loopback) == ("127.0.0.1", 8000, True)
    assert found.llm_provider is None
    assert found.fallback == ()
    assert found.client_keys == {}
    assert (found.fetch_images, found.strict_params) == ("public", False)
    assert (found.max_wait_s, found.deadline_s, found.keepalive_s) == (10, 300, 10)
    assert found.store_url.startswith("sqlite:///")
    assert found.store_url.endswith("pointsman.db")


@pytest.mark.parametrize(
    ("provider", "model", "requests_per_minute"),
    [
        ("groq", "openai/gpt-oss-120b", 30),
        ("gemini", "gemini-flash-latest", 15),
        ("ollama", "llama3.2", None),
    ],
)
def test_the_defaults_of_each_provider(
    provider: str, model: str, requests_per_minute: int | None
) -> None:
    found = load_settings().providers[provider]

    limit = found.rate_limit_requests_per_minute if found.rate_limit_enabled else None
    assert (found.model, limit) == (model, requests_per_minute)
    assert (found.temperature, found.max_tokens, found.api_key) == (None, None, None)


# Which stands over which


def test_the_command_line_stands_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / ".env"
    path.write_text("POINTSMAN_PORT=1\nPOINTSMAN_HOST=h1\nGROQ_MODEL=m1\nGEMINI_MODEL=g1\n")
    monkeypatch.setenv("POINTSMAN_PORT", "2")
    monkeypatch.setenv("GROQ_MODEL", "m2")

    assert load_settings(path).port == 2
    assert load_settings(path).host == "h1"
    assert load_settings(path, port="3", host=None).port == 3
    assert load_settings(path).providers["groq"].model == "m2"
    assert load_settings(path).providers["gemini"].model == "g1"


def test_an_empty_setting_counts_as_none(load: Callable[..., Settings]) -> None:
    found = load(POINTSMAN_PORT="", LLM_PROVIDER="", GROQ_MODEL="", GROQ_TIMEOUT="")

    assert found == load_settings()


def test_settings_of_other_programs_do_no_harm(load: Callable[..., Settings]) -> None:
    found = load(POINTSMAN_UNHEARD_OF="1", GROQ_UNHEARD_OF="2", SOMETHING_ELSE="3")

    assert found == load_settings()


def test_what_looks_like_a_setting_and_is_none_is_found_with_the_name_that_is_meant(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / ".env"
    path.write_text("GROQ_TIMOUT=3\nOLLAMA_FLASH=1\nLLM_PROVIDR=groq\nPOINTSMAN_PORT=1\nMINE=1\n")
    for name in ("POINTSMAN_FALBACK", "POINTSMAN_UNHEARD_OF", "POINTSMAN_HOST", "POINTSMAN_KEY"):
        monkeypatch.setenv(name, "x")
    for name in ("GEMINI_MODELL", "GEMINI_CLI", "OLLAMA_MODELS", "OLLAMA_HOST"):
        monkeypatch.setenv(name, "x")

    assert strange_settings(path) == {
        "GROQ_TIMOUT": "GROQ_TIMEOUT",
        "OLLAMA_FLASH": None,
        "LLM_PROVIDR": "LLM_PROVIDER",
        "POINTSMAN_FALBACK": "POINTSMAN_FALLBACK",
        "POINTSMAN_UNHEARD_OF": None,
        "GEMINI_MODELL": "GEMINI_MODEL",
    }
    assert "GROQ_TIMOUT" not in strange_settings(tmp_path / "absent.env")


# Bad values


def test_every_bad_value_is_told_at_once(load: Callable[..., Settings]) -> None:
    with pytest.raises(SettingsError) as caught:
        load(POINTSMAN_PORT="x", GROQ_TIMEOUT="y", POINTSMAN_LOG_LEVEL="z", OLLAMA_NUM_CTX="0")

    text = str(caught.value)
    assert "POINTSMAN_PORT='x': must be a valid integer;" in text
    assert all(name in text for name in ("GROQ_TIMEOUT", "POINTSMAN_LOG_LEVEL", "OLLAMA_NUM_CTX"))
    assert "\n" not in text


def test_a_bad_option_is_called_by_its_own_name() -> None:
    with pytest.raises(SettingsError, match=r"^--port, POINTSMAN_PORT='99999': must be"):
        load_settings(port="99999")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("LLM_PROVIDER", "bard", "groq"),
        ("POINTSMAN_WORKERS", "0", "1"),
        ("POINTSMAN_FALLBACK", "groq,bard", "gemini"),
        ("POINTSMAN_PORT", "eighty", "integer"),
        ("POINTSMAN_PORT", "65536", "65535"),
        ("POINTSMAN_PORT", "-1", "0"),
        ("POINTSMAN_MAX_WAIT_S", "-1", "0"),
        ("POINTSMAN_DEADLINE_S", "0", "0"),
        ("POINTSMAN_DEADLINE_S", "nan", "0"),
        ("POINTSMAN_STRICT_PARAMS", "perhaps", "bool"),
        ("POINTSMAN_LOG_LEVEL", "loud", "warning"),
        ("POINTSMAN_RATE_PRESET", "fast", "careful"),
        ("POINTSMAN_TRANSPORT", "pigeon", "httpx"),
        ("POINTSMAN_ALERT_DAY_QUOTA", "80", "1"),
        ("POINTSMAN_ALERT_ERROR_RATE", "0", "0"),
        ("POINTSMAN_ALERT_COST_USD", "inf", "finite"),
        ("GROQ_TIMEOUT", "0", "0"),
        ("GROQ_TEMPERATURE", "3", "2"),
        ("GEMINI_MAX_TOKENS", "many", "integer"),
        ("OLLAMA_NUM_CTX", "0", "1"),
        ("OLLAMA_RATE_LIMIT_ENABLED", "perhaps", "bool"),
        ("GEMINI_RATE_LIMIT_REQUESTS_PER_DAY", "0", "1"),
    ],
)
def test_a_bad_value_is_one_line_with_name_value_and_what_is_allowed(
    load: Callable[..., Settings], name: str, value: str, allowed: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**{name: value})

    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{name}=")
    assert value.split(",")[-1] in text
    assert allowed in text


@pytest.mark.parametrize(
    "address",
    ["hooks.example/SECRET", "ftp://a.example/SECRET", "https://", "http://a:99999/SECRET"],
)
def test_a_webhook_must_be_a_web_address_that_is_not_shown(
    load: Callable[..., Settings], address: str
) -> None:
    with pytest.raises(SettingsError, match=r"WEBHOOK=.hidden.: must be an http") as caught:
        load(POINTSMAN_ALERT_WEBHOOK=address)

    assert "SECRET" not in str(caught.value)


def test_an_address_is_shown_without_user_and_password(load: Callable[..., Settings]) -> None:
    for address in ("http://me:pa55word@host:1/?x=1", "me:pa55word@host:1/?x=1"):
        with pytest.raises(SettingsError) as caught:
            load(OLLAMA_HOST=address)

        assert "***@host:1/?x=1" in str(caught.value)
        assert "pa55word" not in str(caught.value)


def test_a_key_that_goes_out_unencrypted_is_warned_of(load: Callable[..., Settings]) -> None:
    def warned(address: str) -> list[str]:
        settings = load(GROQ_API_KEY="gsk-one", GROQ_BASE_URL=address)
        return list(in_the_clear(settings.providers.values()))

    assert warned("http://api.example") == ["GROQ_BASE_URL"]
    assert warned("http://192.168.0.7:8080") == ["GROQ_BASE_URL"]
    for address in (
        "https://api.example",
        "http://localhost:1",
        "http://127.0.0.2",
        "http://[::1]",
        "http://[::",
    ):
        assert warned(address) == []


def test_a_webhook_is_a_secret(load: Callable[..., Settings]) -> None:
    address = "https://hooks.example/services/of-nobody-else"

    assert address in load(POINTSMAN_ALERT_WEBHOOK=address).secrets()


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "binary.env"
    path.write_bytes(b"POINTSMAN_PORT=\xff\xfe\x00")

    with pytest.raises(SettingsError) as caught:
        load_settings(path)

    assert "binary.env" in str(caught.value) and "\n" not in str(caught.value)


def test_the_store_is_a_file_of_the_user_unless_set(load: Callable[..., Settings]) -> None:
    assert load().store_url.endswith("pointsman.db")
    assert load(POINTSMAN_DATABASE_URL="sqlite:///own.db").store_url == "sqlite:///own.db"


def test_every_setting_has_a_row_here() -> None:
    """Those that hold keys have tests of their own."""
    own = {name.removeprefix("POINTSMAN_").lower() for name, *_ in OWN} | {
        "api_keys",
        "admin_token",
        "alert_webhook",
        "think_tags",
        "embedding_model",
        "providers",
    }
    assert set(module.Settings.model_fields) == own


def test_without_a_home_a_database_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(_name: str) -> None:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("platformdirs.user_data_path", nowhere)
    monkeypatch.delenv("POINTSMAN_DATABASE_URL", raising=False)
    with pytest.raises(SettingsError, match="set HOME"):
        load_settings()
    monkeypatch.setenv("POINTSMAN_DATABASE_URL", "sqlite:////x/y.db")
    assert load_settings().store_url == "sqlite:////x/y.db"
