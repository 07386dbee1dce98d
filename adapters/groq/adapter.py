"""Groq: the adapter, its settings, and what its errors mean.

The SDK's client gives URL and headers, once; the request path sends our own body over the shared
transport (see `native`).
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import ClassVar

import httpx
from pydantic import Field

from adapters.base import Capabilities, ChatRequest, Memory, Model, NativeCall
from adapters.child import Line
from adapters.compatible.dialect import CompatibleDialect
from adapters.compatible.errors import House, error_object, text_of
from adapters.compatible.models import models_of
from adapters.configured import ProviderSettings
from adapters.errors import AdapterError, ErrorKind
from adapters.events import Event, Json
from adapters.groq.answer import GroqReader
from adapters.groq.audio import GroqAudio
from adapters.groq.lessons import readings
from adapters.groq.line import known, line
from adapters.groq.models import LEAST_CONTEXT, PROVIDER, SPEECH_MODELS, TEXT_ONLY_MODELS
from adapters.groq.request import ROOT, thinks, to_native
from adapters.kind import SdkKind
from adapters.refusals.lessons import Lessons
from adapters.translation.functions import with_own_names
from adapters.translation.rescue import rescued
from adapters.upstream import Upstream
from adapters.wire.bounds import items
from adapters.wire.ceiling import Ceilings
from adapters.wire.native import exchange

IMAGE_TYPES = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp"))
_PATH = re.compile(r"(/openai)?(/v1)?(/chat/completions)?/*$")


class GroqSettings(ProviderSettings):
    """`GROQ_*`; without a base URL the SDK's own holds."""

    kind: ClassVar[str] = PROVIDER
    careful_requests_per_minute: ClassVar[int | None] = 2
    public_url: ClassVar[str | None] = "https://api.groq.com"

    model: str = Field(default="openai/gpt-oss-120b", max_length=128)
    rate_limit_requests_per_minute: int | None = Field(default=30, ge=1)


class GroqAdapter(GroqAudio, SdkKind):
    """Groq's chat completions, https://console.groq.com/docs/api-reference."""

    called = "Groq (Cloud)"
    Settings: ClassVar[type[ProviderSettings]] = GroqSettings

    def __init__(self, settings: ProviderSettings, upstream: Upstream, memory: Memory) -> None:
        super().__init__(settings, upstream)
        key_name = settings.variable("api_key")
        self.setup = f"set {key_name} (a free key: https://console.groq.com/keys)"
        self._ceilings = Ceilings("max_completion_tokens")
        self._lessons = Lessons(readings)
        self._house = house(self._secret)

    def capabilities(self, model: str) -> Capabilities:
        return Capabilities(
            tools="guard" not in model,
            images=not model.startswith(TEXT_ONLY_MODELS),
            image_urls=True,
            image_types=IMAGE_TYPES,
            audio=False,
            logprobs=False,
            thinking=thinks(model),
        )

    def to_native(self, request: ChatRequest) -> NativeCall:
        return self._fitted(to_native(request, self.settings), request)

    def chat(self, request: ChatRequest) -> AsyncGenerator[list[Event], None]:
        call = self.to_native(request)
        dialect = GroqDialect(call, self._house)
        answer = exchange(self.where(call.path), call, dialect, self._ceilings, self._lessons)
        return with_own_names(answer, request.tools) if request.tools else answer

    async def models(self) -> list[Model]:
        models = await self.listed(f"{ROOT}/models", _models)
        self._ceilings.listed(models)
        return models

    def _known_line(self) -> Line:
        return known(self._secret, base_url=self._root)

    def _sdks_line(self) -> Line:
        return line(self._secret, base_url=self._root)

    @property
    def _root(self) -> str | None:
        # Many write the base URL that OpenAI's clients want; Groq's own adds this path by itself.
        base_url = self.settings.base_url
        return base_url and _PATH.sub("", base_url)


def _models(answer: Json) -> list[Model]:
    rows = answer["data"]
    served = rows and [row for row in items(rows) if row.get("active") is not False]
    return [replace(model, chat=_chats(model)) for model in models_of({"data": served})]


def _chats(model: Model) -> bool:
    is_small = model.context is not None and 0 < model.context < LEAST_CONTEXT
    return not is_small and not any(part in model.id for part in SPEECH_MODELS)


class GroqDialect(CompatibleDialect):
    """How one answer of Groq is read."""

    def __init__(self, call: NativeCall, house: House) -> None:
        super().__init__(house, GroqReader())
        self._body = call.body

    def refusal(self, response: httpx.Response) -> AdapterError | list[Event]:
        """Groq's calls come to nothing now and then, and lie in the error as text."""
        written = text_of(error_object(response.content).get("failed_generation"))
        one = self._body.get("parallel_tool_calls") is False
        calls = rescued(written, self._body.get("tools") or (), one=one)
        return calls or super().refusal(response)


def house(secret: str) -> House:
    """Whose refusals these are."""
    wrong = ErrorKind.MALFORMED_ANSWER  # what the model wrote does not fit its schema
    return House(PROVIDER, "Groq", "GROQ_API_KEY", secret, unprocessable=wrong)
