"""What a user can set for Ollama."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from pydantic import Field, field_validator

from adapters.configured import ProviderSettings
from adapters.ollama.errors import NAME
from adapters.ollama.host import base_url

KEEP_ALIVE = r"-?(\d+|(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+)"


class OllamaSettings(ProviderSettings):
    """`host` is OLLAMA_HOST as Ollama itself reads it; `base_url` overrides it.

    `keep_alive` is how long a model stays loaded ("5m", seconds, -1 for ever); `num_ctx` fixes the
    context's size, which is else chosen to fit each prompt.
    """

    kind: ClassVar[str] = NAME

    model: str = Field(default="llama3.2", max_length=128)
    timeout: float = Field(default=120, gt=0, le=3600)
    rate_limit_enabled: bool = False
    host: str | None = None
    keep_alive: str | int | None = Field(default=None)
    num_ctx: int | None = Field(default=None, ge=1)

    @field_validator("host", "base_url")
    @classmethod
    def _is_a_server(cls, value: str | None) -> str | None:
        base_url(value)
        return value

    @field_validator("keep_alive")
    @classmethod
    def _is_a_duration(cls, value: str | int | None) -> str | int | None:
        if isinstance(value, str) and not re.fullmatch(KEEP_ALIVE, value.strip()):
            raise ValueError('it must be a duration such as "5m", a number of seconds, or -1')
        seconds: str | int | None = duration(value)
        return seconds

    @property
    def url(self) -> str:
        """Where the server is; no slash at its end."""
        return base_url(self.base_url or self.host)

    @property
    def address(self) -> str:
        return self.url

    def at_home(self) -> ProviderSettings | None:
        """OLLAMA_HOST is for its clients, too: they may have been pointed at us by it."""
        is_told = self.host is not None and self.base_url is None
        return self.model_copy(update={"host": None}) if is_told else None


def duration(value: Any) -> Any:
    """A `keep_alive` as the API reads it: a number of seconds must not come as text."""
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value.strip()):
        return int(value)
    return value
