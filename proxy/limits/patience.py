"""How long a provider has for the first content, and its share of the deadline. No I/O."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from adapters.base import Adapter, ChatRequest
from adapters.tasks import SPOKEN
from proxy.candidate import Candidate

SHARE_OF_DEADLINE = 0.6
"""The part of the time left that one provider may take while others are left."""
FAIR_SHARE_S = 5.0
"""Who was given less time than this to begin an answer, and did not, has not failed."""
FIRST_S = 30.0
"""For a model that has not been heard often enough yet."""
LOADING_S = 180.0
"""For a local one that may have to be loaded first."""
LOADED_S = 240.0
"""For so long after an answer a local model is still in memory."""
LEAST_S = 10.0
TIMES = 4.0
"""What takes so many times the longest there was lately has not much chance to come."""
SAMPLES = 20
ENOUGH = 5
MAX_MODELS = 512
LOCAL_TOKENS_A_S = 50.0
"""How quick a local model reads a prompt, at the least."""
TOKENS_A_S = 1000.0


class Longest(Struct, frozen=True):
    """Who has not begun after so many seconds is given up: a failure, if that was long enough."""

    seconds: float
    is_fair: bool


def streamed_of(request: Any) -> ChatRequest | None:
    """The request, if it is one for a stream: all others have their first content with the last."""
    return request if type(request) in SPOKEN and request.stream else None


class Patience:
    """By model, and by how hard that was to think. All times in seconds of one clock.

    `told` holds what is set for providers, `local` those whose models are loaded on demand.
    """

    def __init__(self, told: Mapping[str, float | None], local: frozenset[str]) -> None:
        self._told = told
        self.local = local
        self._lately: OrderedDict[tuple[Candidate, str | None], deque[float]] = OrderedDict()
        self._spoke_at: OrderedDict[Candidate, float] = OrderedDict()

    def share(
        self,
        candidate: Candidate,
        asked: ChatRequest | None,
        tokens: int,
        now: float,
        left_s: float,
    ) -> Longest:
        """How long to wait, with `left_s` to the deadline and others there to be asked."""
        share_s = SHARE_OF_DEADLINE * left_s
        share = Longest(share_s, share_s >= FAIR_SHARE_S)
        if asked is None:
            return share
        first = self.first(candidate, asked, tokens, now)
        return first if first.seconds < share_s else share

    def first(self, candidate: Candidate, asked: ChatRequest, tokens: int, now: float) -> Longest:
        """How long to wait for the first content of the answer to a prompt of so many tokens."""
        if told := self._told.get(candidate.provider):
            return Longest(told, is_fair=True)
        reading_s = tokens / (LOCAL_TOKENS_A_S if candidate.provider in self.local else TOKENS_A_S)
        if self.may_be_loading(candidate, now):
            return Longest(LOADING_S + reading_s, is_fair=False)
        lately = self._lately.get((candidate, asked.thinking.effort), ())
        least_s = LEAST_S if len(lately) >= ENOUGH else FIRST_S
        return Longest(max(least_s, TIMES * max(lately, default=0)) + reading_s, is_fair=True)

    def heard(
        self, candidate: Candidate, asked: ChatRequest | None, began: float, now: float
    ) -> None:
        """The first content of an answer was there at `now`; loading a model counts for nothing."""
        if candidate.provider in self.local:
            was_loading = self.may_be_loading(candidate, began)
            self._spoke_at[candidate] = now
            _bound(self._spoke_at)
            if was_loading:
                return
        if asked is None:
            return
        key = candidate, asked.thinking.effort
        if key not in self._lately:
            self._lately[key] = deque(maxlen=SAMPLES)
            _bound(self._lately)
        self._lately[key].append(now - began)

    def may_be_loading(self, candidate: Candidate, now: float) -> bool:
        """Whether it is local, and has not been heard lately."""
        if candidate.provider not in self.local:
            return False
        return now - self._spoke_at.get(candidate, -math.inf) >= LOADED_S


def patience_of(adapters: Mapping[str, Adapter]) -> Patience:
    told = {name: one.settings.first_token_timeout for name, one in adapters.items()}
    return Patience(told, frozenset(name for name, one in adapters.items() if one.local))


def _bound(table: OrderedDict[Any, Any]) -> None:
    if len(table) > MAX_MODELS:
        table.popitem(last=False)
