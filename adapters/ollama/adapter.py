"""Ollama, on this machine or another, by its native API.

The SDK's client gives URL and headers, once. The chat goes as a body of our own through the shared
transport: the SDK's typed messages drop tool-call ids and most of a tool's schema.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import httpx
import orjson
from msgspec.structs import replace

from adapters.base import Availability, Capabilities, ChatRequest, Memory, Model, NativeCall
from adapters.child import Line
from adapters.configured import ProviderSettings
from adapters.errors import BEFORE_CONTENT, AdapterError, ErrorKind, Phase
from adapters.events import Event
from adapters.kind import SdkKind
from adapters.ollama import embeddings
from adapters.ollama.answer import Answer
from adapters.ollama.context import (
    DEFAULT_NUM_CTX,
    ModelFacts,
    Prompt,
    expected_output,
    measured,
    names_num_ctx,
)
from adapters.ollama.errors import CURE, NAME, refusal
from adapters.ollama.generate import by_generate
from adapters.ollama.host import CLOUD_MODELS
from adapters.ollama.line import known, line
from adapters.ollama.models import models_of
from adapters.ollama.request import to_native
from adapters.ollama.settings import OllamaSettings as OllamaSettings
from adapters.tasks import EmbeddingRequest
from adapters.translation.rescue import with_written_calls
from adapters.upstream import HOP, Content, Reply, Target, Upstream, timeouts
from adapters.wire.aside import LARGE_BYTES, aside
from adapters.wire.broken import transport_error
from adapters.wire.ceiling import Ceilings
from adapters.wire.native import UNREADABLE, exchange
from adapters.wire.whole import VectorsAnswer

ASK_TIMEOUT_S = 1.0  # for facts that are good to have: nobody waits longer for them
IMAGE_TYPES = frozenset(("image/png", "image/jpeg"))
"""What each of its engines reads; other kinds some of them."""
MAX_MODELS_KNOWN = 256
LOOP = 508


class OllamaAdapter(SdkKind):
    """Ollama behind the `Adapter` protocol."""

    called = "Ollama (Local)"
    setup = "start it with `ollama serve` and pull a model"
    local = True
    Settings: ClassVar[type[ProviderSettings]] = OllamaSettings
    embedding_model = embeddings.MODEL
    protocol = NAME

    def __init__(self, settings: OllamaSettings, upstream: Upstream, memory: Memory) -> None:
        super().__init__(settings, upstream)
        self._own = settings
        self._ceilings = Ceilings("options", "num_predict")
        self._facts: dict[str, ModelFacts] = {}

    @cached_property
    def unconfigured(self) -> str | None:
        if httpx.URL(self._own.url).host == "ollama.com" and self._own.api_key is None:
            return f"{self._own.variable('api_key')} is not set"
        return None

    def origin(self) -> tuple[str, Mapping[str, str]]:
        """Where the server is, and the headers by which it lets us in."""
        key = {"authorization": f"Bearer {self._secret}"} if self._secret else {}
        return self._own.url, {**key, HOP: self._upstream.hop}

    def capabilities(self, model: str) -> Capabilities:
        facts = self._facts_of(model)
        return Capabilities(
            tools=facts.can("tools") is not False,
            images=facts.can("vision") is not False,
            insert=facts.can("insert") is not False,
            hands_on=model.endswith(CLOUD_MODELS),
            image_types=IMAGE_TYPES,
            audio=facts.can("audio") is not False,
            thinking=facts.can("thinking") is not False,
            context=min(filter(None, (facts.context, self._own.num_ctx)), default=None),
        )

    def to_native(self, request: ChatRequest) -> NativeCall:
        return self._call(request, measured(request))

    def _call(self, request: ChatRequest, prompt: Prompt) -> NativeCall:
        call = to_native(request, self._own, self._facts_of(request.model), prompt)
        if request.extensions or type(request) is not ChatRequest:
            call = by_generate(request, call)
        return self._ceilings.fitted(call) if request.max_tokens or self._is_capped else call

    def chat(self, request: ChatRequest) -> AsyncGenerator[list[Event], None]:
        prompt = measured(request)
        facts = self._known(request.model)
        asks = not facts.asked and _facts_matter(request, prompt)
        if asks:
            return self._informed_chat(request, prompt, facts)
        return self._exchange(request, prompt, facts)

    async def learn(self, request: ChatRequest) -> None:
        facts = self._known(request.model)
        if not facts.asked and _facts_matter(request, measured(request)):
            await self._ask(request.model, facts)

    async def _informed_chat(
        self, request: ChatRequest, prompt: Prompt, facts: ModelFacts
    ) -> AsyncGenerator[list[Event], None]:
        """A chat for which is asked first what the model can do."""
        await self._ask(request.model, facts)
        told = await aside(LARGE_BYTES + 1, self._exchange, request, prompt, facts)
        async with contextlib.aclosing(told) as batches:
            async for batch in batches:
                yield batch

    def _exchange(
        self,
        request: ChatRequest,
        prompt: Prompt,
        facts: ModelFacts,
        call: NativeCall | None = None,
    ) -> AsyncGenerator[list[Event], None]:
        call = call or self._call(request, prompt)
        own_size = self._own.num_ctx is None and not names_num_ctx(request)
        answer = Answer(request, call, facts, prompt, own_size=own_size, secret=self._secret)
        events = exchange(self.where(call.path), call, answer, self._ceilings, answer)
        if not (tools := call.body.get("tools")):
            return events
        return with_written_calls(events, tools, one=request.parallel_tool_calls is False)

    def to_native_embedding(self, request: EmbeddingRequest) -> NativeCall:
        return embeddings.to_native(request, self._own.keep_alive)

    def embed(self, request: EmbeddingRequest) -> AsyncGenerator[list[Any], None]:
        def refused(response: httpx.Response) -> AdapterError:
            return embeddings.of_texts(self.refused(response, request.model))

        answer = VectorsAnswer(NAME, request, refused, embeddings.vectors_of)
        return self.ask(self.to_native_embedding(request), answer)

    def refused(self, response: httpx.Response, model: str = "") -> AdapterError:
        return refusal(response, model=model, secret=self._secret)

    async def models(self) -> list[Model]:
        return await self.listed("/api/tags", models_of)

    async def _asked(self, path: str, query: Mapping[str, str]) -> httpx.Response:
        try:
            return await super()._asked(path, query)
        except httpx.ConnectError as error:
            raise _unreachable(error, BEFORE_CONTENT) from error

    async def _fact(self, method: str, path: str, **body: Any) -> Any:
        """What the server tells soon. Raises AdapterError where it refuses, and what httpx and
        reading raise.
        """
        async with asyncio.timeout(ASK_TIMEOUT_S):
            response = await self._upstream.client.request(
                method,
                self.line.url + path,
                headers={**self.line.headers, HOP: self._upstream.hop},
                json=body or None,
                timeout=httpx.Timeout(**timeouts(ASK_TIMEOUT_S)),
                follow_redirects=False,
            )
        if response.status_code >= 300:
            raise self.refused(response, body.get("model", self._own.model))
        return orjson.loads(response.content)

    async def is_available(self) -> Availability:
        try:
            await self._fact("GET", "/api/version")
        except TimeoutError:
            return Availability(False, "no answer in time")
        except httpx.HTTPError as error:
            return Availability(False, _unreachable(error, BEFORE_CONTENT).at(self.name).message)
        except AdapterError as error:
            if error.status != LOOP:
                return Availability(False, error.at(self.name).message)
            url = self._own.url
            return Availability(False, f"{url} is this server itself: OLLAMA_BASE_URL names Ollama")
        except ValueError:  # whatever it says
            pass
        return Availability(True)

    async def is_loaded(self, model: str) -> bool | None:
        """Whether the server has the model in memory; None where it does not say."""
        if self.capabilities(model).hands_on:
            return None
        try:
            listed = (await self._fact("GET", "/api/ps"))["models"]
            names = {name for one in listed for name in (one.get("name"), one.get("model"))}
        except (AdapterError, httpx.HTTPError, TimeoutError, *UNREADABLE):
            return None
        return not names.isdisjoint((model, f"{model}:latest"))

    async def load(self, model: str) -> None:
        """A chat of no messages is what the server takes for that, as a chat would have it."""
        if self.capabilities(model).hands_on:
            return
        request = ChatRequest(model, ({"role": "user", "content": "."},))
        prompt = measured(request)
        call = self._call(request, prompt)
        call = replace(call, body={**call.body, "messages": []})
        batches = self._exchange(request, prompt, self._known(model), call)
        async with contextlib.aclosing(batches):
            async for _ in batches:
                pass

    def _facts_of(self, model: str) -> ModelFacts:
        return self._facts.get(model) or ModelFacts()

    def _known(self, model: str) -> ModelFacts:
        """The place where what is known of `model` is kept; the oldest one makes room."""
        if model not in self._facts:
            if len(self._facts) >= MAX_MODELS_KNOWN:
                del self._facts[next(iter(self._facts))]
            self._facts[model] = ModelFacts()
        return self._facts[model]

    def _known_line(self) -> Line:
        return known(self._own.url, self._secret)

    def _sdks_line(self) -> Line:
        return line(self._own.url, self._secret)

    def _aim(self, path: str) -> Target:
        return _Server(super()._aim(path))

    async def _ask(self, model: str, facts: ModelFacts) -> None:
        """Learn what the model can do. A server that does not say leaves it unknown."""
        try:
            shown = await self._fact("POST", "/api/show", model=model)
            facts.learn(
                shown.get("capabilities"), shown.get("model_info"), shown.get("parameters") or ""
            )
        except (httpx.HTTPError, OSError):  # it may be able to tell the next time
            return
        except (AdapterError, *UNREADABLE):
            pass
        facts.asked = True


@dataclass(frozen=True, slots=True)
class _Server:
    """A `Target` whose error says how to start the server that cannot be reached."""

    target: Target

    @property
    def url(self) -> httpx.URL:
        return self.target.url

    async def post(self, content: Content) -> Reply:
        try:
            return await self.target.post(content)
        except httpx.ConnectError as error:
            raise _unreachable(error, Phase.BEFORE_SEND) from error


def _unreachable(error: httpx.HTTPError, phase: Phase) -> AdapterError:
    """What an exchange that broke off means; where nothing listens, with what to do about it."""
    mapped = transport_error(error, NAME, phase)
    if isinstance(error, httpx.ConnectError) and mapped.kind is ErrorKind.NETWORK:
        return mapped.but(message=f"{mapped.message}: {CURE}")
    return mapped


def _facts_matter(request: ChatRequest, prompt: Prompt) -> bool:
    """Whether what a model can do changes what is sent; else no request waits for an answer."""
    need = prompt.tokens + expected_output(request.max_tokens)
    is_chat = type(request) is ChatRequest
    return need > DEFAULT_NUM_CTX or prompt.media > 0 or not is_chat
