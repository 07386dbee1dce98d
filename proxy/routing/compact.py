"""A conversation longer than the window has its older turns summarised, if its owner allows it.

Who answers summarises: nobody else gets to see it. The instructions, the newest user's turn and all
behind it stay word for word; as parts are made at users' turns alone, no call loses its result.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from adapters.base import AdapterError, ChatRequest, Json, Text, Usage
from proxy.candidate import Candidate
from proxy.errors import ApiError, from_adapter
from proxy.gate.work import Work
from proxy.limits.ticket import Agree
from proxy.routing.answers.answer import Answer
from proxy.routing.answers.receipt import Receipt
from proxy.routing.operations.chat import CHAT
from proxy.routing.planning.preference import Preference
from proxy.routing.planning.sessions import Talk
from proxy.routing.router import Router

ROOM = 0.5
"""The part of a window that what is sent may fill: the rest is for the answer and for guessing."""
SHARE_OF_SUMMARY = 0.2
MAX_PIECES = 16
LEAST_TOKENS = 64
CHARACTERS_A_TOKEN = 3
"""Fewer than the usual four, so that a piece fits in any language that is written in letters."""
TASK = (
    "Summarise the conversation below, so that it can be gone on with from the summary alone: what"
    " was asked, decided and found out, names, numbers, code and open ends. Only the summary."
)
SUMMARY = "Summary of the conversation so far, whose older turns are left out here:\n"


class Compacting:
    """A router, with another try for what has been too long for everybody."""

    def __init__(
        self,
        router: Router,
        windows: Callable[[Sequence[Candidate]], Awaitable[Mapping[Candidate, int]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._router = router
        self._windows = windows
        self._clock = clock

    async def answer(
        self,
        request: Any,
        preference: Preference,
        receipt: Receipt,
        work: Work,
        *,
        deadline_s: float = 300.0,
        fallback: bool | None = None,
        talk: Callable[[], Talk | None] = lambda: None,
        agree: Agree | None = None,
    ) -> Answer:
        """As `Router.answer`. Raises ApiError, the first where nothing can be left out."""
        ends_at = self._clock() + deadline_s
        ask = partial(self._router.answer, preference=preference, work=work, agree=agree)
        try:
            return await ask(
                request, receipt=receipt, deadline_s=deadline_s, fallback=fallback, talk=talk
            )
        except ApiError as error:
            if type(request) is not ChatRequest or error.code != "context_length_exceeded":
                raise
            met = error
        who = receipt.considered[0]
        window = (await self._windows([who])).get(who) or CHAT.tokens(request)[0]
        room = int(window * ROOM)
        older, rest = _parted(request, room - int(room * SHARE_OF_SUMMARY))
        if not older:
            raise met

        def left_s() -> float:
            return max(ends_at - self._clock(), 0.001)

        summary = await self._summary(
            older, room, who, partial(ask, fallback=False), receipt, left_s
        )
        if summary is None:
            raise met
        receipt.warn(f"compacted={len(older)}")
        smaller = replace(request, messages=_with(summary, rest))
        return await ask(
            smaller, receipt=receipt, deadline_s=left_s(), fallback=fallback, talk=talk
        )

    async def _summary(
        self,
        older: Sequence[Json],
        room: int,
        who: Candidate,
        ask: Callable[..., Awaitable[Answer]],
        receipt: Receipt,
        left_s: Callable[[], float],
    ) -> str | None:
        """The summary of it all, made piece after piece; None where that would take too many."""
        most = max(int(room * SHARE_OF_SUMMARY), LEAST_TOKENS)
        pieces = list(_pieces(older, max(room - most, LEAST_TOKENS) * CHARACTERS_A_TOKEN))
        if len(pieces) > MAX_PIECES:
            return None
        summary = ""
        for piece in pieces:
            before = f"Summary of what came before:\n{summary}\n\n" if summary else ""
            said = f"{TASK}\n\n{before}<conversation>\n{piece}\n</conversation>"
            asked = ChatRequest(str(who), ({"role": "user", "content": said},), max_tokens=most)
            own = Receipt()
            answer = await ask(asked, receipt=own, deadline_s=left_s())
            try:
                summary = await _text_of(answer)
            finally:
                await answer.aclose()
            receipt.spent_before = _sum(receipt.spent_before, own.usage)
        return summary[: most * 4] or None


Asks = Router | Compacting
"""Who is asked for answers."""


async def _text_of(answer: Answer) -> str:
    try:
        return "".join([e.text async for batch in answer for e in batch if type(e) is Text])
    except AdapterError as error:
        raise from_adapter(error) from None


def _sum(one: Usage | None, other: Usage | None) -> Usage | None:
    if one is None or other is None:
        return one or other
    return Usage(one.prompt + other.prompt, one.completion + other.completion)


def _parted(request: ChatRequest, room: int) -> tuple[Sequence[Json], Sequence[Json]]:
    """The older turns, and what stays: instructions, and as many whole turns as fit; always one."""
    messages = request.messages
    head = [one for one in messages if one["role"] == "system"]
    turns = [one for one in messages if one["role"] != "system"]
    begins = [at for at, one in enumerate(turns) if one["role"] == "user" and at]
    if not begins:
        return (), messages

    def fits(at: int) -> bool:
        kept = replace(request, messages=[*head, *turns[at:]])
        return sum(CHAT.tokens(kept)) <= room

    # Each later beginning leaves less: few need to be counted, however long the talk is.
    found = bisect_left(begins, True, key=fits)
    at = begins[min(found, len(begins) - 1)]
    return turns[:at], [*head, *turns[at:]]


def _with(summary: str, rest: Sequence[Json]) -> Sequence[Json]:
    """The summary behind the instructions, before the turns that are left."""
    told: Json = {"role": "system", "content": SUMMARY + summary}
    at = next(at for at, one in enumerate(rest) if one["role"] != "system")
    return [*rest[:at], told, *rest[at:]]


def _pieces(older: Sequence[Json], most: int) -> Iterator[str]:
    """The older turns as text, in pieces of at most so many characters."""
    text = "\n".join(map(_written, older))
    for at in range(0, len(text), most):
        yield text[at : at + most]


def _written(message: Json) -> str:
    content = message.get("content") or ""
    if not isinstance(content, str):
        content = " ".join(part.get("text") or f"[{part['type']}]" for part in content)
    calls = [
        f"[calls {call['function']['name']} with {call['function']['arguments']}]"
        for call in message.get("tool_calls") or ()
    ]
    who = "result" if message["role"] == "tool" else message["role"]
    return f"{who}: {' '.join([content, *calls])}"
