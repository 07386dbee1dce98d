"""Any server that speaks as OpenAI does: a cloud by its key, one of the user's own by its address.

No SDK stands in between: what such a server needs is an address and a bearer's key, which a test
holds to what OpenAI's own SDK sends.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncGenerator
from functools import cached_property
from typing import Any, ClassVar

import httpx

from adapters.base import (
    AdapterError,
    Availability,
    Capabilities,
    ChatRequest,
    ErrorKind,
    Event,
    Memory,
    Model,
    NativeCall,
    ProviderSettings,
    Scope,
    availability,
)
from adapters.compatible.answer import AnswerReader
from adapters.compatible.dialect import CompatibleDialect
from adapters.compatible.errors import House, refusal
from adapters.compatible.messages import Taken
from adapters.compatible.request import without_schema
from adapters.errors import BEFORE_CONTENT, of_list, unsent
from adapters.openai.embeddings import EmbeddingAnswer, to_native_embedding
from adapters.openai.lessons import TWINS, Lessons
from adapters.openai.models import models_of
from adapters.openai.request import PATH, to_native
from adapters.openai.senses import Senses, content_type_of
from adapters.openai.settings import KIND, OpenAISettings
from adapters.tasks import EmbeddingRequest
from adapters.translation.functions import with_own_names
from adapters.translation.rescue import with_written_calls
from adapters.upstream import Target, Upstream, raw_headers, timeouts
from adapters.wire.aside import read_aside
from adapters.wire.broken import HTTPX_ERRORS, transport_error
from adapters.wire.ceiling import Ceilings
from adapters.wire.native import exchange

LIST_TIMEOUT_S = 10.0
UNREADABLE = (AttributeError, TypeError, ValueError, KeyError)
MENDABLE_STATUS = (400, 422)
MOST_MENDED = 16
"""How often a call is mended: some houses name one thing at a time."""


class OpenAIAdapter(Senses):
    """One server; its profile tells what it takes."""

    last_resort: ClassVar[bool] = False
    Settings: ClassVar[type[ProviderSettings]] = OpenAISettings

    def __init__(self, settings: OpenAISettings, upstream: Upstream, memory: Memory) -> None:
        self.settings: ProviderSettings = settings
        self._own = settings
        self.boundary = f"pointsman-{secrets.token_hex(16)}"  # in no file that anybody can make
        self._profile = profile = settings.of
        self._upstream = upstream
        self.name = settings.name or KIND
        self.title = settings.titled(profile.title)
        self.local = profile.local
        self.embedding_model = profile.embedding
        self._secret = settings.api_key.get_secret_value() if settings.api_key else ""
        says = profile.title.partition(" (")[0]
        self._house = House(KIND, says, f"{KIND.upper()}_API_KEY", self._secret, profile.limits)
        self._taken = Taken(
            KIND,
            says,
            names=profile.names,
            audio=profile.audio,
            files=profile.files,
            thoughts=lambda _model: profile.thoughts,
        )
        self._ceilings = Ceilings(profile.max_tokens, other=TWINS[profile.max_tokens])
        self._lessons = Lessons()
        self._is_capped = settings.max_tokens is not None
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
            files=profile.files,
            n=profile.many,
            n_stream=profile.many,
            logprobs="logprobs" in profile.takes,
        )

    def to_native(self, request: ChatRequest) -> NativeCall:
        call = to_native(request, self.settings, self._profile, self._taken)
        if self._lessons.known:
            call = self._lessons.kept(call)
        return self._ceilings.fitted(call) if request.max_tokens or self._is_capped else call

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
        dialect = Dialect(call, self._house, AnswerReader(), self._lessons)
        return exchange(self._line or self._aimed, call, dialect, self._ceilings, MOST_MENDED)

    async def _with_a_model(self, call: NativeCall) -> AsyncGenerator[list[Event], None]:
        """The answer of the first model there is, as none is set."""
        if not self._first:
            await self.models()
        if not self._first:
            raise self._failure(ErrorKind.MODEL_MISSING, "the server lists no model", Scope.MODEL)
        named = NativeCall(
            call.method, call.path, {**call.body, "model": self._first}, call.warnings, call.stream
        )
        known = self._lessons.kept(named)
        async with contextlib.aclosing(self._exchange(known)) as batches:
            async for batch in batches:
                yield batch

    def to_native_embedding(self, request: EmbeddingRequest) -> NativeCall:
        return to_native_embedding(request)

    def embed(self, request: EmbeddingRequest) -> AsyncGenerator[list[Any], None]:
        call = self.to_native_embedding(request)
        return self._told(call, EmbeddingAnswer(request, self.refused))

    def refused(self, response: httpx.Response) -> AdapterError:
        """What the refusal of anything but a chat means."""
        return refusal(self._house, response, BEFORE_CONTENT)

    def aimed(self, path: str) -> Target:
        """Where anything but a chat goes. Raises AdapterError."""
        self._must_be_configured()
        return self._target(path)

    async def models(self) -> list[Model]:
        if not self._profile.lists:
            return [Model(id=self.settings.model)]
        self._must_be_configured()
        try:
            url = self._profile.list_url or f"{self.settings.base_url}/models"
            silence_s = min(LIST_TIMEOUT_S, self.settings.timeout)
            response = await self._upstream.fetched(url, self._headers, silence_s)
            if response.status_code >= 300:
                raise of_list(refusal(self._house, response, BEFORE_CONTENT))
            models = await read_aside(response.content, models_of)
        except HTTPX_ERRORS as error:
            raise transport_error(error, KIND, BEFORE_CONTENT) from error
        except UNREADABLE as error:
            message = "the list of models cannot be read"
            raise self._failure(ErrorKind.BAD_RESPONSE, message, Scope.PROVIDER) from error
        self._ceilings.listed(models)
        self._first = next((model.id for model in models if model.chat), "")
        return models

    async def is_available(self) -> Availability:
        return await availability(self.name, self.models())

    async def close(self) -> None:
        """Nothing to close: the connections belong to whoever gave them."""

    @cached_property
    def _headers(self) -> dict[str, str]:
        key = {"authorization": f"Bearer {self._secret}"} if self._secret else {}
        return {**key, "user-agent": "pointsman", "accept": "application/json"}

    @cached_property
    def _line(self) -> Target | None:
        """Where chats go, made once; None where nobody can be asked, or the address is none."""
        with contextlib.suppress(httpx.InvalidURL, ValueError):
            return None if self.unconfigured else self._target(PATH)
        return None

    async def _aimed(self) -> Target:
        """Raises what stands in the way of `_line`."""
        self._must_be_configured()
        return self._target(PATH)

    def _target(self, path: str) -> Target:
        url = httpx.URL(f"{self.settings.base_url}{path}")
        kind = content_type_of(path, self.boundary)
        raw = raw_headers(self._headers, host=url.netloc.decode("ascii"), content_type=kind)
        return self._upstream.target(url, raw, timeouts(self.settings.timeout))

    def _must_be_configured(self) -> None:
        if reason := self.unconfigured:
            raise self._failure(ErrorKind.AUTH, reason, Scope.KEY)

    def _failure(self, kind: ErrorKind, message: str, scope: Scope) -> AdapterError:
        return unsent(KIND, kind, message, scope=scope)


class Dialect(CompatibleDialect):
    """How one answer is read, and a call without what the server turns out not to take."""

    def __init__(
        self, call: NativeCall, house: House, reader: AnswerReader, lessons: Lessons
    ) -> None:
        super().__init__(call, house, reader)
        self._lessons = lessons

    def end(self) -> list[Event]:
        """All is there only with the counts that were asked for, or the mark behind them."""
        events = super().end()
        if "stream_options" in self._call.body and not (self._reader.ended or self._reader.counted):
            raise self._broken("the stream ended before the answer did")
        return events

    def amend(self, call: NativeCall, error: AdapterError) -> NativeCall | None:
        if error.status not in MENDABLE_STATUS or error.kind is ErrorKind.AUTH:
            return None
        is_of_schema = error.param is not None and error.param.startswith("response_format")
        if is_of_schema and "json_schema" in call.body.get("response_format", {}):
            return without_schema(call)
        mended = self._lessons.amended(call, error)
        if mended is not None:
            self._call = mended  # so that no counts are waited for that nobody has asked for
        return mended
