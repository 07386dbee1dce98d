"""Google's Gemini, by its native API.

The SDK's client gives URL and headers, once; the chat goes as a body of our own through the shared
transport, since the SDK makes objects of every streamed chunk.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

import httpx
from msgspec.structs import replace
from pydantic import Field

from adapters.base import (
    AdapterError,
    Availability,
    Capabilities,
    ChatRequest,
    ErrorKind,
    Event,
    Json,
    Memory,
    Model,
    NativeCall,
    Phase,
    ProviderSettings,
    Scope,
    Usage,
    availability,
)
from adapters.contents import contents_of
from adapters.errors import of_list, unsent
from adapters.gemini import counting, embeddings
from adapters.gemini.amend import amended
from adapters.gemini.answer import MISSING_SIGNATURE, GeminiAnswer
from adapters.gemini.embeddings import EmbeddingAnswer
from adapters.gemini.errors import NAME, api_error, bad_response, error_body
from adapters.gemini.line import Line, known, line
from adapters.gemini.messages import sign
from adapters.gemini.request import Defaults, to_native
from adapters.gemini.senses import Senses
from adapters.gemini.thinking import thinks
from adapters.gemini.tools import declared
from adapters.refusals.account import page_refusal
from adapters.refusals.waits import retry_after_s
from adapters.tasks import EmbeddingRequest
from adapters.upstream import Target, Upstream, raw_headers, timeouts
from adapters.wire.aside import LARGE_BYTES, aside, read_aside
from adapters.wire.bounds import count, items
from adapters.wire.broken import transport_error
from adapters.wire.ceiling import Ceilings
from adapters.wire.native import UNREADABLE, exchange, or_else

IMAGE_TYPES = frozenset(f"image/{kind}" for kind in ("png", "jpeg", "webp", "heic", "heif"))
MAX_PAGES = 20
PAID = "pro"
"""In the name of a model, it says that no free tier has it."""

MOST_MENDED = 2
"""Gemma refuses JSON and instructions one after the other."""


class GeminiSettings(ProviderSettings):
    """`api_version` is v1beta because v1 does not take all that is used here.

    Tools, system instruction, thinking and JSON Schema came to v1beta first, and every recorded
    exchange with them is of that version. `base_url` None is the SDK's own.
    """

    kind: ClassVar[str] = NAME
    careful_requests_per_minute: ClassVar[int | None] = 1
    public_url: ClassVar[str | None] = "https://generativelanguage.googleapis.com"

    model: str = Field(default="gemini-flash-latest", max_length=128)
    rate_limit_requests_per_minute: int | None = Field(default=15, ge=1)
    api_version: str = Field(default="v1beta", pattern=r"^v\d+(alpha|beta)?\d*$")

    @property
    def gen_ai_name(self) -> str:
        return "gcp.gemini"


@dataclass(frozen=True, slots=True)
class _Line:
    """What the SDK's client knows, taken out once."""

    base: str
    headers: dict[str, str]
    target: Callable[[str], Target]


