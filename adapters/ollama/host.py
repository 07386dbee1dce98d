"""`OLLAMA_HOST` -> the URL of the server, read as Ollama's own client reads it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

import httpx

DEFAULT_PORT = 11434
CLOUD_MODELS = ("-cloud", ":cloud")
"""How the names of models end that a server on this machine only passes on to ollama.com."""
PORT_OF_SCHEME: Mapping[str, int] = {"http": 80, "https": 443}
# What a server listens on at every address is no address to connect to.
CONNECTABLE: Mapping[str, str] = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def base_url(value: str | None) -> str:
    """The base URL, without a slash at its end. Raises ValueError for what no URL can be made of.

    Takes a host, `:port`, `host:port`, an IPv6 address with or without brackets, a scheme before
    and a path behind it, quotes and spaces around. With a scheme and no port it is the scheme's
    port; a port that is none falls back to the default. Source: Ollama's envconfig/config.go, Host.
    """
    text = (value or "").strip().strip("\"'").strip()
    if text == "ollama.com":
        return "https://ollama.com:443"
    scheme, mark, rest = text.partition("://")
    if not mark:
        scheme, rest = "http", text
    default = PORT_OF_SCHEME.get(scheme, DEFAULT_PORT) if mark else DEFAULT_PORT
    address, _, path = rest.partition("/")
    host, port = _host_and_port(address, default)
    host = CONNECTABLE.get(host, host)
    if ":" in host:
        host = f"[{host}]"
    return _checked(_root(f"{scheme}://{host}:{port}/{path}"))


def _root(url: str) -> str:
    """Without what many write behind it, which OpenAI's clients want or Ollama's adds itself."""
    return re.sub(r"(/api)?(/v1(/chat/completions)?|/api/chat)?/*$", "", url, count=1)


def _host_and_port(address: str, default: int) -> tuple[str, int]:
    if address.startswith("["):
        host, _, port = address[1:].partition("]")
        port = port.removeprefix(":")
    elif address.count(":") == 1:
        host, _, port = address.partition(":")
    else:
        host, port = address, ""
    is_port = port.isascii() and port.isdecimal() and len(port) < 6 and int(port) < 65536
    return host, int(port) if is_port else default


def _checked(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    is_server = parsed.scheme in PORT_OF_SCHEME and bool(parsed.host) and " " not in url
    if not is_server or parsed.userinfo or parsed.query or parsed.fragment:
        raise ValueError("it must be a host, host:port, or a URL with http or https")
    return url
