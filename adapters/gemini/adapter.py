"""Google's Gemini, by its native API.

The SDK's client gives URL and headers, once; the chat goes as a body of our own through the shared
transport, since the SDK makes objects of every streamed chunk.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, ClassVar

import httpx
from msgspec.structs import replace

from adapters.base import (
    Availability,
    Capabilities,
    ChatRequest,
    Memory,
    Model,
    NativeCall,
    availability,
)
from adapters.child import Line
from adapters.configured import ProviderSettings
from adapters.contents import contents_of
from adapters.errors import AdapterError, Phase
from adapters.events import Event, Json, Usage
from adapters.gemini import counting, embeddings
from adapters.gemini.answer import MISSING_SIGNATURE, GeminiAnswer
from adapters.gemini.errors import NAME, refusal
from adapters.gemini.lessons import readings
from adapters.gemini.line import known, line
from adapters.gemini.media import MediaMethods
from adapters.gemini.messages import sign
from adapters.gemini.request import to_native
from adapters.gemini.settings import GeminiSettings as GeminiSettings
from adapters.gemini.thinking import thinks
from adapters.gemini.tools import declared
from adapters.kind import pages
from adapters.refusals.lessons import Lessons
from adapters.tasks import EmbeddingRequest
from adapters.upstream import Upstream
from adapters.wire.aside import LARGE_BYTES, aside
from adapters.wire.bounds import count, items
from adapters.wire.ceiling import Ceilings
from adapters.wire.native import exchange, or_else
from adapters.wire.whole import VectorsAnswer

IMAGE_TYPES = frozenset(f"image/{kind}" for kind in ("png", "jpeg", "webp", "heic", "heif"))
PAID = "pro"
"""In the name of a model, it says that no free tier has it."""

MOST_MENDED = 2
"""Gemma refuses JSON and instructions one after the other."""


class GeminiAdapter(MediaMethods):
    """Gemini behind the `Adapter` protocol."""

    called = "Gemini (Cloud)"
    Settings: ClassVar[type[ProviderSettings]] = GeminiSettings
    embedding_model = embeddings.MODEL

    def __init__(self, settings: GeminiSettings, upstream: Upstream, memory: Memory) -> None:
        super().__init__(settings, upstream)
        self.setup = (
            f"set {settings.variable('api_key')} (a free key: https://aistudio.google.com/apikey)"
        )
        self._memory = memory
        self._own = settings
        self._ceilings = Ceilings("generationConfig", "maxOutputTokens")
        self._lessons = Lessons(readings, MOST_MENDED)

    def capabilities(self, model: str) -> Capabilities:
        speaks_only = "-tts" in model
        return Capabilities(
            tools=not speaks_only,
            images=not speaks_only,
            image_types=IMAGE_TYPES,
            tries_images=False,
            n=True,
            caches=True,
            thinking=thinks(model),
        )

    def to_native(self, request: ChatRequest) -> NativeCall:
        return self._fitted(to_native(request, self._own, self._memory), request)

    def chat(self, request: ChatRequest) -> AsyncGenerator[list[Event], None]:
        call = self.to_native(request)
        if contents_of(request.messages).has_calls:
            return or_else(self._exchange(request, call), partial(self._signed, request, call))
        return self._exchange(request, call)

    def _signed(
        self, request: ChatRequest, call: NativeCall, error: AdapterError
    ) -> AsyncGenerator[list[Event], None] | None:
        """The same once more where the signatures of earlier calls were missing."""
        if error.upstream_code != MISSING_SIGNATURE or error.phase is Phase.AFTER_CONTENT:
            return None
        signed = sign(call.body["contents"])
        if signed == call.body["contents"]:
            return None
        body = {**call.body, "contents": signed}
        call = replace(call, body=body, warnings=("emulated=thought_signature",))
        return self._exchange(request, call)

    def _exchange(
        self, request: ChatRequest, call: NativeCall
    ) -> AsyncGenerator[list[Event], None]:
        answer = GeminiAnswer(
            declared(request) if request.tools else {},
            self._memory,
            choices=request.n,
            asked=request.messages,
            first_call_only=request.parallel_tool_calls is False,
            bare_audio=(request.params.get("audio") or {}).get("format") == "pcm16",
            secret=self._secret,
        )
        return exchange(self.where(call.path), call, answer, self._ceilings, self._lessons)

    def to_native_embedding(self, request: EmbeddingRequest) -> NativeCall:
        return embeddings.to_native(request, self._own.api_version)

    def embed(self, request: EmbeddingRequest) -> AsyncGenerator[list[Any], None]:
        call = self.to_native_embedding(request)
        read = partial(embeddings.vectors_of, request.model, call)
        return self.ask(call, VectorsAnswer(NAME, request, self.refused, read))

    async def count_tokens(self, request: ChatRequest) -> int:
        call = counting.to_native(await aside(LARGE_BYTES + 1, self.to_native, request))
        told = self.ask(call, counting.Counted(NAME, self.refused))
        async with contextlib.aclosing(told):
            events = [event async for batch in told for event in batch]
        return sum(event.prompt for event in events if isinstance(event, Usage))

    def refused(self, response: httpx.Response) -> AdapterError:
        return refusal(response, secret=self._secret)

    def _known_line(self) -> Line:
        return known(self._secret, base_url=_root(self.settings.base_url))

    def _sdks_line(self) -> Line:
        root, version = _root(self.settings.base_url), self._own.api_version
        timeout_s = self.settings.timeout
        return line(self._secret, base_url=root, api_version=version, timeout_s=timeout_s)

    async def models(self) -> list[Model]:
        page = partial(self._page, pageSize="1000")
        models = [model async for more in pages(page, "pageToken") for model in more]
        self._ceilings.listed(models)
        return models

    async def is_available(self) -> Availability:
        return await availability(self.name, self._page(pageSize="1"))

    async def _page(self, **query: str) -> tuple[list[Model], Any]:
        return await self.listed(f"/{self._own.api_version}/models", _page, **query)


def _page(answer: Json) -> tuple[list[Model], Any]:
    models = [model for row in items(answer.get("models")) if (model := _model(row))]
    return models, answer.get("nextPageToken")


def _model(row: Any) -> Model | None:
    """A row of the list, if the model can chat or makes vectors."""
    if not isinstance(row, dict) or not isinstance(name := row.get("name"), str):
        return None
    methods = row.get("supportedGenerationMethods")
    if not isinstance(methods, list):
        return None
    chats, embeds = "generateContent" in methods, "embedContent" in methods
    if not (chats or embeds):
        return None
    return Model(
        id=name.removeprefix("models/"),
        owned_by="google",
        context=count(row.get("inputTokenLimit")),
        most_output=count(row.get("outputTokenLimit")),
        chat=chats,
        embeds=embeds,
        free=PAID not in name.split("-"),
    )


def _root(base_url: str | None) -> str | None:
    """Without the version that many write behind it: the SDK adds it by itself."""
    return base_url and re.sub(
        r"/v1(alpha|beta)?(/openai(/chat/completions)?|/models([/:].*)?)?/*$", "", base_url
    )
