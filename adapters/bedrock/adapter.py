"""AWS Bedrock, by its Converse API.

botocore signs, and finds who asks; the chat goes as a body of our own through the shared transport.
With one of Bedrock's API keys nothing of botocore is needed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from functools import cached_property, partial
from importlib.util import find_spec
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
from adapters.bedrock.answer import ConverseAnswer
from adapters.bedrock.content import IMAGES
from adapters.bedrock.embeddings import (
    MODEL,
    EmbeddingAnswer,
    texts_at_once,
    to_native_embedding,
)
from adapters.bedrock.errors import bad_response, is_of_key, refusal
from adapters.bedrock.lessons import in_words, is_answered_by_tool, readings
from adapters.bedrock.models import FOUNDATION, PROFILES, models_of
from adapters.bedrock.request import to_native
from adapters.bedrock.settings import BedrockSettings, control_of, endpoint
from adapters.bedrock.signing import SignedTarget, Signer
from adapters.configured import ProviderSettings
from adapters.errors import AdapterError, ErrorKind, Phase
from adapters.events import Event, Json
from adapters.kind import Kind, pages
from adapters.refusals.lessons import Lessons
from adapters.tasks import EmbeddingRequest
from adapters.translation.functions import with_own_names
from adapters.upstream import Target, Upstream, timeouts
from adapters.wire.bounds import items
from adapters.wire.ceiling import Ceilings
from adapters.wire.native import UNREADABLE, exchange, or_else

RUNTIME = "bedrock-runtime"
NOT_INSTALLED = "its signatures need botocore: install the extra `bedrock`, or set {}"
NO_STREAM = "in streaming mode"
"""In the words of models that call tools, or answer at all, only in one piece."""
NO_CHOICE = "toolChoice"
"""In those of models that nobody can make call a tool."""


class BedrockAdapter(Kind):
    """Bedrock behind the `Adapter` protocol."""

    called = "AWS Bedrock (Cloud)"
    embedding_model = MODEL
    Settings: ClassVar[type[ProviderSettings]] = BedrockSettings

    def __init__(self, settings: BedrockSettings, upstream: Upstream, memory: Memory) -> None:
        super().__init__(settings, upstream)
        self._own = settings
        self._key_name = settings.variable("api_key")
        self.setup = (
            f"set {self._key_name} or log in as AWS's tools do; {settings.variable('region')}"
        )
        self._memory = memory
        self._ceilings = Ceilings("inferenceConfig", "maxTokens")
        self._lessons = Lessons(readings)

    @cached_property
    def unconfigured(self) -> str | None:
        if self._secret or find_spec("botocore") is not None:
            return None
        return NOT_INSTALLED.format(self._key_name)

    @cached_property
    def _signer(self) -> Signer:
        return Signer(self._own)

    def capabilities(self, model: str) -> Capabilities:
        return Capabilities(
            image_types=frozenset(IMAGES),
            tries_images=False,
            logprobs=False,
            texts_at_once=texts_at_once(model),
        )

    def to_native(self, request: ChatRequest) -> NativeCall:
        return self._fitted(to_native(request, self.settings, self._memory), request)

    def chat(self, request: ChatRequest) -> AsyncGenerator[list[Event], None]:
        call = self.to_native(request)
        other_way = partial(self._other_way, request, call)
        answer = or_else(self._exchange(request, call), other_way)
        return with_own_names(answer, request.tools) if request.tools else answer

    def _other_way(
        self, request: ChatRequest, call: NativeCall, error: AdapterError
    ) -> AsyncGenerator[list[Event], None] | None:
        """In one piece, or with a schema in words: what is left after another refusal."""
        wanted = request.response_format
        if error.status != 400 or error.phase is Phase.AFTER_CONTENT:
            return None
        if request.stream and NO_STREAM in error.message:
            whole = self.to_native(replace(request, stream=False))
            return self._exchange(request, whole.but(whole.body, "emulated=stream"))
        if wanted and wanted.schema and NO_CHOICE in error.message:
            return self._exchange(request, in_words(call, wanted))
        return None

    def _exchange(
        self, request: ChatRequest, call: NativeCall
    ) -> AsyncGenerator[list[Event], None]:
        answer = ConverseAnswer(
            request.model,
            self._memory,
            self.refused,
            answers_by_tool=is_answered_by_tool(request),
            first_call_only=request.parallel_tool_calls is False,
            shows_thoughts=request.thinking.include is not False,
            secret=self._secret,
        )
        return exchange(self.where(call.path), call, answer, self._ceilings, self._lessons)

    def to_native_embedding(self, request: EmbeddingRequest) -> NativeCall:
        return to_native_embedding(request)

    def embed(self, request: EmbeddingRequest) -> AsyncGenerator[list[Any], None]:
        return self.ask(self.to_native_embedding(request), EmbeddingAnswer(request, self.refused))

    def where(self, path: str) -> Callable[[], Awaitable[Target]]:
        return partial(self._aimed, path)

    async def _aimed(self, path: str) -> Target:
        url = httpx.URL(await self._base() + path)
        return SignedTarget(self._upstream, url, self._signer, timeouts(self.settings.timeout))

    async def _base(self) -> str:
        self._must_be_set_up()
        return self._own.base_url or endpoint(RUNTIME, await self._signer.region())

    async def models(self) -> list[Model]:
        foundation = await self.listed(FOUNDATION, _object)
        try:
            found = models_of(foundation, await self._profiles())
        except UNREADABLE as error:
            raise bad_response("the lists of models have another shape") from error
        return found

    async def _profiles(self) -> Sequence[Json]:
        """Inference profiles, as far as whoever asks may list them."""
        rows: list[Json] = []
        page = partial(self.listed, PROFILES, _profiles, maxResults="1000")
        try:
            async for more in pages(page, "nextToken"):
                rows += more
        except AdapterError as error:
            if error.kind not in (ErrorKind.AUTH, ErrorKind.MODEL_MISSING):
                raise
        return rows

    async def _asked(self, path: str, query: Mapping[str, str]) -> httpx.Response:
        url = httpx.URL(f"{self._own.control_url or control_of(await self._base())}{path}")
        url = url.copy_merge_params(query) if query else url
        signed = await self._signer.signed("GET", url, b"")
        headers = {**signed, "accept": "application/json", "user-agent": "pointsman"}
        return await self._upstream.fetched(str(url), headers, self._list_timeout_s)

    def refused(self, response: httpx.Response) -> AdapterError:
        error = refusal(response, secret=self._secret)
        if response.status_code in (401, 403):
            self._signer.refused()
        return error

    def _of_list(self, error: AdapterError) -> AdapterError:
        return error if is_of_key(error.message) else super()._of_list(error)

    async def is_available(self) -> Availability:
        return await availability(self.name, self.listed(FOUNDATION, _object))


def _profiles(page: Json) -> tuple[Sequence[Json], Any]:
    return items(page.get("inferenceProfileSummaries")), page.get("nextToken")


def _object(value: Any) -> Json:
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004 - what else cannot be read is one
    return value
