"""Whether a refusal says that the request is longer than the model's window: one reading for all.

Few have a code for it; what depends on it is who is asked next, and whether a client makes its
history shorter. Sources: the servers' own code, and refusals as people have reported them. Pure.
"""

from __future__ import annotations

import re

_TOO_LONG = re.compile(
    r"\bmax(imum)?( allowed)?[ _](context|prompt|input|model|seq(uence)?)[ _]len"
    r"|\b(prompt|input|conversation)( is)? too (long|large)\b|\btoo large for (the )?model with\b"
    r"|\breduce the length\b|\btoo many (input |prompt )?tokens\b"
    r"|\b(prompt|input)\b.{0,40}\btokens?\b.{0,40}\bexceed"
    r"|\bexceed\w*\b.{0,40}\b(token limit|maximum number of (input )?tokens)\b"
    r"|\bexceed\w*\b.{0,20}\bmax(imum)? input\b|\binputs?\b.{0,60}\bmust (have less|be <=)"
    r"|\brange of input length\b|\bmax size: \d+ tokens\b|\bprompt exceeds max(imum)? length"
    r"|\bn_keep\b.{0,40}\bn_ctx\b|\b(more than|exceeds?) max(imum)? (message )?tokens\b"
    r"|\bcontext overflow\b|\blarger than the model input length\b|上下文长度|输入长度超过",
    re.IGNORECASE,
)
_WINDOW = re.compile(r"\bcontext (length|window|size|limit)\b", re.IGNORECASE)
_LEFT = re.compile(
    r"exceed|overflow|\bonly\b|\breached\b|too (long|large|small)|larger|longer|greater|maximum"
    r"|\breduce|shorter",
    re.IGNORECASE,
)
_NOTHING_LEFT = re.compile(r"\bmax_tokens must be at least 1, got -\d")
"""vLLM's, of an answer whose length is what the prompt leaves of the window."""
_OF_THE_ANSWER = re.compile(r"\bmax_?(completion_|output_|new_)?tokens\b", re.IGNORECASE)
_OF_THE_PROMPT = re.compile(
    r"\bprompt\b|\bmessages\b|\binputs\b|\binput (tokens|length)\b", re.IGNORECASE
)


def is_too_long(message: str) -> bool:
    """Whether the prompt is what is too long, and not the answer that is asked for."""
    if _NOTHING_LEFT.search(message):
        return True
    if _OF_THE_ANSWER.search(message) and not _OF_THE_PROMPT.search(message):
        return False
    if _TOO_LONG.search(message):
        return True
    return _WINDOW.search(message) is not None and _LEFT.search(message) is not None