class GeminiAdapter(Senses):
    """Gemini behind the `Adapter` protocol."""

    local = False
    last_resort: ClassVar[bool] = False
    Settings: ClassVar[type[ProviderSettings]] = GeminiSettings
    embedding_model = embeddings.MODEL

    def __init__(self, settings: GeminiSettings, upstream: Upstream, memory: Memory) -> None:
        self.settings: ProviderSettings = settings
        self.name = settings.name or NAME
        self.title = settings.titled("Gemini (Cloud)")
        self._key_name = settings.variable("api_key")
        self.setup = f"set {self._key_name} (free at aistudio.google.com)"
        self._upstream = upstream
        self._memory = memory
        self._defaults = Defaults(settings.api_version, settings.temperature, settings.max_tokens)
        self._ceilings = Ceilings("generationConfig", "maxOutputTokens")
        self._is_capped = settings.max_tokens is not None
        self._line: _Line | None = None
        self._line_lock = asyncio.Lock()

    @functools.cached_property
    def unconfigured(self) -> str | None:
        return None if self.settings.api_key is not None else f"{self._key_name} is not set"

    @functools.cached_property
    def _key(self) -> str:
        if self.settings.api_key is None:
            raise unsent(NAME, ErrorKind.AUTH, self.unconfigured or "", scope=Scope.KEY)
        return self.settings.api_key.get_secret_value()

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
        call = to_native(request, self._defaults, self._memory)
        return self._ceilings.fitted(call) if request.max_tokens or self._is_capped else call

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
        answer = _Answer(
            declared(request) if request.tools else {},
            self._memory,
            choices=request.n,
            asked=request.messages,
            first_call_only=request.parallel_tool_calls is False,
            bare_audio=(request.params.get("audio") or {}).get("format") == "pcm16",
            secret=self._key,
        )
        return exchange(partial(self._aimed, call), call, answer, self._ceilings, MOST_MENDED)

    def to_native_embedding(self, request: EmbeddingRequest) -> NativeCall:
        return embeddings.to_native(request, self._defaults.api_version)

    def embed(self, request: EmbeddingRequest) -> AsyncGenerator[list[Any], None]:
        call = self.to_native_embedding(request)
        answer = EmbeddingAnswer(request, call, partial(refusal, secret=self._key))
        return exchange(partial(self._aimed, call), call, answer)

    async def count_tokens(self, request: ChatRequest) -> int:
        call = counting.to_native(await aside(LARGE_BYTES + 1, self.to_native, request))
        answer = counting.Counted(partial(refusal, secret=self._key))
        told = exchange(partial(self._aimed, call), call, answer)
        async with contextlib.aclosing(told):
            events = [event async for batch in told for event in batch]
        return sum(event.prompt for event in events if isinstance(event, Usage))

    async def _aimed(self, call: NativeCall) -> Target:
        return self._now().target(call.path)

    async def prepare(self) -> None:
        """Ask the SDK for the line, in a thread: it takes a second."""
        async with self._line_lock:
            if self._line is None and not self.unconfigured:
                self._line = await asyncio.to_thread(self._connect)

    def _now(self) -> _Line:
        """The line; as far as it is known, until the SDK has told it. Raises AdapterError."""
        return self._line or self._known_line

    @functools.cached_property
    def _known_line(self) -> _Line:
        root, version = _root(self.settings.base_url), self._defaults.api_version
        return self._aim(known(self._key, base_url=root, api_version=version))

    def _connect(self) -> _Line:
        root, version = _root(self.settings.base_url), self._defaults.api_version
        found = line(self._key, base_url=root, api_version=version, timeout_s=self.settings.timeout)
        return self._aim(found)

    def _aim(self, found: Line) -> _Line:
        url = httpx.URL(found.url)
        headers = raw_headers(found.headers, host=url.netloc.decode("ascii"))
        base = found.url.removesuffix(f"/{self._defaults.api_version}/models")

        def aim(path: str) -> Target:
            return self._upstream.target(
                httpx.URL(base + path), headers, timeouts(self.settings.timeout)
            )

        return _Line(base=base, headers=found.headers, target=functools.lru_cache(maxsize=64)(aim))

    async def models(self) -> list[Model]:
        models: list[Model] = []
        token = ""
        for _ in range(MAX_PAGES):
            more = {"pageToken": token} if token else {}
            page, following = await self._list(pageSize="1000", **more)
            models += page
            before, token = token, following
            if token in ("", before):
                break
        self._ceilings.listed(models)
        return models

    async def is_available(self) -> Availability:
        if reason := self.unconfigured:
            return Availability(reachable=False, detail=reason)
        return await availability(self.name, self._list(pageSize="1"))

    async def _list(self, **query: str) -> tuple[list[Model], str]:
        """The models of a page, and where the next one begins."""
        connected = self._now()
        url = httpx.URL(f"{connected.base}/{self._defaults.api_version}/models", params=query)
        try:
            response = await self._upstream.fetched(
                str(url), connected.headers, self.settings.timeout
            )
        except httpx.HTTPError as error:
            raise transport_error(error, NAME, Phase.BEFORE_SEND) from error
        if response.status_code >= 300:
            raise of_list(refusal(response, secret=self._key))
        try:
            return await read_aside(response.content, _page)
        except UNREADABLE as error:
            raise bad_response("the list of models cannot be read") from error

    async def close(self) -> None:
        """The connections belong to the shared client."""


class _Answer(GeminiAnswer):
    """The whole of Gemini's `Dialect`: the reading, and what a refusal means."""

    def head(self, headers: Mapping[str, str]) -> list[Event]:
        """Gemini's headers say nothing that is not in the body."""
        return []

    def refusal(self, response: httpx.Response) -> AdapterError:
        return refusal(response, secret=self._secret)

    def amend(self, call: NativeCall, error: AdapterError) -> NativeCall | None:
        is_mendable = error.kind in (ErrorKind.BAD_REQUEST, ErrorKind.UNSUPPORTED)
        return amended(call, error.message) if is_mendable else None


def refusal(
    response: httpx.Response, *, secret: str | None = None, now: datetime | None = None
) -> AdapterError:
    """The error that an answer of status 300 or above means; its body has been read."""
    now = now or datetime.now(UTC)
    if page := page_refusal(NAME, response.status_code, response.content):
        return page
    return api_error(
        response.status_code,
        error_body(response.content),
        told_wait_s=retry_after_s(response.headers, now),
        secret=secret,
        now=now,
    )


def _page(answer: Json) -> tuple[list[Model], str]:
    models = [model for row in items(answer.get("models")) if (model := _model(row))]
    token = answer.get("nextPageToken")
    return models, token if isinstance(token, str) else ""


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
