"""Any server that speaks as OpenAI does: a cloud by its key, one of the user's own by its address.

No SDK stands in between: what such a server needs is an address and a bearer's key, which a test
holds to what OpenAI's own SDK sends.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from functools import cached_property
from typing import Any, ClassVar

from adapters.base import (
    Capabilities,
    ChatRequest,
    ErrorKind,
    Event,
    Memory,
    Model,
    NativeCall,
    ProviderSettings,
    Scope,
)
from adapters.child import Line
from adapters.compatible.answer import AnswerReader
from adapters.compatible.dialect import CompatibleDialect
from adapters.compatible.errors import House
from adapters.compatible.messages import Taken
from adapters.compatible.models import models_of
from adapters.errors import unsent
from adapters.openai.embeddings import to_native_embedding, vectors_of
from adapters.openai.lessons import TWINS, given, readings
from adapters.openai.media import MediaMethods
from adapters.openai.request import to_native
from adapters.openai.settings import KIND, OpenAISettings
from adapters.refusals.lessons import Lessons
from adapters.tasks import EmbeddingRequest
from adapters.translation.functions import with_own_names
from adapters.translation.rescue import with_written_calls
from adapters.upstream import Upstream
from adapters.wire.ceiling import Ceilings
from adapters.wire.native import exchange
from adapters.wire.whole import VectorsAnswer

MOST_MENDED = 16
"""How often a call is mended: some houses name one thing at a time."""


class OpenAIAdapter(MediaMethods):
    """One server; its profile tells what it takes."""

    Settings: ClassVar[type[ProviderSettings]] = OpenAISettings

    def __init__(self, settings: OpenAISettings, upstream: Upstream, memory: Memory) -> None:
        super().__init__(settings, upstream)
        self._own = settings
        self._profile = profile = settings.of
        self.title = settings.titled(profile.title)
        self.local = profile.local
        self.embedding_model = profile.embedding
        says = profile.title.partition(" (")[0]
        self._house = House(KIND, says, f"{KIND.upper()}_API_KEY", self._secret, profile.limits)
        self._taken = Taken(
            KIND,
            says,
            names=profile.names,
            audio=profile.audio,
            files=profile.files,
            thoughts=lambda model: profile.thoughts or given(self._lessons.known.get(model, ())),
        )
        self._ceilings = Ceilings(profile.max_tokens, other=TWINS[profile.max_tokens])
        self._lessons = Lessons(readings, MOST_MENDED)
        self._first = ""  # of the models that are listed

    @property
    def setup(self) -> str:
        if self._profile.needs_key:
            return f"set {self.settings.variable('api_key')}"
        return f"set {self.settings.variable('base_url')} to the address of its API"

    @cached_property
    def unconfigured(self) -> str | None:
        if self.settings.base_url is None:
            return f"{self.settings.variable('base_url')} is not set"
        if self._profile.needs_key and not self._secret:
            return f"{self.settings.variable('api_key')} is not set"
        return None

    def capabilities(self, model: str) -> Capabilities:
        profile = self._profile
        return Capabilities(
            image_urls=profile.image_urls,
            audio=profile.audio,
            n=profile.many,
            n_stream=profile.many,
            logprobs="logprobs" in profile.takes,
        )

    def to_native(self, request: ChatRequest) -> NativeCall:
        return self._fitted(to_native(request, self.settings, self._profile, self._taken), request)

    def chat(self, request: ChatRequest) -> AsyncGenerator[list[Event], None]:
        call = self.to_native(request)
        answer = self._exchange(call) if request.model else self._with_a_model(call)
        if not request.tools:
            return answer
        if self._profile.local and request.n == 1:  # whose models are not always understood
            one = request.parallel_tool_calls is False
            answer = with_written_calls(answer, call.body.get("tools") or (), one=one)
        return with_own_names(answer, request.tools)

    def _exchange(self, call: NativeCall) -> AsyncGenerator[list[Event], None]:
        answer = CompatibleDialect(self._house, AnswerReader())
        return exchange(self.where(call.path), call, answer, self._ceilings, self._lessons)

    async def _with_a_model(self, call: NativeCall) -> AsyncGenerator[list[Event], None]:
        """The answer of the first model there is, as none is set."""
        if not self._first:
            await self.models()
        if not self._first:
            message = "the server lists no model"
            raise unsent(KIND, ErrorKind.MODEL_MISSING, message, scope=Scope.MODEL)
        known = self._lessons.kept(call.but({**call.body, "model": self._first}))
        async with contextlib.aclosing(self._exchange(known)) as batches:
            async for batch in batches:
                yield batch

    def to_native_embedding(self, request: EmbeddingRequest) -> NativeCall:
        return to_native_embedding(request)

    def embed(self, request: EmbeddingRequest) -> AsyncGenerator[list[Any], None]:
        call = self.to_native_embedding(request)
        return self.ask(call, VectorsAnswer(KIND, request, self.refused, vectors_of))

    async def models(self) -> list[Model]:
        models = await self.listed(self._profile.list_url or "/models", models_of)
        self._ceilings.listed(models)
        self._first = next((model.id for model in models if model.chat), "")
        return models

    @cached_property
    def line(self) -> Line:
        key = {"authorization": f"Bearer {self._secret}"} if self._secret else {}
        own = {"user-agent": "pointsman", "accept": "application/json"}
        return Line(self.settings.base_url or "", {**key, **own})
