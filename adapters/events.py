"""What an adapter says of an answer, piece by piece.

`index` is the choice an event belongs to; it is 0 unless n > 1. Where every event is looked at,
`type(event) is Text` tells which it is: to miss it by pattern or isinstance costs ten times more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, final

from msgspec import Struct

Json = dict[str, Any]


@final
class Start(Struct, frozen=True):
    """First event of an answer: what the provider says about itself. Commits nothing."""

    id: str | None = None
    model: str | None = None
    created: int | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    request_id: str | None = None


@final
class RateLimits(Struct, frozen=True):
    """What a provider's headers tell of its limits: of requests in `requests_s`, tokens a minute.

    `reset_*_s` is the time to a *full* bucket, not to the next free place.
    """

    limit_requests: int | None = None
    remaining_requests: int | None = None
    reset_requests_s: float | None = None
    limit_tokens: int | None = None
    remaining_tokens: int | None = None
    reset_tokens_s: float | None = None
    requests_s: float = 86_400.0


@final
class Text(Struct, frozen=True):
    text: str
    index: int = 0


@final
class Reasoning(Struct, frozen=True):
    text: str
    index: int = 0


@final
class Refusal(Struct, frozen=True):
    """Why there is no answer, or no more of it: in the model's words, unless `word` is there.

    That is the provider's own word for it (`SAFETY`); `of_prompt` tells that it had not begun.
    """

    text: str
    index: int = 0
    word: str | None = None
    of_prompt: bool = False


@final
class Signature(Struct, frozen=True):
    """What the provider wants to see again with the text before it; nothing to show."""

    value: str
    index: int = 0


@final
class ToolCall(Struct, frozen=True):
    """A tool call or a piece of one; pieces of one call share `key` and their arguments add up.

    `key` is whatever the provider tells calls apart by; `id` is the provider's own or None.
    `arguments` is JSON text. `extra` is emitted beside `function` (thought signatures).
    """

    key: str | int
    name: str = ""
    arguments: str = ""
    id: str | None = None
    extra: Json | None = None
    index: int = 0


@final
class Media(Struct, frozen=True):
    """An image or a piece of audio in the answer; `data` is base64.

    `signature` is what the provider wants to see again with it.
    """

    mime_type: str
    data: str
    index: int = 0
    signature: str | None = None


@final
class Annotation(Struct, frozen=True):
    """One entry of OpenAI's `message.annotations`."""

    value: Json
    index: int = 0


def url_citation(
    url: str, title: object, index: int = 0, *, start: int = 0, end: int = 0
) -> Annotation:
    """A page that an answer rests on; where nobody says which words do, their places are 0."""
    cited: Json = {"url": url, "title": title if isinstance(title, str) else ""}
    cited |= {"start_index": start, "end_index": end}
    return Annotation({"type": "url_citation", "url_citation": cited}, index)


@final
class Logprobs(Struct, frozen=True):
    """Entries of OpenAI's `logprobs.content`."""

    content: Sequence[Json]
    index: int = 0


@final
class Finish(Struct, frozen=True):
    """The end of a choice, in OpenAI's words: stop, length, tool_calls, content_filter."""

    reason: str
    index: int = 0


@final
class Usage(Struct, frozen=True):
    """Token counts in OpenAI's sense: `completion` holds the reasoning tokens, `prompt` the cached.

    `extra` is kept beside them in the answer (Groq's queue_time and the like). `loading_s` is for
    how long the model had to be loaded first.
    """

    prompt: int = 0
    completion: int = 0
    reasoning: int | None = None
    cached: int | None = None
    extra: Json | None = None
    loading_s: float = 0


@final
class Warn(Struct, frozen=True):
    """A word for `x-pointsman-warnings` that only the answer could tell (`rescued=tool_calls`)."""

    word: str


Event = (
    Text
    | Reasoning
    | ToolCall
    | Finish
    | Usage
    | Start
    | RateLimits
    | Refusal
    | Media
    | Annotation
    | Logprobs
    | Signature
    | Warn
)
CONTENT_EVENTS = (Text, Reasoning, ToolCall, Finish, Refusal, Media, Annotation, Logprobs)
"""The events that commit an answer: from the first of them on nothing may rotate any more."""
_CONTENT = frozenset(CONTENT_EVENTS)


def has_content(events: Iterable[Event]) -> bool:
    """Whether any of the events commits the answer."""
    return not _CONTENT.isdisjoint(map(type, events))
