"""Whether a refusal is of a quota that no minute's wait brings back, by its words. Pure."""

from __future__ import annotations

import re

_SPENT = re.compile(
    r"\bout of call volume quota|\btoken quota is exceeded"
    r"|\bfree tier of the model has been exhausted",
    re.IGNORECASE,
)
"""Azure's and DashScope's, with the status of a key that may not do this."""
_OF_A_DAY = re.compile(
    r"per[ -]day|\b(?:RPD|TPD|ASD)\b|\b(?i:usage limit (?:reached|exceeded))"
    r"|\b(?i:session|daily|weekly|monthly) (?i:usage )?(?i:limit|quota)",
    re.ASCII,
)


def is_spent(message: str) -> bool:
    """Whether a quota is used up, though the status says that something is forbidden."""
    return _SPENT.search(message) is not None


def is_of_a_day(message: str) -> bool:
    """Whether the limit that is reached is one of hours or more."""
    return _OF_A_DAY.search(message) is not None
