"""Every setting, read from the environment and `.env`; the only place that reads either.

What can be set for a provider is declared by its kind (`Adapter.Settings`); `providers.py` finds it
among the variables that are read here.
"""

from __future__ import annotations

import difflib
import os
import ssl
import urllib.request
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from adapters import REGISTRY, STANDING
from adapters.base import ProviderSettings, is_placeholder, variable
from proxy.providers import (
    BadProvidersError,
    NoProviderError,
    each_of,
    is_shared,
    known_variables,
    members_of,
    one_of,
    placeholders,
    pooled,
    providers_of,
    told,
)
from proxy.urls import LOOPBACK_HOSTS, is_of_valkey, is_web_address, password_of, url_of

CommaList = Annotated[tuple[str, ...], NoDecode]

NEAR = 0.85
OTHERS = frozenset({"POINTSMAN_KEY"})
"""What the banner's curl reads."""


class SettingsError(Exception):
    """A setting that cannot be used; its text is one line: the name, the value, what may be."""


class Settings(BaseSettings):
    """The proxy's own settings; `providers` holds those of each provider by its id."""

    model_config = SettingsConfigDict(
        env_prefix="POINTSMAN_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    providers: Annotated[dict[str, ProviderSettings], NoDecode] = Field(default_factory=dict)
    llm_provider: str | None = Field(default=None, validation_alias="LLM_PROVIDER")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=256)
    fallback: CommaList = ()
    pools: CommaList = ()
    api_keys: SecretStr = SecretStr("")
    admin_token: SecretStr = SecretStr("")
    allowed_hosts: CommaList = ()
    allowed_origins: CommaList = ()
    database_url: str | None = None
    shared_url: SecretStr = SecretStr("")
    shared_patience_s: float = Field(default=0.05, gt=0, le=60)
    max_wait_s: float = Field(default=10, ge=0, le=3600)
    deadline_s: float = Field(default=300, gt=0, le=86400)
    drain_s: float = Field(default=60, ge=0, le=86400)
    drain_pause_s: float = Field(default=0, ge=0, le=3600)
    keepalive_s: float = Field(default=10, ge=0, le=3600)
    sticky: bool = True
    compact: bool = False
    cache: Literal["off", "memory", "disk"] = "off"
    cache_ttl_s: float = Field(default=3600, gt=0, le=30 * 86400)
    cache_mb: int = Field(default=64, ge=1, le=65536)
    strict_params: bool = False
    fetch_images: str = "public"
    embedding_model: str = Field(default="", max_length=256)
    ollama_passthrough: bool = False
    responses_store: Literal["memory", "disk", "off"] = "memory"
    responses_disk_mb: int = Field(default=1024, ge=1, le=1_048_576)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"
    otel: bool = False
    otel_traces_exporter: str = Field(default="otlp", validation_alias="OTEL_TRACES_EXPORTER")
    otel_metrics_exporter: str = Field(default="otlp", validation_alias="OTEL_METRICS_EXPORTER")
    rate_preset: Literal["provider", "careful", "off"] = "provider"
    transport: Literal["auto", "native", "httpx"] = "auto"
    think_tags: Literal["keep", "split"] = "keep"
    alert_day_quota: float | None = Field(default=None, gt=0, le=1)
    alert_error_rate: float | None = Field(default=None, gt=0, le=1)
    alert_cost_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    alert_webhook: SecretStr | None = None

    @model_validator(mode="before")
    @classmethod
    def _side_by_side(cls, given: dict[str, Any]) -> dict[str, Any]:
        """What the fallback order joins by a + are two in it, and a pool by that very name."""
        told, pools = given.get("fallback"), given.get("pools") or ""
        if not isinstance(told, str) or "+" not in told or not isinstance(pools, str):
            return given
        joined = ("+".join(members_of(one)) for one in _comma_list(told) if "+" in one)
        pools = ",".join([pools, *(f"{name}:{name}" for name in joined)])
        return {**given, "fallback": told.replace("+", ","), "pools": pools}

    @field_validator("providers", mode="before")
    @classmethod
    def _are_not_their_names(cls, value: Any) -> Any:
        """What the variable of this name holds are the names of those that are handed in."""
        return {} if isinstance(value, str) else value

    @field_validator("llm_provider")
    @classmethod
    def _is_a_provider(cls, provider: str | None, info: ValidationInfo) -> str | None:
        return None if provider is None else one_of(provider, _there(info))

    @field_validator("fallback", "pools", "allowed_hosts", "allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(_comma_list(value)) if isinstance(value, str) else value

    @field_validator("api_keys")
    @classmethod
    def _have_names_of_their_own(cls, keys: SecretStr) -> SecretStr:
        names = [name for name, _ in _named_keys(keys.get_secret_value())]
        if len(set(names)) < len(names):
            raise ValueError("two keys have the same name")
        return keys

    @field_validator("admin_token")
    @classmethod
    def _is_no_placeholder(cls, token: SecretStr) -> SecretStr:
        told = token.get_secret_value().strip()
        return SecretStr("" if is_placeholder(told) else told)

    @field_validator("shared_url")
    @classmethod
    def _is_of_valkey(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value() and not is_of_valkey(url.get_secret_value()):
            raise ValueError("has to begin with valkey://, valkeys:// or unix://")
        return url

    @field_validator("embedding_model")
    @classmethod
    def _names_a_provider(cls, name: str, info: ValidationInfo) -> str:
        provider, slash, model = name.strip().partition("/")
        if not name.strip():
            return ""
        provider = one_of(provider, _there(info))
        there = info.data.get("providers") or {}
        kind = there[provider].kind if provider in there else provider
        if not hasattr(REGISTRY.get(kind), "embed"):
            raise ValueError(f"{provider} makes no embeddings")
        return provider + slash + model

    @field_validator("fallback", "pools")
    @classmethod
    def _are_of_providers(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if info.field_name == "fallback":
            return each_of(names, _there(info))
        pools = pooled(names)
        each_of(chain.from_iterable(pools.values()), _there(info))
        for name in pools.keys() & (info.data.get("providers") or {}).keys():
            raise ValueError(f"{name!r} is a provider, and can be no pool")
        return names

    @field_validator(
        "log_level", "log_format", "rate_preset", "transport", "think_tags", mode="before"
    )
    @classmethod
    def _in_lower_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _names_a_file_plainly(cls, url: str | None) -> str | None:
        if url is not None and ":///file:" in url:
            raise ValueError("name the file itself: sqlite:////folder/name.db")
        return url

    @field_validator("alert_webhook")
    @classmethod
    def _is_a_web_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not is_web_address(url.get_secret_value()):
            raise ValueError("must be an http:// or https:// address")
        return url

    @property
    def sends_traces(self) -> bool:
        """Whether spans leave by OTLP, the one way that is built in."""
        return "otlp" in _comma_list(self.otel_traces_exporter)

    @property
    def sends_metrics(self) -> bool:
        return "otlp" in _comma_list(self.otel_metrics_exporter)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK_HOSTS

    @property
    def is_published(self) -> bool:
        """Whether others may reach it: at its address, or at a name that leads to it from there."""
        return bool(self.allowed_hosts) or not self.is_loopback

    @property
    def is_guarded(self) -> bool:
        """Whether the owner has to show a token: being on this machine is not enough."""
        return self.is_published or bool(self.client_keys)

    @property
    def asks_for_token(self) -> bool:
        """Whether the admin page asks for a token, set or made up."""
        return self.is_guarded or bool(self.admin_token.get_secret_value())

    @property
    def client_keys(self) -> Mapping[str, SecretStr]:
        """The keys that clients must show one of, by app name; empty when none are needed."""
        return {name: SecretStr(key) for name, key in _named_keys(self.api_keys.get_secret_value())}

    @property
    def store_url(self) -> str:
        """Where preferences are kept: a file in the user's data folder unless set otherwise."""
        if self.database_url:
            return self.database_url
        path = str(own_folder() / "pointsman.db")
        return f"sqlite:///{path.replace('%', '%25').replace('?', '%3F')}"

    def url(self, port: int | None = None) -> str:
        """Where this machine reaches the server; `port` is given where the system has chosen it."""
        return url_of(self.host, port or self.port)

    def secrets(self) -> list[str]:
        """Every configured secret in the clear, for the filter that masks them in logs."""
        own = [secret for settings in self.providers.values() for secret in settings.secrets()]
        keys = [self.admin_token, self.alert_webhook, *self.client_keys.values()]
        urls = [settings.base_url for settings in self.providers.values()]
        urls += [self.database_url, self.shared_url.get_secret_value()]
        urls += proxies_of_environment().values()
        passwords = [password_of(url) for url in urls]
        shown = [key.get_secret_value() for key in keys if key]
        return [secret for secret in (*own, *shown, *passwords) if secret]


def own_folder() -> Path:
    """The user's folder for this program alone. Raises SettingsError where there is no home."""
    try:
        return platformdirs.user_data_path("pointsman")
    except RuntimeError:
        raise SettingsError(
            "there is no home folder: set HOME or XDG_DATA_HOME to a folder of yours,"
            " or POINTSMAN_DATABASE_URL to where the choices are kept"
        ) from None


def _comma_list(value: str) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip()]


def _named_keys(entries: str) -> list[tuple[str, str]]:
    """Each key with the name before its colon, else one by its place; a placeholder is no key."""
    found = []
    for place, entry in enumerate(_comma_list(entries), 1):
        name, colon, key = (part.strip() for part in entry.partition(":"))
        if not colon:
            name, key = "", entry
        if not is_placeholder(key):
            found.append((name or f"key-{place}", key))
    return found


def _there(info: ValidationInfo) -> Sequence[str]:
    """The names of the providers that there are."""
    return tuple(info.data.get("providers") or STANDING)


def load_settings(env_file: Path | None = None, **given: Any) -> Settings:
    """The settings of this process; `given` (from the command line) stands over the environment.

    The environment stands over `env_file`. Raises SettingsError.
    """
    given = {name: one for name, one in given.items() if one is not None} | {"_env_file": env_file}
    proxies_of_environment()
    _check_certificates()
    providers: Mapping[str, ProviderSettings] = {}
    wrong: Sequence[str] = ()
    try:
        try:
            providers = providers_of(_environment(env_file))
        except BadProvidersError as error:
            wrong = error.lines
        settings = Settings(providers=dict(providers), **given)
    except UnicodeDecodeError:
        raise SettingsError(f"{env_file} is not a text file in UTF-8") from None
    except ValidationError as error:
        but = NoProviderError if wrong else ()  # which names there are is not known then
        lines = told(error, "POINTSMAN_", tuple(given), but)
        raise SettingsError("; ".join([*lines, *wrong])) from None
    if wrong:
        raise SettingsError("; ".join(wrong))
    if not settings.database_url:
        own_folder()
    return settings


def _environment(env_file: Path | None) -> Mapping[str, str]:
    """Every variable that is not empty, by its name in capitals; the environment goes before."""
    there = dotenv_values(env_file) if env_file else {}
    both = (*there.items(), *os.environ.items())
    return {name.upper(): value for name, value in both if value}


def forget_secrets(settings: Settings) -> None:
    """Take them out of the environment, which child processes get; they are in `settings` now.

    But for a proxy's password: its address is looked up in the environment all the time.
    """
    secrets = settings.secrets()
    known = _names("POINTSMAN_", Settings).union(*known_variables(os.environ).values())
    for name in [name for name in os.environ if name.upper() in known]:
        if any(secret in os.environ[name] for secret in secrets):
            del os.environ[name]


def strange_settings(env_file: Path | None = None) -> Mapping[str, str | None]:
    """What looks like a setting and is none, with the name that may be meant.

    By a provider's name other programs read the environment, too: there it must be a near miss.
    """
    providers = known_variables(_environment(env_file))
    known = _names("POINTSMAN_", Settings).union(*providers.values())
    clouds = tuple(variable(name, "") for name in providers if not is_shared(name))
    prefixes = ("POINTSMAN_", "LLM_", *(variable(name, "") for name in providers))
    there = {name.upper() for name in dotenv_values(env_file)} if env_file else set()
    strange = {*map(str.upper, os.environ), *there} - known - OTHERS
    found = {}
    for name in sorted(name for name in strange if name.startswith(prefixes)):
        near = next(iter(difflib.get_close_matches(name, known, 1, NEAR)), None)
        is_ours = name.startswith("POINTSMAN_") or name in there
        if is_ours or (near and name.startswith(clouds)):
            found[name] = near
    return found


def _names(prefix: str, declared: type[BaseModel]) -> set[str]:
    """What the settings of a class are called in the environment."""
    fields = declared.model_fields.items()
    return {str(one.validation_alias or (prefix + name).upper()) for name, one in fields}


def placeholder_keys(env_file: Path | None = None) -> Mapping[str, str]:
    """The keys that are still an example's placeholder, by provider; they count as none."""
    return placeholders(_environment(env_file))


def proxies_of_environment() -> Mapping[str, str]:
    """The proxy's URL for each scheme, `http` and `https`, for which the environment sets one.

    Raises SettingsError for one that we cannot speak to, such as SOCKS.
    """
    told = urllib.request.getproxies()
    found = {}
    for scheme in ("http", "https"):
        url = told.get(scheme) or told.get("all")
        if url:
            found[scheme] = url if "://" in url else f"http://{url}"
            if not is_web_address(found[scheme]):
                name = scheme if told.get(scheme) else "all"
                raise SettingsError(f"{name.upper()}_PROXY: must be an http:// or https:// address")
    return found


def _check_certificates() -> None:
    """Raises SettingsError where what is to be trusted instead of the usual cannot be read."""
    if path := os.environ.get("SSL_CERT_FILE"):
        try:
            ssl.create_default_context(cafile=path)
        except OSError:  # ssl.SSLError is one
            raise SettingsError(f"SSL_CERT_FILE: {path} is no file of certificates") from None


def bypasses_proxy(host: str) -> bool:
    """Whether `host` is to be reached directly: this machine, or what NO_PROXY names."""
    return host in LOOPBACK_HOSTS or bool(urllib.request.proxy_bypass(host))
