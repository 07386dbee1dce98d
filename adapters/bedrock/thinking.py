"""How much to think -> the words that each family of models has for it. Pure.

Converse itself has a word for it (`outputConfig.effort`) that Claude alone takes so far; all else
goes into `additionalModelRequestFields`. Sources: the Bedrock user guide, "Enhance model responses
with model reasoning"; Anthropic's and Amazon's documents on extended thinking.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from adapters.base import ChatRequest
from adapters.bedrock.names import bare, family, version
from adapters.events import Json
from adapters.translation.thinking import effort_of

DROPPED = "dropped=reasoning_effort"
CHANGED = "changed=reasoning_effort"
BUDGETS: Mapping[str, int] = {"minimal": 1024, "low": 1024, "medium": 8192}
HIGH_BUDGET = 24576
LEAST_BUDGET = 1024
THINKS_SINCE = (3, 7)
ADAPTS_SINCE = (4, 6)
"""From this version on Claude is told how hard to think, and not for how long."""
EFFORTS: Mapping[str, str] = {"minimal": "low"}
"""What has another name here."""
THREE_EFFORTS: Mapping[str, str] = {"minimal": "low", "xhigh": "high", "max": "high"}


class Wish(NamedTuple):
    """What a body says of thinking: fields of the model's own, and Converse's own effort."""

    fields: Json
    effort: str | None = None


NOTHING = Wish({})


def thinking(
    request: ChatRequest, max_tokens: int | None, *, unsigned: bool, warnings: list[str]
) -> Wish:
    """What `request.thinking` becomes. `unsigned`: the thoughts before the last calls are lost."""
    wanted = request.thinking
    effort = wanted.effort or effort_of(wanted.budget_tokens)
    if effort in (None, "none"):
        return NOTHING
    own = family(request.model)
    if own == "anthropic" and (version(request.model) or ADAPTS_SINCE) >= THINKS_SINCE:
        return _claude(request, str(effort), max_tokens, unsigned, warnings)
    if own == "openai":
        return Wish({"reasoning_effort": _one_of_three(str(effort), warnings)})
    if own == "amazon" and bare(request.model).startswith("amazon.nova-2"):
        word = _one_of_three(str(effort), warnings)
        if word == "high" and (max_tokens or "temperature" in request.params):
            word = "medium"  # beside the highest nothing else may be set
            warnings.append(CHANGED)
        return Wish({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": word}})
    warnings.append(DROPPED)
    return NOTHING


def _claude(
    request: ChatRequest, effort: str, max_tokens: int | None, unsigned: bool, warnings: list[str]
) -> Wish:
    """Thinking goes with no forced call, and with no call whose thoughts are lost."""
    if unsigned or request.tool_choice == "required":
        warnings.append(DROPPED)
        return NOTHING
    if (version(request.model) or ADAPTS_SINCE) >= ADAPTS_SINCE:
        if request.thinking.effort is None:
            warnings.append(CHANGED)
        return Wish({"thinking": {"type": "adaptive"}}, EFFORTS.get(effort, effort))
    asked = request.thinking.budget_tokens
    budget = asked if asked and asked > 0 else BUDGETS.get(effort, HIGH_BUDGET)
    if max_tokens is not None and budget >= max_tokens:
        budget = max_tokens - 1
        warnings.append(CHANGED)
    if budget < LEAST_BUDGET:
        if max_tokens is not None and max_tokens <= LEAST_BUDGET:
            warnings.append(DROPPED)
            return NOTHING
        budget = LEAST_BUDGET
        warnings.append(CHANGED)
    return Wish({"thinking": {"type": "enabled", "budget_tokens": budget}})


def _one_of_three(effort: str, warnings: list[str]) -> str:
    word = THREE_EFFORTS.get(effort, effort)
    if word != effort:
        warnings.append(CHANGED)
    return word
