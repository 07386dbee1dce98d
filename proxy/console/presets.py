"""The rate preset that the user has chosen, and the limits that come of it."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.base import Adapter, ProviderSettings
from proxy.clocks import Clocks
from proxy.limits.health import Health
from proxy.limits.ticket import Seats
from proxy.limits.windows import Limits
from proxy.providers import pooled
from proxy.routing.planning.keys import Keys
from proxy.settings import Settings
from proxy.store.kept.preferences import DEFAULT, Preferences


class Presets:
    """Which preset holds, and what each provider is asked at most while it does."""

    def __init__(
        self, settings: Settings, adapters: Mapping[str, Adapter], preferences: Preferences
    ) -> None:
        self._default: str = settings.rate_preset
        self._adapters = adapters
        self._preferences = preferences

    @property
    def current(self) -> str:
        """The stored preset, or the setting."""
        return self._preferences.row(DEFAULT).rate_preset or self._default

    def limits(self) -> Mapping[str, Limits]:
        preset = self.current
        return {
            name: limits_of(adapter.settings, preset) for name, adapter in self._adapters.items()
        }

    async def keep(self, health: Health) -> None:
        """Hold `health` to the limits of the preset that was chosen last, from the next on."""
        held = self._default
        with self._preferences.watch() as changed:
            while True:
                if self.current != held:
                    held = self.current
                    health.keep_to(self.limits())
                await changed.wait()
                changed.clear()


def health_of(settings: Settings, presets: Presets, keys: Keys, clocks: Clocks) -> Health:
    """The memory of what the providers told, held to the current preset."""
    in_pools = {name for pool in pooled(settings.pools).values() for name in pool}
    most = {name: one.max_concurrent for name, one in settings.providers.items()}
    return Health(
        presets.limits(),
        clock=clocks.clock,
        wall=clocks.wall,
        sharing=keys.sharing,
        keys={name: len(adapters) for name, adapters in keys.by_key.items()},
        seats={name: Seats(limit) for name, limit in most.items() if limit or name in in_pools},
    )


def limits_of(settings: ProviderSettings, preset: str) -> Limits:
    """The limits that the proxy keeps to by itself, before a provider has to say no."""
    if preset == "off" or not settings.rate_limit_enabled:
        return Limits()
    a_minute = settings.rate_limit_requests_per_minute
    if preset == "careful":
        a_minute = settings.careful_requests_per_minute or a_minute
    return Limits(
        requests_per_minute=a_minute,
        tokens_per_minute=settings.rate_limit_tokens_per_minute,
        requests_per_day=settings.rate_limit_requests_per_day,
    )
