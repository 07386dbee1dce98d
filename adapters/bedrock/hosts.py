"""Where Bedrock is in each region. Pure."""

from __future__ import annotations

from collections.abc import Mapping

_DOMAINS: Mapping[str, str] = {
    "cn-": "amazonaws.com.cn",
    "eu-isoe-": "cloud.adc-e.uk",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
}
"""By what the names of a partition's regions begin with."""


def endpoint(service: str, region: str) -> str:
    """The address of a service (`bedrock-runtime`, or `bedrock` which lists models)."""
    domains = (domain for begin, domain in _DOMAINS.items() if region.startswith(begin))
    return f"https://{service}.{region}.{next(domains, 'amazonaws.com')}"


def control_of(runtime: str) -> str:
    """The address that lists models beside one that answers; a gateway has both at one place."""
    return runtime.replace("//bedrock-runtime", "//bedrock", 1)
