"""Whether a refusal is of what was said: harm, or what a house does not want to answer. Pure.

Some refuse it with the status of a key that may not do this, which is good for all else.
"""

from __future__ import annotations

import re

CODE = "content_filter"
"""By which clients know such a refusal, as Azure has it."""
_CONTENT = re.compile(
    r"\bviolates? (our |the )?(usage|content|safety)"
    r"|\b(input|prompt|content|request) (was|is) flagged"
    r"|\bcontent\b.{0,60}\b(is|was) blocked|\bcontent (policy|management policy|moderation)",
    re.IGNORECASE,
)


def is_of_content(message: str) -> bool:
    """Whether it is what was said that is refused."""
    return _CONTENT.search(message) is not None
