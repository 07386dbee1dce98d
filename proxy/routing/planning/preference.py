"""What the user has chosen, and what holds while nothing is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set as AbstractSet
from dataclasses import dataclass, field

from adapters.base import Adapter
from proxy.routing.planning.narrow import Allowed


@dataclass(frozen=True, slots=True)
class Preference:
    """What the user has chosen. `chosen` is False while nobody has: then only defaults stand.

    `models` holds the model to use at a provider where it is not the setting's; `aliases` maps a
    name that clients send to the model it means at each provider; a `*` in it stands for any text.
    What is `local_only` never leaves the user's own machines. A `split` tells which share of all
    talks each of several providers has; `provider` is one of them then. Where it is told what is
    `allowed`, nothing else is asked.
    """

    provider: str
    chosen: bool = False
    fallback: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    local_only: bool = False
    split: Mapping[str, int] = field(default_factory=dict)
    allowed: Allowed | None = None


def unasked(adapters: Mapping[str, Adapter]) -> list[str]:
    """Those that take part in rotation while nobody has named any for it."""
    return [
        name
        for name, adapter in adapters.items()
        if not adapter.last_resort and adapter.settings.joins_unasked
    ]


def built_in_models(adapters: Mapping[str, Adapter]) -> Mapping[str, str]:
    """The model of each provider while nobody has set one."""
    return {name: adapter.settings.default_model for name, adapter in adapters.items()}


def last_resort_of(
    adapters: Mapping[str, Adapter], answered: AbstractSet[str]
) -> Callable[[Preference], str | None]:
    """The provider that stands in while nothing is set up: no key, no answer yet, no choice but
    of one that is not set up either.
    """
    others = {name for name, adapter in adapters.items() if not adapter.last_resort}
    is_set_up = any(adapters[n].settings.api_key or adapters[n].settings.is_named for n in others)

    def stand_in(preference: Preference) -> str | None:
        if is_set_up or answered & others:
            return None
        if preference.chosen and not adapters[preference.provider].unconfigured:
            return None
        ready = (
            name for name in adapters if name not in others and not adapters[name].unconfigured
        )
        return next(ready, None)

    return stand_in
