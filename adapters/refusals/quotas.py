"""Whether a refusal is of a quota that no minute's wait brings back, by its words. Pure."""

from __future__ import annotations

import re

_SPENT = re.compile(
    r"\bout of call volume quota|\btoken quota is (exceeded|exhausted)"
    r"|\bfree tier of the model has been exhausted|\byour specified API usage limits"
    r"|\busage limit for this billing cycle",
    re.IGNORECASE,
)
"""Azure's, DashScope's and Kimi's, with the status of a key that may not do this; Anthropic's."""
_OF_A_DAY = re.compile(
    r"per[ -]day|\b(?:RPD|TPD|ASD)\b|(?i:/ ?(?:day|month)\b|\btoday's quota|\bdaily free allocation"
    r"|\busage limit (?:has been )?(?:reached|exceeded)|\breached (?:its|your) usage limit"
    r"|\b(?:session|daily|weekly|monthly|5-hour) (?:usage |token |rate |request )?(?:limit|quota)"
    r"|\b(?:week|month) allocated quota|\btoken plan quota|\bexhausted your capacity)|今日调用次数",
    re.ASCII,
)


def is_spent(message: str) -> bool:
    """Whether a quota is used up, though the status says that something is forbidden."""
    return _SPENT.search(message) is not None


def is_of_a_day(message: str) -> bool:
    """Whether the limit that is reached is one of hours or more."""
    return _OF_A_DAY.search(message) is not None
