"""Calls of tools that are held until all their pieces are there. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from adapters.base import ToolCall


class HeldCalls(dict[str | int, list[ToolCall]]):
    """The pieces of each call by its key, the calls in the order in which they began."""

    def add(self, piece: ToolCall) -> None:
        self.setdefault(piece.key, []).append(piece)

    def whole(self) -> list[ToolCall]:
        """Each call as one, with all its arguments."""
        return [
            replace(pieces[0], arguments="".join(piece.arguments for piece in pieces))
            for pieces in self.values()
        ]
