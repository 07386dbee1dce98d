"""Arithmetic of what was measured. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def tokens_per_s(first_s: float, total_s: float, tokens: int) -> float | None:
    """Of the time after the first token, unless the answer came in one piece."""
    writing_s = total_s - first_s
    spent_s = writing_s if writing_s > 0.2 * total_s else total_s
    return tokens / spent_s if tokens and spent_s > 0 else None


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` of them do not exceed."""
    if not values:
        return None
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, int(share * len(ranked) + 0.999999) - 1))]
