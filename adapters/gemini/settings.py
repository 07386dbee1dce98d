"""What a user can set for Gemini."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from adapters.configured import ProviderSettings
from adapters.gemini.errors import NAME


class GeminiSettings(ProviderSettings):
    """`api_version` is v1beta because v1 does not take all that is used here.

    Tools, system instruction, thinking and JSON Schema came to v1beta first, and every recorded
    exchange with them is of that version. `base_url` None is the SDK's own.
    """

    kind: ClassVar[str] = NAME
    careful_requests_per_minute: ClassVar[int | None] = 1
    public_url: ClassVar[str | None] = "https://generativelanguage.googleapis.com"

    model: str = Field(default="gemini-flash-latest", max_length=128)
    rate_limit_requests_per_minute: int | None = Field(default=15, ge=1)
    api_version: str = Field(default="v1beta", pattern=r"^v\d+(alpha|beta)?\d*$")

    @property
    def gen_ai_name(self) -> str:
        return "gcp.gemini"
