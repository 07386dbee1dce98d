"""What the proxy and its adapters say to each other: a request, events, an error, an adapter.

The request keeps OpenAI's own names, since that is the language the client speaks already. The
answer is a row of small events; only a door (`proxy/doors/`) turns them into objects and chunks.
What is made for every request or chunk is a `Struct`: a frozen dataclass takes seven times as long.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from msgspec import Struct
from msgspec.structs import replace

from adapters.configured import (
    PLACEHOLDER_KEYS as PLACEHOLDER_KEYS,
    ProviderSettings as ProviderSettings,
    is_placeholder as is_placeholder,
    variable as variable,
)
from adapters.errors import (
    AdapterError as AdapterError,
    Cannot as Cannot,
    ErrorCode as ErrorCode,
    ErrorKind as ErrorKind,
    Phase as Phase,
    Scope as Scope,
)
from adapters.events import (
    CONTENT_EVENTS as CONTENT_EVENTS,
    Annotation as Annotation,
    Event as Event,
    Finish as Finish,
    Json as Json,
    Logprobs as Logprobs,
    Media as Media,
    RateLimits as RateLimits,
    Reasoning as Reasoning,
    Refusal as Refusal,
    Signature as Signature,
    Start as Start,
    Text as Text,
    ToolCall as ToolCall,
    Usage as Usage,
    Warn as Warn,
    has_content as has_content,
)

if TYPE_CHECKING:
    from adapters.upstream import Upstream


MAX_TEXTS = 100
"""Of which vectors are made in one call: more is split before an adapter is asked."""
TOOLS = "tools."
"""In `extensions`, before the kind of a tool that the provider runs, or else leaves out."""
SEARCH = TOOLS + "web_search"
SWITCHES = frozenset({"thinking", "enable_thinking", "thinking_budget", "chat_template_kwargs"})
"""In `extensions`: thinking as others switch it, of which `ChatRequest.thinking` is made."""
USER = "metadata.user_id"
"""In `extensions`: who asks, for a provider that wants to know. All others need not say a word."""
MISSING_RESULT = "no result supplied"
"""What stands for the result of a call whose history was cut short."""
_MODEL_IN_PATH = re.compile("/models?/([^/:]+)")

# -- in ---------------------------------------------------------------------------------------


class ResponseFormat(Struct, frozen=True):
    """`response_format`, with the schema taken out of its OpenAI wrapping; None for plain JSON."""

    schema: Json | None = None
    name: str = "response"
    description: str | None = None
    strict: bool | None = None


class Thinking(Struct, frozen=True):
    """How much a model should think, in whichever of the dialects the client said it.

    `effort` is OpenAI's word (none … max), `budget_tokens` a number where one was given;
    `include` tells whether the thoughts are wanted back (None: as the provider does by itself).
    """

    effort: str | None = None
    budget_tokens: int | None = None
    include: bool | None = None


class ChatRequest(Struct, frozen=True):
    """A chat completion as the client asked for it, checked, and free of OpenAI's older spellings.

    - `messages`: roles system, user, assistant, tool only; every `tool` message has a
      `tool_call_id`; `content` is a string, a list of parts, or None.
    - `tools`: function tools only, already narrowed to `tool_choice.allowed_tools`.
    - `tool_choice`: auto, none, required, or None when not given; a named function is
      `required` together with `forced_tool`.
    - `params`: the other parameters of OpenAI, under OpenAI's names, never null.
    - `extensions`: every top-level key that OpenAI does not define.

    Nothing in it is to be changed: a rotation hands the same request to the next adapter.
    """

    model: str
    messages: Sequence[Json]
    stream: bool = False
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    tools: Sequence[Json] = ()
    tool_choice: str | None = None
    forced_tool: str | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    thinking: Thinking = Thinking()
    params: Mapping[str, Any] = {}
    extensions: Mapping[str, Any] = {}


def is_plain(message: Json) -> bool:
    """Whether a message is a role and a text, and nothing else, as nearly all are."""
    content = message.get("content")
    return type(content) is str and content != "" and len(message) == 2


class NativeCall(Struct, frozen=True):
    """The request in the provider's own language: what would be sent, and what was lost on the way.

    `path` is relative to the provider's base URL. `warnings` are words for
    `x-pointsman-warnings`, such as `dropped=logit_bias` or `emulated=tool_choice`. `content` is
    sent in place of `body` where that is no JSON.
    """

    method: str
    path: str
    body: Json
    warnings: tuple[str, ...] = ()
    stream: bool = False
    content: bytes | Sequence[bytes | memoryview] | None = None

    @property
    def model(self) -> str:
        """The name of the model that is called: in the body, or in the path; else empty."""
        if isinstance(named := self.body.get("model"), str):
            return named
        found = _MODEL_IN_PATH.search(self.path)
        return found[1] if found else ""

    def but(self, body: Json, *words: str) -> NativeCall:
        """The same with another body, and more words for what is lost by that."""
        return replace(self, body=body, warnings=(*self.warnings, *words))


# -- an adapter -------------------------------------------------------------------------------


class Capabilities(Struct, frozen=True):
    """What a model can do. True also where nobody knows: the provider then has the last word.

    `image_urls` is False where an image must come as bytes, so that the proxy fetches it first.
    `insert` is to fill in between two texts. What `hands_on` is not answered where it is asked, but
    handed on to a cloud.
    `image_types` are the media types of pictures that it surely takes, None where that is unknown;
    `tries_images` tells whether it may take others.
    `caches` tells whether a request may go on from contents that the provider keeps.
    `texts_at_once` is of how many texts one call makes vectors.
    `n` tells whether several choices can be had in one plain call, `n_stream` in one stream.
    """

    tools: bool = True
    images: bool = True
    image_urls: bool = False
    insert: bool = False
    hands_on: bool = False
    image_types: frozenset[str] | None = None
    tries_images: bool = True
    audio: bool = True
    files: bool = True
    json_schema: bool = True
    n: bool = False
    n_stream: bool = False
    logprobs: bool = True
    thinking: bool = True
    caches: bool = False
    context: int | None = None
    texts_at_once: int = MAX_TEXTS


@dataclass(frozen=True, slots=True)
class Model:
    """One row of a provider's list of models; `created` in Unix seconds, 0 if not stated.

    `chat` is False where it is known that the model answers no chat, `free` where it is known that
    whoever has set up nothing but the provider has to pay for it, `embeds` that it makes vectors.
    `most_output` is how many tokens it answers with at most.
    """

    id: str
    created: int = 0
    owned_by: str = ""
    context: int | None = None
    chat: bool = True
    free: bool = True
    most_output: int | None = None
    embeds: bool = False


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a provider answers now, and if not, why and what to do about it."""

    reachable: bool
    detail: str = ""
    error: AdapterError | None = field(default=None, compare=False)


