"""From a request to the first content of an answer: attempts, rotation, the commit point.

An attempt is the call *and* its first content, since two of the three SDKs' protocols tell of a
refusal only once they are read. Up to there a failure rotates unseen; from there on the answer is
one model's, and a failure is loud.
"""

from __future__ import annotations

import contextlib
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field, replace

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

from adapters.base import (
    CONTENT_EVENTS,
    Adapter,
    AdapterError,
    ChatRequest,
    ErrorKind,
    Event,
    Phase,
    Start,
    Warn,
)
from proxy.candidates import Candidate, Chooser, Plan, Preference
from proxy.errors import ApiError, bad_request, from_adapter, from_failures
from proxy.fanout import fan_out
from proxy.images import ImageFetcher, ImageFetchError

MAX_ATTEMPTS = 4

FINAL_KINDS = frozenset({ErrorKind.BAD_REQUEST})
"""Failures that would be the same everywhere: the request itself is at fault."""

HINTS = frozenset(
    {
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "stream_options.include_obfuscation",
    }
)
"""Parameters without a meaning for the answer: named when dropped, but never a reason to refuse."""


@dataclass(slots=True)
class Receipt:
    """What happened to a request on its way: the story that the answer's headers tell."""

    attempts: list[str] = field(default_factory=list)
    provider: str | None = None
    model: str | None = None
    warnings: list[str] = field(default_factory=list)
    upstream_id: str | None = None

    def tried(self, candidate: Candidate, outcome: str | int) -> None:
        """Add an attempt: a status, or the kind of failure where there was none."""
        self.provider = candidate.provider
        self.model = candidate.model
        self.attempts.append(f"{candidate.provider}:{outcome}")

    def warn(self, word: str) -> None:
        """Add a warning, once."""
        if word not in self.warnings:
            self.warnings.append(word)

    def note(self, events: Sequence[Event]) -> None:
        """Take over what the provider's events say besides the content."""
        for event in events:
            match event:
                case Warn(word):
                    self.warn(word)
                case Start(model=model, request_id=request_id):
                    self.model = model or self.model
                    self.upstream_id = request_id


@dataclass(slots=True)
class _Attempts:
    """One request's way through its plan."""

    request: ChatRequest
    plan: Plan
    receipt: Receipt
    images: dict[str, str] = field(default_factory=dict)
    failures: list[AdapterError] = field(default_factory=list)
    tried: int = 0

    def next_candidate(self) -> Candidate | None:
        """The candidate whose turn it is, or None when all have had theirs."""
        if self.tried >= len(self.plan.candidates):
            return None
        self.tried += 1
        return self.plan.candidates[self.tried - 1]

    def may_rotate(self, error: BaseException) -> bool:
        """Whether another candidate could do better than this failure."""
        if not isinstance(error, AdapterError) or error.kind in FINAL_KINDS:
            return False
        return self.tried < len(self.plan.candidates)


