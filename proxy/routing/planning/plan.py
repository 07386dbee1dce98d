"""Who may answer a request, in order, and who cannot. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from proxy.candidate import Candidate


class Skipped(Struct, frozen=True):
    """A candidate that cannot do what the request needs: `param` names what."""

    candidate: Candidate
    param: str


class Plan(Struct, frozen=True):
    """The candidates in order. A pinned plan holds the one that the client named, and no other.

    `unknown` is the client's name where nobody knows it, so that the preferred provider answers.
    """

    candidates: tuple[Candidate, ...]
    pinned: bool = False
    skipped: tuple[Skipped, ...] = ()
    unknown: str | None = None

    def warnings(self) -> Iterator[str]:
        """What the client should know of it, in words for `x-pointsman-warnings`."""
        if self.unknown is not None:
            yield f"unknown_model={self.unknown}"
        for skip in self.skipped:
            yield f"skipped={skip.candidate.provider}:{skip.param}"
