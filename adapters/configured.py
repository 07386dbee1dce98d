"""What is set for a provider: the fields that all kinds have, and what they are called outside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

PLACEHOLDER_KEYS = frozenset({"", "your_key_here", "your_api_key_here", "changeme", "none"})
_PLACEHOLDER = re.compile(
    r"<.*>|.*(\.\.\.|…)|([a-z]{1,5}[-_])?(x{3,}|\*{3,})|placeholder|todo|null"
    r"|((your|my|insert|enter|paste)[-_ ])+([a-z]+[-_ ])*(key|token|secret)([-_ ]here)?"
)


_MARKS = r"[\s\ufeff\u200b\"']*"
_AROUND = re.compile(rf"^{_MARKS}(bearer\s+{_MARKS})?|{_MARKS}$", re.IGNORECASE)


def bare(key: str) -> str:
    """A key without what is pasted with it: marks that show nothing, `Bearer`, and the quotes that
    Docker's `--env-file` leaves."""
    return _AROUND.sub("", key)


def is_placeholder(key: str) -> bool:
    """Whether a key is what examples write where a key should be: `your_key_here`, `sk-...`."""
    text = bare(key).lower()
    return text in PLACEHOLDER_KEYS or _PLACEHOLDER.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Preset:
    """A provider that is known by its name: of which kind it is, and what sets it up.

    Any of the variables `sets_up` does so unnamed. `key` is one that other programs read as well:
    it holds only where the user has named the provider.
    """

    kind: str
    sets_up: tuple[str, ...] = ()
    key: str = ""


class ProviderSettings(BaseModel):
    """What a user can set for every provider; `proxy/providers.py` makes it of `<NAME>_<FIELD>`.

    A provider is one of a kind (`REGISTRY`) under a name, empty where it bears its kind's.
    `timeout` is the number of seconds without a byte after which an upstream counts as stalled,
    `first_token_timeout` without content at a stream's start (None: by the model's own times).
    `temperature` and `max_tokens` stand in for requests that give none.
    `billed` tells that the user pays for what is used, which is on a free tier otherwise.
    Several keys, with commas between them, are asked in their order or by turns (`keys`); those of
    one account share its limits (`keys_share_limits`). All but the first are `more_keys`.
    `max_concurrent` is how many calls it may have at work.
    `careful_requests_per_minute` is what the rate preset `careful` keeps to. `public_url` is where
    the provider is without a `base_url`. `lenders` are variables of other programs that are read
    for what has none of its own (`borrowed`).
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    kind: ClassVar[str] = ""
    careful_requests_per_minute: ClassVar[int | None] = None
    public_url: ClassVar[str | None] = None
    lenders: ClassVar[frozenset[str]] = frozenset()

    name: str = ""
    api_key: SecretStr | None = None
    more_keys: tuple[SecretStr, ...] = ()
    keys: Literal["order", "spread"] = "order"
    keys_share_limits: bool = False
    model: str = Field(default="", max_length=128)
    base_url: str | None = None
    timeout: float = Field(default=60, gt=0, le=3600)
    first_token_timeout: float | None = Field(default=None, gt=0, le=3600)
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1)
    rate_limit_enabled: bool = True
    rate_limit_requests_per_minute: int | None = Field(default=None, ge=1)
    rate_limit_tokens_per_minute: int | None = Field(default=None, ge=1)
    rate_limit_requests_per_day: int | None = Field(default=None, ge=1)
    max_concurrent: int | None = Field(default=None, ge=1, le=1024)
    billed: bool = False

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, values: Any) -> Any:
        told = values.get("api_key") if isinstance(values, Mapping) else None
        text = told.get_secret_value() if isinstance(told, SecretStr) else told
        if not isinstance(text, str) or "," not in text:
            return values
        keys = dict.fromkeys(bare(key) for key in text.split(",") if not is_placeholder(key))
        first, *more = map(SecretStr, keys or ("",))
        return {**values, "api_key": first, "more_keys": tuple(more)}

    @field_validator("keys", mode="before")
    @classmethod
    def _in_lower_case(cls, value: Any) -> Any:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("api_key")
    @classmethod
    def _placeholder_is_no_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is None or is_placeholder(key.get_secret_value()):
            return None
        return SecretStr(bare(key.get_secret_value()))

    @classmethod
    def presets(cls) -> Mapping[str, Preset]:
        """The providers of this kind that are known by their names."""
        return {}

    def by_key(self) -> tuple[Self, ...]:
        """The settings for each key by itself, in order; these alone where there are not two."""
        others = ({"api_key": key, "more_keys": ()} for key in self.more_keys)
        return (self, *(self.model_copy(update=other) for other in others))

    @property
    def secret(self) -> str:
        """The key in the clear; "" where there is none."""
        return self.api_key.get_secret_value() if self.api_key else ""

    def all_keys(self) -> tuple[str, ...]:
        """Each key in the clear."""
        keys = (self.api_key, *self.more_keys)
        return tuple(key.get_secret_value() for key in keys if key is not None)

    @classmethod
    def borrowed(cls, environment: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
        """What `lenders` say, by field; what is `given` stands over it."""
        return {}

    def secrets(self) -> list[str]:
        """All secrets, in the clear."""
        values = [getattr(self, name) for name in type(self).model_fields]
        return [
            one.get_secret_value()
            for one in (*values, *self.more_keys)
            if isinstance(one, SecretStr)
        ]

    @property
    def is_named(self) -> bool:
        """Whether the user has made this provider, beside the one that bears its kind's name."""
        return bool(self.kind) and self.name not in ("", self.kind)

    @property
    def default_model(self) -> str:
        """The model while nobody has set one."""
        return str(type(self).model_fields["model"].default)

    @property
    def gen_ai_name(self) -> str:
        """What OpenTelemetry's conventions call the provider."""
        return self.kind or self.name

    @property
    def price_list(self) -> str:
        """Whose prices hold."""
        return self.kind or self.name

    @property
    def joins_unasked(self) -> bool:
        """Whether rotation may come to it unasked: no money is spent that way."""
        return not (self.is_named and self.billed)

    @property
    def address(self) -> str | None:
        return self.base_url or self.public_url

    def at_home(self) -> ProviderSettings | None:
        """The same at its usual address, where a word that is not ours alone has named another."""
        return None

    def variable(self, field: str) -> str:
        """What the setting `field` of this provider is called: GROQ_API_KEY."""
        return variable(self.name or self.kind, field)

    def titled(self, title: str) -> str:
        """The provider's name for people; `title` is its kind's."""
        return f"{self.name} ({title.partition(' (')[0]})" if self.is_named else title


def variable(provider: str, field: str) -> str:
    """What the setting `field` of a provider is called: GROQ_API_KEY."""
    return f"{provider}_{field}".upper().replace("-", "_")
