"""Opens what monitors see: of each request that has ended, whoever wants it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from adapters.base import Adapter
from proxy.settings import Settings, SettingsError
from proxy.store.usage.rows import UsageRow
from proxy.telemetry.metrics import Tally
from proxy.telemetry.recorder import Recorder

if TYPE_CHECKING:
    from proxy.telemetry.otel import Telemetry


class Monitors:
    """What looks on: the recorder for the page, counts for Prometheus, and OpenTelemetry or None.

    Raises SettingsError where that is wanted and not installed.
    """

    def __init__(
        self, settings: Settings, adapters: Iterable[Adapter], wall: Callable[[], float]
    ) -> None:
        self.recorder = Recorder(wall=wall)
        self.tally = Tally()
        self.otel = telemetry_of(settings, adapters)

    def listeners(self) -> Sequence[Callable[[UsageRow], None]]:
        """Who is told of each request that has ended."""
        told = (self.recorder.ended, self.tally.add)
        return told if self.otel is None else (*told, self.otel.put)

    async def close(self) -> None:
        if self.otel is not None:
            await asyncio.to_thread(self.otel.close)


def telemetry_of(settings: Settings, adapters: Iterable[Adapter]) -> Telemetry | None:
    """None where it is off. Raises SettingsError where it is not installed."""
    if not settings.otel:
        return None
    try:
        from proxy.telemetry.otel import open_telemetry
    except ModuleNotFoundError:
        raise SettingsError(
            "POINTSMAN_OTEL is on, but OpenTelemetry is not installed:"
            " uv run --no-dev --extra otel pointsman, or pip install '.[otel]'"
        ) from None
    return open_telemetry(settings, adapters)
