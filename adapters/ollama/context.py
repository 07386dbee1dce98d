"""How much of a prompt an Ollama server keeps: estimates, context sizes, what a model can do.

A server cuts the oldest messages off a prompt that is longer than `num_ctx`, and says nothing. So
`num_ctx` is sized to the prompt, `truncate: false` turns a cut into an error, and the token count
of the answer is compared with what must have been in the prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from msgspec import Struct

from adapters.base import ChatRequest
from adapters.events import Json
from adapters.tasks import CompletionRequest
from adapters.wire.pieces import sliced

DEFAULT_NUM_CTX = 4096  # the least that a server gives a model by itself
BYTES_PER_TOKEN = 3.5  # fewer than most tokenizers make of most texts: room to spare
CHARS_PER_TOKEN_AT_MOST = 5.0
MEDIA = ("image_url", "input_audio")
MEDIA_TOKENS = 1024  # an image is 768 at the server's own count, more with newer encoders
MESSAGE_TOKENS = 8  # role marks of a template
EXPECTED_OUTPUT = 2048
MAX_EXPECTED_OUTPUT = 8192  # apps send max_tokens of 100,000 and use a hundredth of it
WORTH_CHECKING_TOKENS = 2048


@dataclass(slots=True)
class ModelFacts:
    """What is known of one model; None where nobody has said yet.

    `asked` is True once the server has answered `/api/show`, whatever it said. `num_ctx` is the
    largest context the model has been loaded with: asking for less would load it anew.
    """

    asked: bool = False
    capabilities: frozenset[str] | None = None
    context: int | None = None
    num_ctx: int = 0
    refuses_thinking: bool = False

    def can(self, capability: str) -> bool | None:
        """Whether the model can do it, in Ollama's words: tools, vision, audio, insert."""
        if capability == "thinking" and self.refuses_thinking:
            return False
        return None if self.capabilities is None else capability in self.capabilities

    def learn(
        self, capabilities: Sequence[str] | None, info: Mapping[str, Any] | None, parameters: str
    ) -> None:
        """Take in an answer of `/api/show`; `parameters` is the Modelfile's, one a line."""
        self.capabilities = frozenset(capabilities) if capabilities else None
        lengths = [
            length
            for key, length in (info or {}).items()
            if key.endswith(".context_length") and isinstance(length, int)
        ]
        self.context = max(lengths, default=None)
        for line in parameters.splitlines():
            match line.split():
                case ["num_ctx", number] if number.isdecimal():
                    self.num_ctx = max(self.num_ctx, int(number))


class Prompt(Struct, frozen=True):
    """How long a prompt is: about so many `tokens`, rather too many than too few.

    A count below `least_tokens` means that some of its text was left out. `media` are its images
    and pieces of audio.
    """

    tokens: int
    least_tokens: int
    media: int


def measured(request: ChatRequest) -> Prompt:
    """The length of the request's prompt."""
    texts: list[str] = []
    media = 0
    for message in request.messages:
        content = message.get("content")
        if type(content) is str:
            texts.append(content)
            if len(message) == 2:  # nothing but a role and a text, as nearly always
                continue
        elif content:
            texts += [part["text"] for part in content if isinstance(part.get("text"), str)]
            media += sum(part.get("type") in MEDIA for part in content)
        texts += _written(message)
    if type(request) is CompletionRequest and request.suffix is not None:
        texts.append(request.suffix)
    chars = sum(map(len, texts))
    size = chars if all(map(str.isascii, texts)) else sum(map(_size, texts))
    if request.tools:
        size += len(orjson.dumps(list(request.tools)))
    around = MESSAGE_TOKENS * len(request.messages) + MEDIA_TOKENS * media
    return Prompt(
        tokens=int(size / BYTES_PER_TOKEN) + around,
        least_tokens=int(chars / CHARS_PER_TOKEN_AT_MOST),
        media=media,
    )


def names_num_ctx(request: ChatRequest) -> bool:
    """Whether the request itself says how large the context is to be."""
    extensions = request.extensions
    if not extensions:
        return False
    own = extensions.get("ollama") or {}
    blocks = (extensions, extensions.get("options"), own, own.get("options"))
    return any(isinstance(block, Mapping) and block.get("num_ctx") for block in blocks)


def expected_output(max_tokens: int | None) -> int:
    """Tokens to keep free for the answer."""
    return EXPECTED_OUTPUT if max_tokens is None else min(max_tokens, MAX_EXPECTED_OUTPUT)


def sized_num_ctx(need: int, facts: ModelFacts) -> int | None:
    """The context to ask for, or None where the server's own default does.

    Sizes double from 4096, for every change makes the server load the model anew; they never
    shrink again, and end at what the model was made for.
    """
    if need <= DEFAULT_NUM_CTX and not facts.num_ctx:
        return None
    size = max(DEFAULT_NUM_CTX, facts.num_ctx)
    while size < need:
        size *= 2
    return size if facts.context is None else min(size, facts.context)


def _written(message: Json) -> Iterator[str]:
    """The texts of a message beside its content: thoughts, and the arguments of calls."""
    for key in ("reasoning_content", "reasoning"):
        if isinstance(text := message.get(key), str):
            yield text
    for call in message.get("tool_calls") or ():
        if isinstance(text := call["function"].get("arguments"), str):
            yield text


def _size(text: str) -> int:
    return sum(len(piece.encode("utf-8", "replace")) for piece in sliced(text))
