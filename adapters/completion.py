"""What is asked where a text is to be gone on with, and not a conversation."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from adapters.base import ChatRequest


class CompletionRequest(ChatRequest, frozen=True):
    """A prompt as the only message of a user, so that whoever can chat can answer it.

    `suffix` is what comes behind the text that is wanted. Of several `prompts` each is answered by
    itself; `messages` then hold the first.
    """

    suffix: str | None = None
    prompts: Sequence[str] = ()


def with_prompts(request: CompletionRequest, prompts: Sequence[str]) -> CompletionRequest:
    """The same of other prompts."""
    messages = [{"role": "user", "content": prompts[0]}]
    return replace(request, messages=messages, prompts=tuple(prompts))
