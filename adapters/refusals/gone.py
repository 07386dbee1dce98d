"""Whether a refusal says that the model is not there: not served, not any more, or no model. Pure.

Its status is that of a mistake with many (400, 403, 422), and a code has not everybody: where there
is none, the words of all providers are read here.
"""

from __future__ import annotations

import re

_NAME = r"(?:\s*[:=/]\s*|\s+)?(?:(?:id|name|called|named)\s+)?['\"`]?[\w./:@+-]{0,160}['\"`]?,?"
_GONE = re.compile(
    r"\bmodels?\b(?! (?:parameter|field|option|setting|argument|property))"
    rf"{_NAME}\s+(?:(?:is|was|were|has been|could)\s+)?"
    r"(?:not found|not be found|unavailable\b|disabled\b|(?:do(?:es)?\s?n[o']t|not) exist"
    r"|(?:not|no longer) (?:available|served|offered|accessible)"
    r"(?! (?:in|for) your (?:country|region|location|territory))|no longer supported"
    r"|not supported\W*$|not a valid model"
    r"|(?:deprecated|decommissioned|retired|discontinued|sunset|removed|shut ?down)\b)"
    r"|\b(?:no such|unknown|invalid|unrecogni[sz]ed|non-?existent|unexpected|unavailable)"
    r" model\b"
    r"(?! (?:output|response|answer|input|parameter|option|config))"
    r"|\bis not a valid model\b"
    r"|\bno (?:local )?models? (?:is |are )?(?:currently )?(?:loaded|found)\b"
    r"|\bcould not find real modelID\b|\bhas no provider supported\b|\bLLM provider not provided\b",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b(?:not (?:allowed|authori[sz]ed|permitted)|no (?:access|permission)"
    r"|(?:not|n't) have (?:access|permissions?))"
    r" to (?:access |use )?(?:(?:the |this )?models?\b|[a-z]{2,12}-\d)"
    r"|\bmodels?\b.{0,80}\bnot allowed for this (?:virtual )?key\b|\bmodel\W{0,2}access.?denied\b"
    r"|\bnot (?:yet )?include access to\b|无权访问模型",
    re.IGNORECASE,
)
"""Of a key that may ask for some models and not for others."""
_RETIRED = re.compile(
    r"^\W*(?P<what>(?:[^.,;]|\.(?=\d)){0,120}?)\b(?:has been|was|is) (?:now )?"
    r"(?:deprecated|decommissioned|retired|discontinued|sunset|shut ?down)\b",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"\b(parameters?|fields?|arguments?|propert(y|ies)|options?|endpoints?|api|method|version"
    r"|functions?|tools?|roles?|headers?|keys?|accounts?|projects?|organi[sz]ations?)\b|\w_\w",
    re.IGNORECASE,
)


def is_denied(message: str) -> bool:
    """Whether the model is not to be had by this key, which is good for others."""
    return _DENIED.search(message) is not None


def is_gone(message: str) -> bool:
    """Whether the model is not to be had, by the words of a refusal."""
    if _GONE.search(message) or is_denied(message):
        return True
    retired = _RETIRED.match(message)
    what = retired["what"] if retired else ""
    # Nearly every model has a number in its name, and no parameter has.
    return any(map(str.isdigit, what)) and not _OTHER.search(what)
