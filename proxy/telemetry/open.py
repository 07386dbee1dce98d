"""Opens OpenTelemetry, where the settings ask for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from adapters.base import Adapter
from proxy.settings import Settings, SettingsError

if TYPE_CHECKING:
    from proxy.telemetry.otel import Telemetry


def telemetry_of(settings: Settings, adapters: Iterable[Adapter]) -> Telemetry | None:
    """None where it is off. Raises SettingsError where it is not installed."""
    if not settings.otel:
        return None
    try:
        from proxy.telemetry.otel import open_telemetry
    except ModuleNotFoundError:
        raise SettingsError(
            "POINTSMAN_OTEL is on, but OpenTelemetry is not installed:"
            " uv run --extra otel pointsman, or pip install '.[otel]'"
        ) from None
    return open_telemetry(settings, adapters)
