"""How much a model is to think, from one provider's measure to another's. Pure."""

from __future__ import annotations


def effort_of(budget_tokens: int | None) -> str | None:
    """The effort nearest to a budget; -1 leaves it to the model."""
    if budget_tokens is None or budget_tokens < 0:
        return None
    steps = {0: "none", 1024: "low", 8192: "medium"}
    return next((word for most, word in steps.items() if budget_tokens <= most), "high")
