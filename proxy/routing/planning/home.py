"""Who keeps a request on the user's own machines. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from adapters.base import Adapter
from proxy.candidate import Candidate
from proxy.errors import ApiError
from proxy.routing.planning.narrow import narrowed
from proxy.routing.planning.preference import Preference

OWN_ENDINGS = (".localhost", ".local", ".lan", ".internal", ".home.arpa")
"""Names that no public name server knows; nor does one know a name without any dot."""

STAYS = "These requests stay on this machine and its networks, by the owner's choice"


def is_at_home(adapter: Adapter, model: str) -> bool:
    """Whether what `model` is asked is answered in this machine or its own networks."""
    if not adapter.local or adapter.capabilities(model).hands_on:
        return False
    url = adapter.settings.base_url
    return url is None or _is_own(urlsplit(url).hostname or "")


def permitted_to(
    preference: Preference, adapters: Mapping[str, Adapter]
) -> Callable[[str, str], bool]:
    """Whether a provider's model may be asked by whom the preference is of."""

    def permits(provider: str, model: str) -> bool:
        if preference.local_only and not is_at_home(adapters[provider], model):
            return False
        return preference.allowed is None or preference.allowed.permits(provider, model)

    return permits


def _is_own(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.lower().endswith(OWN_ENDINGS)
    return address.is_loopback or address.is_private or address.is_link_local


def at_home(
    candidates: Sequence[Candidate], adapters: Mapping[str, Adapter], *, pinned: bool
) -> tuple[Candidate, ...]:
    """Those of the candidates that may be asked. Raises ApiError 503, or 403 where it is pinned."""

    def refusal(names: str) -> ApiError:
        return ApiError(
            403 if pinned else 503,
            f"{STAYS}: {names} {'is' if len(candidates) == 1 else 'are'} elsewhere"
            + ("." if pinned else ", and no other provider is set up that is at home."),
            type_="permission_error" if pinned else "service_unavailable_error",
            code="local_only",
            should_retry=False,
        )

    return narrowed(candidates, lambda one: is_at_home(adapters[one.provider], one.model), refusal)
