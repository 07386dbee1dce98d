"""What may be asked of an adapter besides a chat: a neutral request and a small protocol each.

An adapter fulfils those that its provider can do, by a method and the pure conversion behind it.
Beside the events of `base`, the answers hold one of their own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol, final, runtime_checkable

from msgspec import Struct
from msgspec.structs import replace

from adapters.base import MAX_TEXTS as MAX_TEXTS, ChatRequest, NativeCall
from adapters.events import Json


class CompletionRequest(ChatRequest, frozen=True):
    """A prompt as the only message of a user, so that whoever can chat can answer it.

    `suffix` is what comes behind the text that is wanted. Of several `prompts` each is answered by
    itself; `messages` then hold the first.
    """

    suffix: str | None = None
    prompts: Sequence[str] = ()


SPOKEN = (ChatRequest, CompletionRequest)
"""What is answered in words, one after the other."""


def with_prompts(request: CompletionRequest, prompts: Sequence[str]) -> CompletionRequest:
    """The same of other prompts."""
    messages = [{"role": "user", "content": prompts[0]}]
    return replace(request, messages=messages, prompts=tuple(prompts))


class EmbeddingRequest(Struct, frozen=True):
    """Texts whose vectors are asked for, all of one model.

    - `dimensions`: how long the vectors must be; `expected`: how long they should be where the
      model can have any length.
    - `task`, `title`: what they are for, in Google's words (RETRIEVAL_DOCUMENT), and of what.
    - `truncate`: whether a text that is too long is cut, and not refused.
    - `extensions`: every top-level key that OpenAI does not define.
    """

    model: str
    texts: Sequence[str]
    dimensions: int | None = None
    expected: int | None = None
    task: str | None = None
    title: str | None = None
    truncate: bool = False
    extensions: Mapping[str, Any] = {}


@final
class Vectors(Struct, frozen=True):
    """The vectors of texts, in their order."""

    values: Sequence[Sequence[float]]


@runtime_checkable
class Prepares(Protocol):
    """An adapter that has something to make which no request waits for."""

    async def prepare(self) -> None:
        """Make it, if that has not been done."""


@runtime_checkable
class Counts(Protocol):
    """An adapter whose provider tells, at no price, how many tokens its model sees."""

    async def count_tokens(self, request: ChatRequest) -> int:
        """Those of what would be asked. Raises AdapterError."""


@runtime_checkable
class Embeds(Protocol):
    """An adapter that makes vectors of texts; `embedding_model` does it where none is named."""

    @property
    def embedding_model(self) -> str: ...

    def to_native_embedding(self, request: EmbeddingRequest) -> NativeCall:
        """The call that `request` becomes; pure. Raises AdapterError for what it cannot become."""

    def embed(self, request: EmbeddingRequest) -> AsyncGenerator[list[Any], None]:
        """Events with one `Vectors` among them, for no more texts than it takes at once."""


class TranscriptionRequest(Struct, frozen=True):
    """Speech whose words are asked for, in a file as the client has it.

    - `times`: which of "segment" and "word" are to be told with their times, if any.
    - `prompt`: words that may come in it.
    """

    model: str
    audio: memoryview
    file_name: str
    mime_type: str
    language: str | None = None
    prompt: str | None = None
    temperature: float | None = None
    times: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


class TranslationRequest(TranscriptionRequest, frozen=True):
    """The same, and the words in English."""


@final
class Heard(Struct, frozen=True):
    """What was said. Segments and words are OpenAI's objects; seconds where they were told."""

    text: str
    language: str | None = None
    duration_s: float | None = None
    segments: Sequence[Json] = ()
    words: Sequence[Json] = ()


@runtime_checkable
class Hears(Protocol):
    """An adapter that writes down what is said."""

    def hearing_model(self, *, translates: bool) -> str:
        """The model that does it where none is named; "" if there must be one."""

    def to_native_hearing(self, request: TranscriptionRequest) -> NativeCall:
        """The call that `request` becomes; pure. Raises AdapterError for what it cannot become."""

    def hear(self, request: TranscriptionRequest) -> AsyncGenerator[list[Any], None]:
        """Events with one `Heard` among them."""


class SpeechRequest(Struct, frozen=True):
    """A text to be spoken. `voice` is OpenAI's name of one, or the provider's own.

    `manner` tells in words how; `form` what the sound becomes when it is there, "" for MP3 where
    that can be made.
    """

    model: str
    text: str
    voice: str
    form: str = ""
    manner: str | None = None
    dropped: tuple[str, ...] = ()


@final
class Spoken(Struct, frozen=True):
    """Sound: samples of 16 bits, the lowest byte first, of one channel."""

    samples: bytes
    rate_hz: int = 24_000


@runtime_checkable
class Speaks(Protocol):
    """An adapter that speaks; `speaking_model` does it where none is named ("": one must be)."""

    @property
    def speaking_model(self) -> str: ...

    def to_native_speech(self, request: SpeechRequest) -> NativeCall:
        """The call that `request` becomes; pure. Raises AdapterError for what it cannot become."""

    def speak(self, request: SpeechRequest) -> AsyncGenerator[list[Any], None]:
        """Events with `Spoken` among them, whose samples follow one another."""


class PictureRequest(Struct, frozen=True):
    """Pictures to be made. `aspect` is their form as Google writes it (16:9), if one is asked;
    `size` what the client said of that. `sources` are pictures to make them of, as data URIs.
    """

    model: str
    prompt: str
    n: int = 1
    aspect: str | None = None
    size: str | None = None
    dropped: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@runtime_checkable
class Paints(Protocol):
    """An adapter that makes pictures.

    `painting_model` does it where none is named ("": one must be).
    """

    @property
    def painting_model(self) -> str: ...

    def to_native_picture(self, request: PictureRequest) -> NativeCall:
        """The call that `request` becomes; pure. Raises AdapterError for what it cannot become."""

    def paint(self, request: PictureRequest) -> AsyncGenerator[list[Any], None]:
        """Events with a `Media` for each picture of one call among them."""
