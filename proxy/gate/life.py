"""Where a server stands between its start and its end, for all who have to act on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Stage(Enum):
    """STARTING, READY, LEAVING (new work is done, but should go elsewhere), DRAINING (no new work,
    what runs may end), OVER (nothing may go on).
    """

    STARTING = auto()
    READY = auto()
    LEAVING = auto()
    DRAINING = auto()
    OVER = auto()


@dataclass(slots=True)
class Life:
    """The stage of one server, moved on by whoever starts and stops it."""

    stage: Stage = Stage.STARTING

    @property
    def ready(self) -> bool:
        return self.stage is Stage.READY

    @property
    def draining(self) -> bool:
        return self.stage in (Stage.DRAINING, Stage.OVER)
