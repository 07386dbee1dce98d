"""Groq: the adapter, its settings, and what its errors mean.

The SDK's client gives URL and headers, once; the request path sends our own body over the shared
transport (see `native`).
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import httpx
from msgspec.structs import replace
from pydantic import Field

from adapters.base import (
    SEARCH,
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
    ProviderSettings,
    Scope,
    availability,
)
from adapters.compatible.dialect import CompatibleDialect
from adapters.compatible.errors import House, error_object, refusal, text_of
from adapters.compatible.request import without, without_schema
from adapters.errors import BEFORE_CONTENT, not_promised, of_list, unsent
from adapters.groq.answer import GroqReader
from adapters.groq.audio import FORM_PATHS, SPEECH_PATH, GroqAudio
from adapters.groq.line import Line, known, line
from adapters.groq.messages import LEAST_CONTEXT, PROVIDER, SPEECH_MODELS, TEXT_ONLY_MODELS
from adapters.groq.request import PATH, thinks, to_native
from adapters.translation.functions import with_own_names
from adapters.translation.rescue import rescued
from adapters.upstream import Target, Upstream, raw_headers, timeouts
from adapters.wire.aside import read_aside
from adapters.wire.bounds import count, items, unix_time, word
from adapters.wire.broken import transport_error
from adapters.wire.ceiling import Ceilings
from adapters.wire.native import exchange

IMAGE_TYPES = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp"))
LIST_PATH = "openai/v1/models"
UNREADABLE = (AttributeError, TypeError, ValueError, KeyError)
"""What reading raises where a good status comes with a body that is no list of models."""

_PATH = re.compile(r"(/openai)?(/v1)?(/chat/completions)?/*$")


class GroqSettings(ProviderSettings):
    """`GROQ_*`; without a base URL the SDK's own holds."""

    kind: ClassVar[str] = PROVIDER
    careful_requests_per_minute: ClassVar[int | None] = 2
    public_url: ClassVar[str | None] = "https://api.groq.com"

    model: str = Field(default="openai/gpt-oss-120b", max_length=128)
    rate_limit_requests_per_minute: int | None = Field(default=30, ge=1)


@dataclass(frozen=True, slots=True)
class _Line:
    """What the SDK's client knows, taken out once."""

    url: str
    headers: dict[str, str]
    target: Target
    audio: Mapping[str, Target]


class GroqAdapter(GroqAudio):
    """Groq's chat completions, https://console.groq.com/docs/api-reference."""

    local = False
    last_resort: ClassVar[bool] = False
    Settings: ClassVar[type[ProviderSettings]] = GroqSettings

    def __init__(self, settings: ProviderSettings, upstream: Upstream, memory: Memory) -> None:
        self.settings = settings
        self.name = settings.name or PROVIDER
        self.title = settings.titled("Groq (Cloud)")
        self._key_name = settings.variable("api_key")
        self.setup = f"set {self._key_name} (a free key: https://console.groq.com/keys)"
        self._upstream = upstream
        self._ceilings = Ceilings("max_completion_tokens")
        self._is_capped = settings.max_tokens is not None
        self._line: _Line | None = None
        self._line_lock = asyncio.Lock()
        self.boundary = f"pointsman-{secrets.token_hex(16)}"  # in no file that anybody can make
        self._secret = settings.api_key.get_secret_value() if settings.api_key else ""
        self._house = house(self._secret)

    @cached_property
    def unconfigured(self) -> str | None:
        return None if self.settings.api_key is not None else f"{self._key_name} is not set"

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
        call = to_native(request, self.settings)
        return self._ceilings.fitted(call) if request.max_tokens or self._is_capped else call

    def chat(self, request: ChatRequest) -> AsyncGenerator[list[Event], None]:
        call = self.to_native(request)
        target = self._line.target if self._line else self._aimed
        dialect = GroqDialect(call, self._house, GroqReader())
        answer = exchange(target, call, dialect, self._ceilings)
        return with_own_names(answer, request.tools) if request.tools else answer

    async def audio_target(self, path: str) -> Target:
        return self._now().audio[path]

    def audio_refusal(self, response: httpx.Response) -> AdapterError:
        return refusal(self._house, response, BEFORE_CONTENT)

    async def models(self) -> list[Model]:
        try:
            connected = self._now()
            url = f"{connected.url}/{LIST_PATH}"
            response = await self._upstream.fetched(url, connected.headers, self.settings.timeout)
            if response.status_code >= 300:
                raise of_list(self.audio_refusal(response))
            models = await read_aside(response.content, _models)
        except httpx.HTTPError as error:
            raise transport_error(error, PROVIDER, BEFORE_CONTENT) from error
        except UNREADABLE as error:
            raise not_promised(PROVIDER, "the list of models cannot be read") from error
        self._ceilings.listed(models)
        return models

    async def is_available(self) -> Availability:
        return await availability(self.name, self.models())

    async def close(self) -> None:
        """Nothing to close: the connections belong to whoever gave them."""

    async def prepare(self) -> None:
        """Ask the SDK for the line, in a thread: it takes a while."""
        async with self._line_lock:
            if self._line is None and not self.unconfigured:
                self._line = await asyncio.to_thread(self._connect)

    def _now(self) -> _Line:
        """The line; as far as it is known, until the SDK has told it. Raises AdapterError."""
        if self.unconfigured:
            raise unsent(PROVIDER, ErrorKind.AUTH, self.unconfigured, scope=Scope.KEY)
        return self._line or self._known_line

    @cached_property
    def _known_line(self) -> _Line:
        return self._aim(known(self._secret, base_url=self._root))

    def _connect(self) -> _Line:
        return self._aim(line(self._secret, base_url=self._root))

    @property
    def _root(self) -> str | None:
        # Many write the base URL that OpenAI's clients want; Groq's own adds this path by itself.
        base_url = self.settings.base_url
        return base_url and _PATH.sub("", base_url)

    def _aim(self, found: Line) -> _Line:
        form = f"multipart/form-data; boundary={self.boundary}"

        def aim(path: str, content_type: str = "application/json") -> Target:
            url = httpx.URL(f"{found.url}/{path}")
            host = url.netloc.decode("ascii")
            raw = raw_headers(found.headers, host=host, content_type=content_type)
            return self._upstream.target(url, raw, timeouts(self.settings.timeout))

        paths = {f"/{path}": aim(path, form) for path in FORM_PATHS}
        paths[f"/{SPEECH_PATH}"] = aim(SPEECH_PATH)
        return _Line(found.url, found.headers, aim(PATH), paths)

    async def _aimed(self) -> Target:
        return self._now().target


