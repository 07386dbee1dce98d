"""What an owner sees of responses that are kept, and has forgotten."""

from __future__ import annotations

from typing import Any

from proxy.doors.responses.disk import Disk
from proxy.doors.responses.turns import Turns


class KeptResponses:
    """Responses and conversations that clients may go on from, of all of them."""

    def __init__(self, turns: Turns, disk: Disk | None) -> None:
        self._turns = turns
        self._disk = disk

    async def state(self) -> dict[str, Any]:
        """Where they are kept, how many, and how large they are."""
        where = "disk" if self._disk else "memory" if self._turns.most else "off"
        count, size = await self._disk.amount() if self._disk else self._turns.amount()
        return {"store": where, "count": count, "bytes": size}

    async def forget(self) -> dict[str, Any]:
        """Forget all, for good."""
        self._turns.forget_all()
        if self._disk is not None:
            await self._disk.clear()
        return await self.state()