async def availability(provider: str, asked: Awaitable[object]) -> Availability:
    """Whether the provider answers what it is `asked`."""
    try:
        await asked
    except AdapterError as error:
        return Availability(reachable=False, detail=error.at(provider).message, error=error.but())
    return Availability(reachable=True)


class Memory(Protocol):
    """A small table that outlives a request: thought signatures by tool-call id."""

    def get(self, key: str) -> str | None: ...
    def put(self, key: str, value: str) -> None: ...


@runtime_checkable
class Loads(Protocol):
    """An adapter whose models are loaded on demand."""

    async def is_loaded(self, model: str) -> bool | None:
        """Whether the model is in memory; None where nobody knows."""

    async def load(self, model: str) -> None:
        """Return once it is. Raises AdapterError."""


@runtime_checkable
class Learns(Protocol):
    """An adapter whose server says what a model can do."""

    async def learn(self, request: ChatRequest) -> None:
        """Ask, where that decides about the request and is not known yet."""


class Adapter(Protocol):
    """One provider. `chat` yields the events of each network read together, as one list.

    A list a read, and not event by event, so that chunks which arrived together leave together.
    `last_resort` is True for the one that only stands in while nothing has been set up.
    """

    last_resort: ClassVar[bool]
    Settings: ClassVar[type[ProviderSettings]]

    settings: ProviderSettings

    def __init__(self, settings: Any, upstream: Upstream, memory: Memory) -> None: ...

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str:
        """Its name for people."""

    @property
    def local(self) -> bool:
        """Whether it is the user's own: no cloud, no key, no price."""

    @property
    def setup(self) -> str:
        """What a user does to get it going, in a few words."""

    @property
    def unconfigured(self) -> str | None:
        """Why this provider cannot be used as it is set up now ("GROQ_API_KEY is not set")."""

    def capabilities(self, model: str) -> Capabilities: ...

    def to_native(self, request: ChatRequest) -> NativeCall:
        """The call that `request` becomes; pure. Raises AdapterError for what it cannot become."""

    def chat(self, request: ChatRequest) -> AsyncGenerator[list[Event], None]: ...
    async def models(self) -> list[Model]: ...
    async def is_available(self) -> Availability: ...
    async def close(self) -> None: ...
