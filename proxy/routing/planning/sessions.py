"""Where a conversation stays after it had to change its provider. No I/O; clocks are injected.

Models that alternate within one talk answer in two voices, and find no prompt of it in a cache.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from adapters.base import ChatRequest
from adapters.tasks import SPOKEN, CompletionRequest
from proxy.candidate import Candidate
from proxy.routing.planning.plan import Plan
from proxy.routing.planning.preference import Preference

WELL_S = 300.0
"""For so long the preferred one must not have failed anybody, before a talk comes back to it."""
MAX_TALKS = 4096
MAX_ID = 256
MAX_TEXT = 16 * 1024
MAX_PARTS = 64
"""Of a message that begins a talk, at either end, where it is longer."""

SESSION_HEADERS = (
    *(b"x-session-id", b"session-id", b"session_id", b"x-claude-code-session-id"),
    *(b"x-session-affinity", b"x-conversation-id", b"thread-id"),
)
"""By which agents say what belongs together."""


class Talk(Struct, frozen=True):
    """One conversation. What `begins` has no turn of a model's yet: any other may begin alike."""

    id: bytes
    begins: bool


class Stay(Struct, frozen=True):
    """With whom a talk stays, while this is what its owner has chosen."""

    candidate: Candidate
    preference: Preference


class Sessions:
    """The talks that stay somewhere else than the preference has them, the oldest forgotten first.

    `stays` is empty while nobody fails, and then nothing needs to be asked of it. `tell` hears of
    each change.
    """

    tell: Callable[[bytes, Stay | None], None] | None = None

    def __init__(self, clock: Callable[[], float], *, on: bool = True) -> None:
        self._clock = clock
        self._on = on
        self.stays: OrderedDict[bytes, Stay] = OrderedDict()
        self._ill_at: dict[str, float] = {}

    def failed(self, provider: str) -> None:
        """It has failed somebody just now."""
        self._ill_at[provider] = self._clock()

    def forget(self) -> None:
        """The owner has chosen again, even if the same: no conversation stays where it went."""
        self.stays.clear()
        self._ill_at.clear()

    def keep(self, plan: Plan, preference: Preference, talk: Talk) -> Plan:
        """The plan, with the one in front with whom this talk stays.

        It ends as soon as the owner chooses anew, or when who is preferred has long been well.
        """
        stay = self.stays.get(talk.id)
        if stay is None or talk.begins:
            return plan
        first = plan.candidates[0]
        is_over = stay.preference != preference or stay.candidate not in plan.candidates
        if is_over or self._clock() - self._ill_at.get(first.provider, 0) >= WELL_S:
            self._set(talk.id, None)
            return plan
        self.stays.move_to_end(talk.id)
        others = (one for one in plan.candidates if one != stay.candidate)
        return replace(plan, candidates=(stay.candidate, *others))

    def settle(self, talk: Talk, by: Candidate, wanted: Candidate, preference: Preference) -> None:
        """A talk was answered `by` somebody, where the preference wanted another or the same."""
        if by == wanted:
            self._set(talk.id, None)
        if by == wanted or not self._on:
            return
        if talk.id not in self.stays:
            self._ill_at[wanted.provider] = self._clock()  # be it that its limits are used up
        self._set(talk.id, Stay(by, preference))

    def heard(self, talk: bytes, stay: Stay | None) -> None:
        """Another server has met a talk: it stays there here, too, or does so no more."""
        if stay and self._on and talk not in self.stays:
            self._ill_at[stay.preference.provider] = self._clock()
        self._keep(talk, stay)

    def _set(self, talk: bytes, stay: Stay | None) -> None:
        is_new = self.stays.get(talk) != stay
        self._keep(talk, stay)
        if is_new and self.tell:
            self.tell(talk, stay)

    def _keep(self, talk: bytes, stay: Stay | None) -> None:
        if stay is None:
            self.stays.pop(talk, None)
            return
        self.stays[talk] = stay
        self.stays.move_to_end(talk)
        if len(self.stays) > MAX_TALKS:
            self.stays.popitem(last=False)


def talk_of(headers: Mapping[bytes, bytes], app: str | None, request: Any) -> Talk | None:
    """What tells one conversation from another: its agent's word, else who begins it with what.

    None where it is no conversation; a text to go on with is one by its agent's word alone.
    """
    if type(request) not in SPOKEN:
        return None
    told = next((headers[name] for name in SESSION_HEADERS if name in headers), None)
    if told is None and type(request) is CompletionRequest:
        return None
    cache_key = request.params.get("prompt_cache_key")
    if told is None and isinstance(cache_key, str):
        told = cache_key.encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(digest_size=16)
    for part in (app or "", request.model):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    if told is not None:
        digest.update(told[:MAX_ID])
    else:
        for text in _beginning(request):
            digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    roles = (message["role"] for message in request.messages)
    return Talk(digest.digest(), told is None and "assistant" not in roles)


def _beginning(request: ChatRequest) -> Iterator[str]:
    """All up to and with the first thing that the user says: the same in each turn."""
    for message in request.messages:
        content = message.get("content")
        if isinstance(content, str):
            yield _ends(content, MAX_TEXT)
        else:
            yield from (
                _ends(part.get("text") or "", MAX_TEXT) for part in _ends(content or (), MAX_PARTS)
            )
        if message["role"] == "user":
            return


def _ends(whole: Any, most: int) -> Any:
    """The first and the last of what is longer than twice as much."""
    return whole if len(whole) <= 2 * most else whole[:most] + whole[-most:]
