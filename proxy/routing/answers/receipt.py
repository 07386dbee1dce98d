"""What happened to a request on its way: for the answer's headers and the usage log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct, field

from adapters.base import AdapterError, Finish, Media, Reasoning, Start, Text, ToolCall, Usage, Warn
from adapters.tasks import Vectors
from adapters.wire.portions import size_of
from proxy.candidate import Candidate


class Try(Struct, frozen=True):
    """One attempt. `outcome` is a status, or the kind of failure where there was none.

    `reason` is the kind of failure, None for an answer; `message` is for the owner's eyes, in none
    of the provider's words, and is not stored. Seconds count from the request's start; `waited_s`
    is what was waited just before. `maybe_billed` is a failure after which the provider may have
    done the work all the same. `key` as in `Candidate`.
    """

    provider: str
    model: str
    outcome: str
    reason: str | None
    message: str
    waited_s: float
    ended_s: float
    maybe_billed: bool = False
    key: int = 0


class Receipt(Struct):
    """Filled by everyone a request passes, whatever comes of it.

    `tries` are the attempts, `attempts` the same as the answer's headers have them: `groq:429`.
    `considered` are the candidates in their order, `passed` those of them that were not asked, and
    why. `usage` is the provider's own count; `written` the characters that came, of texts and
    calls, and `prompt_guess` about how many tokens were asked, for where it gave none. `brought`
    are the bytes of sounds, pictures and vectors, and of an answer that is given again.
    `traceparent` is the client's span, `door` the protocol it speaks, `operation` what is asked,
    once that is read. `arm` is the share of a split choice that it counts for, `loading_s` the part
    of the time that a model was loaded, `spent_before` what summaries of older turns have used.
    """

    door: str = ""
    operation: str = ""
    provider: str | None = None
    model: str | None = None
    warnings: list[str] = field(default_factory=list)
    upstream_id: str | None = None
    waited_s: float = 0.0
    tries: list[Try] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)
    considered: Sequence[Candidate] = ()
    passed: dict[Candidate, str] = field(default_factory=dict)
    usage: Usage | None = None
    finish: str | None = None
    written: int = 0
    brought: int = 0
    prompt_guess: int = 0
    traceparent: bytes | None = None
    arm: str | None = None
    loading_s: float = 0.0
    spent_before: Usage | None = None
    clock: Callable[[], float] = time.perf_counter
    began_s: float = 0.0

    def __post_init__(self) -> None:
        self.began_s = self.clock()

    @property
    def first_s(self) -> float | None:
        """Seconds to the first content, None if none came."""
        last = self.tries[-1] if self.tries else None
        return last.ended_s if last and last.reason is None else None

    def elapsed_s(self) -> float:
        """Seconds since the request's start."""
        return self.clock() - self.began_s

    def tried(self, candidate: Candidate, outcome: str | int, error: AdapterError | None) -> None:
        """Add an attempt that got its first content, or failed with `error` before it."""
        self.provider = candidate.provider
        self.model = candidate.model
        waited_s = self.waited_s
        if self.tries:
            waited_s -= sum(one.waited_s for one in self.tries)
        self.tries.append(
            Try(
                candidate.provider,
                candidate.model,
                str(outcome),
                error.kind.value if error else None,
                error.gist if error else "",
                waited_s,
                self.elapsed_s(),
                error is not None and error.maybe_billed,
                candidate.key,
            )
        )
        key = f"#{candidate.key}" if candidate.key else ""
        self.attempts.append(f"{candidate.provider}{key}:{outcome}")
        if error and error.maybe_billed:
            self.warn(f"maybe_billed={candidate.provider}")

    def warn(self, word: str) -> None:
        if word not in self.warnings:
            self.warnings.append(word)

    def note(self, events: Sequence[Any]) -> None:
        """Take over what the events of an answer say that is kept of it."""
        for event in events:
            kind: Any = type(event)
            if kind is Text or kind is Reasoning:
                self.written += len(event.text)
            elif kind is ToolCall:
                self.written += len(event.arguments)
            elif kind is Media or kind is Vectors:
                self.brought += size_of(event)
            elif kind is Usage:
                self.usage = event
            elif kind is Finish:
                self.finish = event.reason
            elif kind is Start:
                self.model = event.model or self.model
                self.upstream_id = event.request_id
            elif kind is Warn:
                self.warn(event.word)
