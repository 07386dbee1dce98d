"""What is set for a server that speaks as OpenAI does, over what its profile says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from adapters.configured import Preset, ProviderSettings, variable
from adapters.openai.profiles import PRESETS, Profile, profile_of

KIND = "openai"


class OpenAISettings(ProviderSettings):
    """`profile` is the preset's name where the provider bears another one.

    The apps' own OPENAI_BASE_URL leads here, so that the provider of this name never follows it.
    """

    kind: ClassVar[str] = KIND

    profile: str = ""
    hearing_model: str = Field(default="", max_length=128)
    speaking_model: str = Field(default="", max_length=128)
    painting_model: str = Field(default="", max_length=128)

    @classmethod
    def presets(cls) -> Mapping[str, Preset]:
        return {name: _preset(name, profile) for name, profile in PRESETS.items()}

    @model_validator(mode="before")
    @classmethod
    def _over_the_profile(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        given = {name: value for name, value in values.items() if value is not None}
        if given.get("name", KIND) == KIND:
            given.pop("base_url", None)
        name = given.get("profile") or given.get("name") or KIND
        profile = profile_of(name, given.get("base_url"))
        defaults = {"base_url": profile.base_url or None, "model": profile.model}
        return {**defaults, "billed": profile.paid, **given}

    @field_validator("profile")
    @classmethod
    def _is_a_preset(cls, name: str) -> str:
        name = name.strip().lower()
        if name and name not in PRESETS:
            raise ValueError("must be one of " + ", ".join(PRESETS))
        return name

    @field_validator("base_url")
    @classmethod
    def _is_a_server(cls, url: str | None) -> str | None:
        return None if url is None else base_url_of(url)

    @cached_property
    def of(self) -> Profile:
        return profile_of(self.profile or self.name or KIND, self.base_url)

    @property
    def is_named(self) -> bool:
        return True

    @property
    def default_model(self) -> str:
        return self.of.model

    @property
    def gen_ai_name(self) -> str:
        return self.of.gen_ai or self.name or KIND

    @property
    def price_list(self) -> str:
        return self.of.prices or self.profile or self.name or KIND

    def titled(self, title: str) -> str:
        return title if self.name in PRESETS else super().titled(title)


def _preset(name: str, profile: Profile) -> Preset:
    enough = variable(name, "base_url" if profile.local else "api_key")
    return Preset(KIND, (enough,) if profile.alone else (), profile.key)


def base_url_of(text: str) -> str:
    """The address without what many write behind it. Raises ValueError for what none can be."""
    url = text.strip().rstrip("/").removesuffix("/chat/completions").rstrip("/")
    try:
        parts = urlsplit(url)
        is_server = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_server = False
    if not is_server or any(c.isspace() for c in url):
        raise ValueError("must be an http:// or https:// address")
    if parts.username or parts.password or "@" in parts.netloc:
        raise ValueError("must hold no user and no password: those belong into the key")
    if parts.query or "#" in url or "?" in url:
        raise ValueError("must end before any ? or #")
    return url if parts.path else f"{url}/v1"
