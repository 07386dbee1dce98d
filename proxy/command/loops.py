"""A provider that is this server itself: a request to it would never end."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

import click

from proxy.settings import Settings, SettingsError


def apart(settings: Settings, host: str, port: int) -> Settings:
    """The settings for a server at this address, none of whose providers is that server.

    Clients and we may read the same variable for a provider's place, and its clients are pointed
    at us by it. Raises SettingsError where our own setting leads here.
    """
    providers = dict(settings.providers)
    for name, one in settings.providers.items():
        if not _leads_to(one.address, host, port):
            continue
        setting = one.variable("base_url")
        home = one.at_home()
        if one.base_url:
            raise SettingsError(f"{setting}={one.base_url!r} leads to this server itself")
        if home is not None and not _leads_to(home.address, host, port):
            providers[name] = home
            told = f"{name} is looked for at {home.address}"
        else:
            told = f"{name} cannot be reached"
        click.echo(
            f"pointsman: {one.address} is this server itself, so {told}."
            f" {setting} names where {name} is.",
            err=True,
        )
    return settings.model_copy(update={"providers": providers})


def _leads_to(url: str | None, host: str, port: int) -> bool:
    try:
        parts = urlsplit(url or "")
        if parts.scheme != "http" or (parts.port or 80) != port:
            return False
        found = socket.getaddrinfo(parts.hostname, port, proto=socket.IPPROTO_TCP)
    except (OSError, ValueError):
        return False
    addresses = {str(one[4][0]) for one in found}
    own = ipaddress.ip_address(host)
    return host in addresses or (
        (own.is_loopback or own.is_unspecified)
        and any(ipaddress.ip_address(one.partition("%")[0]).is_loopback for one in addresses)
    )