class Router:
    """Sends requests to providers. One for the life of the process."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        chooser: Chooser,
        *,
        know: Callable[[str], Awaitable[None]],
        images: ImageFetcher,
        strict_params: bool,
    ) -> None:
        self._adapters = adapters
        self._chooser = chooser
        self._know = know
        self._images = images
        self._strict_params = strict_params
        self.answered: set[str] = set()

    @contextlib.asynccontextmanager
    async def chat(
        self, request: ChatRequest, preference: Preference, receipt: Receipt
    ) -> AsyncIterator[AsyncGenerator[list[Event], None]]:
        """The answer's events, its first content already there; closing it stops the provider.

        `receipt` is filled on the way, whatever comes of it. Raises ApiError up to the first
        content; the events raise AdapterError after it.
        """
        await self._know(request.model)
        plan = self._chooser.plan(request, preference)
        attempts = _Attempts(request, plan, receipt)
        for skip in plan.skipped:
            receipt.warn(f"skipped={skip.candidate.provider}:{skip.param}")
        try:
            first, rest = await self._first_content(attempts)
        except AdapterError:
            raise self._final_error(attempts, preference) from None
        async with contextlib.aclosing(rest):
            yield _joined(first, rest)

    async def close(self) -> None:
        """Close what the router opened for itself."""
        await self._images.aclose()

    async def _first_content(
        self, attempts: _Attempts
    ) -> tuple[list[Event], AsyncGenerator[list[Event], None]]:
        try:
            return await self._attempt(attempts)
        except AdapterError as error:
            if not attempts.may_rotate(error):
                raise
        # Entered on the first failure only: it costs more than the rest of this module together.
        retrying = AsyncRetrying(
            retry=retry_if_exception(attempts.may_rotate),
            stop=stop_after_attempt(MAX_ATTEMPTS - 1),
            reraise=True,
        )
        return await retrying(self._attempt, attempts)

    async def _attempt(
        self, attempts: _Attempts
    ) -> tuple[list[Event], AsyncGenerator[list[Event], None]]:
        candidate = attempts.next_candidate()
        assert candidate is not None  # noqa: S101 - may_rotate has looked; a plan is never empty
        try:
            first, rest = await self._open(candidate, attempts)
        except AdapterError as error:
            attempts.failures.append(error)
            attempts.receipt.tried(candidate, error.status or error.kind)
            raise
        attempts.receipt.tried(candidate, 200)
        self.answered.add(candidate.provider)
        attempts.receipt.note(first)
        return first, rest

    async def _open(
        self, candidate: Candidate, attempts: _Attempts
    ) -> tuple[list[Event], AsyncGenerator[list[Event], None]]:
        adapter = self._adapters[candidate.provider]
        request = replace(attempts.request, model=candidate.model)
        request = await self._with_images(request, adapter, attempts.images)
        if self._strict_params:
            _refuse_drops(adapter.to_native(request).warnings)
        can = adapter.capabilities(candidate.model)
        if request.n > 1 and not (can.n_stream if request.stream else can.n):
            events = fan_out(adapter, request)
        else:
            events = adapter.chat(request)
        return await _until_content(events, candidate.provider), events

    async def _with_images(
        self, request: ChatRequest, adapter: Adapter, cache: dict[str, str]
    ) -> ChatRequest:
        if adapter.capabilities(request.model).image_urls:
            return request
        try:
            messages = await self._images.inline(request.messages, cache)
        except ImageFetchError as error:
            raise bad_request(str(error), param=error.param, code="invalid_image_url") from None
        return request if messages is request.messages else replace(request, messages=messages)

    def _final_error(self, attempts: _Attempts, preference: Preference) -> ApiError:
        failures = attempts.failures
        error = (
            from_adapter(failures[-1])
            if failures[-1].kind in FINAL_KINDS
            else from_failures(failures)
        )
        if error.status == 503 and not preference.chosen and not self.answered:
            error.message += " " + self._chooser.ways_to_an_answer()
        return error


async def _until_content(events: AsyncGenerator[list[Event], None], provider: str) -> list[Event]:
    """All events up to and with the first batch that holds content."""
    first: list[Event] = []
    try:
        async for batch in events:
            first += batch
            if any(isinstance(event, CONTENT_EVENTS) for event in batch):
                return first
    except BaseException:
        await events.aclose()
        raise
    raise AdapterError(
        ErrorKind.BAD_RESPONSE, "the answer ended before it began", provider=provider
    )


async def _joined(
    first: list[Event], rest: AsyncGenerator[list[Event], None]
) -> AsyncGenerator[list[Event], None]:
    yield first
    try:
        async for batch in rest:
            yield batch
    except AdapterError as error:
        error.phase = Phase.AFTER_CONTENT
        raise


def _refuse_drops(warnings: Sequence[str]) -> None:
    for warning in warnings:
        word, _, param = warning.partition("=")
        if word == "dropped" and param not in HINTS:
            raise bad_request(
                f"'{param}' cannot be honoured and POINTSMAN_STRICT_PARAMS is on.",
                param=param,
                code="unsupported_parameter",
            )
