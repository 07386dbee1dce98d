"""What is set for Bedrock: where it is, and who asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, SecretStr, field_validator

from adapters.configured import Preset, ProviderSettings, is_placeholder

KIND = "bedrock"
TOKEN = "AWS_BEARER_TOKEN_BEDROCK"  # noqa: S105 - a variable's name
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_KEYS: Mapping[str, str] = {
    "access_key_id": "AWS_ACCESS_KEY_ID",
    "secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "session_token": "AWS_SESSION_TOKEN",
}
_OWN = frozenset({"api_key", "aws_profile", "access_key_id", "secret_access_key"})
"""Any of these says who asks, so that no variable of AWS's own does."""

_DOMAINS: Mapping[str, str] = {
    "cn-": "amazonaws.com.cn",
    "eu-isoe-": "cloud.adc-e.uk",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
}
"""By what the names of a partition's regions begin with."""


class BedrockSettings(ProviderSettings):
    """Without a key here or in AWS's own variables, botocore looks for one where it always does.

    `api_key` is one of Bedrock's API keys, `control_url` where models are listed if not by AWS.
    """

    kind: ClassVar[str] = KIND
    lenders: ClassVar[frozenset[str]] = frozenset({TOKEN, *_REGIONS, *_KEYS.values()})

    model: str = Field(default="amazon.nova-lite-v1:0", max_length=128)
    region: str = Field(default="", pattern=r"^[a-z0-9-]{0,32}$")
    aws_profile: str = ""
    access_key_id: str = ""
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    control_url: str | None = None
    billed: bool = True

    @classmethod
    def presets(cls) -> Mapping[str, Preset]:
        return {KIND: Preset(KIND, ("BEDROCK_API_KEY",))}

    @classmethod
    def borrowed(cls, environment: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
        found = {}
        if region := next((environment[one] for one in _REGIONS if one in environment), ""):
            found["region"] = region
        if _OWN & given.keys():
            return found
        if TOKEN in environment:
            found["api_key"] = environment[TOKEN]
        elif _KEYS["secret_access_key"] in environment and _KEYS["access_key_id"] in environment:
            found |= {one: environment[of] for one, of in _KEYS.items() if of in environment}
        return found

    @field_validator("secret_access_key", "session_token")
    @classmethod
    def _placeholder_is_none(cls, key: SecretStr | None) -> SecretStr | None:
        return None if key is None or is_placeholder(key.get_secret_value()) else key

    @field_validator("base_url", "control_url")
    @classmethod
    def _without_end(cls, url: str | None) -> str | None:
        return url.strip().rstrip("/") if url else None

    @property
    def is_named(self) -> bool:
        return True

    @property
    def gen_ai_name(self) -> str:
        return "aws.bedrock"

    @property
    def price_list(self) -> str:
        return "aws"

    @property
    def address(self) -> str | None:
        return self.base_url or (endpoint("bedrock-runtime", self.region) if self.region else None)

    def titled(self, title: str) -> str:
        return title if self.name in ("", KIND) else super().titled(title)


def endpoint(service: str, region: str) -> str:
    """The address of a service (`bedrock-runtime`, or `bedrock` which lists models)."""
    domains = (domain for begin, domain in _DOMAINS.items() if region.startswith(begin))
    return f"https://{service}.{region}.{next(domains, 'amazonaws.com')}"


def control_of(runtime: str) -> str:
    """The address that lists models beside one that answers; a gateway has both at one place."""
    return runtime.replace("//bedrock-runtime", "//bedrock", 1)
