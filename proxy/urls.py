"""Addresses, read as text: which kind of server one leads to, and what it holds."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
# What a server listens on at every address is no address to connect to.
CONNECTABLE: Mapping[str, str] = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - shown, not bound
OF_VALKEY = ("valkey", "valkeys", "redis", "rediss")
SHARED_SCHEMES = ("unix", *(a + b for a in OF_VALKEY for b in ("", "+cluster", "+sentinel")))


def is_web_address(url: str) -> bool:
    """Whether it begins with http:// or https:// and names a server."""
    try:
        parts = urllib.parse.urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_of_valkey(url: str) -> bool:
    """Whether it is one that Valkey or Redis may have."""
    return url.partition("://")[0] in SHARED_SCHEMES


def password_of(url: str | None) -> str | None:
    """The password in a URL, as it is written there."""
    try:
        return urllib.parse.urlsplit(url or "").password
    except ValueError:
        return None


def url_of(host: str, port: int) -> str:
    """Where this machine reaches a server that listens on `host`."""
    host = CONNECTABLE.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