def _models(answer: Json) -> list[Model]:
    if answer.get("data") is None:
        raise ValueError("no list")
    return [
        _model(row)
        for row in items(answer["data"])
        if row.get("active") is not False and word(row["id"]) == row["id"]
    ]


def _model(row: Json) -> Model:
    context = count(row.get("context_window"))
    is_small = context is not None and 0 < context < LEAST_CONTEXT
    return Model(
        id=row["id"],
        created=unix_time(row.get("created")) or 0,
        owned_by=word(row.get("owned_by")) or "",
        context=context,
        most_output=count(row.get("max_completion_tokens")),
        chat=not is_small and not any(part in row["id"] for part in SPEECH_MODELS),
    )


class GroqDialect(CompatibleDialect):
    """How one answer of Groq is read."""

    _failed_generation = ""

    def refusal(self, response: httpx.Response) -> AdapterError:
        self._failed_generation = text_of(error_object(response.content).get("failed_generation"))
        return super().refusal(response)

    def amend(self, call: NativeCall, error: AdapterError) -> NativeCall | list[Event] | None:
        """A call that was written but not read by Groq; or the call without what it refuses.

        Which families take a reasoning parameter or a schema changes more often than our lists.
        """
        if events := self._rescue():
            return events
        if error.kind not in (ErrorKind.BAD_REQUEST, ErrorKind.UNSUPPORTED):
            return None
        if "browser_search" in error.message and (left := _without_search(call)) is not None:
            return left
        match error.param:
            case "reasoning_effort" | "reasoning_format" | "include_reasoning" as param:
                return without(call, param, f"dropped={param}") if param in call.body else None
            case "response_format" if "json_schema" in call.body.get("response_format", {}):
                return without_schema(call)
            case "response_format" if call.stream:
                return without(call, "stream", "emulated=stream")
        return None

    def _rescue(self) -> list[Event]:
        body = self._call.body
        one = body.get("parallel_tool_calls") is False
        return rescued(self._failed_generation, body.get("tools") or (), one=one)

    def _hidden(self, error: Json) -> list[Event]:
        """Groq's calls come to nothing now and then, and lie in the error as text."""
        self._failed_generation = text_of(error.get("failed_generation"))
        return self._rescue()


def _without_search(call: NativeCall) -> NativeCall | None:
    """The call without a search that stands beside functions."""
    tools = call.body.get("tools", [])
    left = [tool for tool in tools if tool["type"] == "function"]
    if not left or len(left) == len(tools):
        return None
    words = (*call.warnings, f"dropped={SEARCH}")
    return replace(call, body={**call.body, "tools": left}, warnings=words)


def house(secret: str) -> House:
    """Whose refusals these are."""
    wrong = ErrorKind.MALFORMED_ANSWER  # what the model wrote does not fit its schema
    return House(PROVIDER, "Groq", "GROQ_API_KEY", secret, unprocessable=wrong)
