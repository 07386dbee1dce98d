"""What the proxy's tests share: a provider that plays a script, and a server around it."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from adapters.base import (
    AdapterError,
    Availability,
    Capabilities,
    ChatRequest,
    ErrorKind,
    Event,
    Finish,
    Model,
    NativeCall,
    ProviderSettings,
    Start,
    Text,
    Usage,
)


@dataclass(frozen=True)
class Hang:
    """A step of a script that never ends by itself."""


Step = list[Event] | BaseException | Hang
HANG = Hang()
EVERYTHING = Capabilities(image_urls=True, n=True, n_stream=True)
HELLO: tuple[Step, ...] = (
    [Start(model="toy-1")],
    [Text("Hel"), Text("lo")],
    [Finish("stop"), Usage(prompt=3, completion=2)],
)


@dataclass
class Script:
    """What a scripted provider does, call after call, and what was done with it."""

    answers: deque[Sequence[Step]] = field(default_factory=deque)
    listed: list[Model] | BaseException | Hang = field(default_factory=list)
    abilities: Capabilities = EVERYTHING
    unset: str | None = None
    warnings: tuple[str, ...] = ()
    requests: list[ChatRequest] = field(default_factory=list)
    list_calls: int = 0
    open_calls: int = 0
    began: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def play(self, *answers: Sequence[Step]) -> Script:
        """Answer the next calls so; after them HELLO."""
        self.answers.extend(answers)
        return self


class ScriptedAdapter:
    """An adapter without a provider; `script` is shared by all instances of one class."""

    name: ClassVar[str] = "toy"
    title: ClassVar[str] = "Toy"
    local: ClassVar[bool] = False
    last_resort: ClassVar[bool] = False
    setup: ClassVar[str] = "set TOY_API_KEY"
    Settings: ClassVar[type[ProviderSettings]] = ProviderSettings
    script: ClassVar[Script]

    def __init__(self, settings: Any, upstream: object = None, memory: object = None) -> None:
        self.settings: ProviderSettings = settings
        self.is_closed = False

    @property
    def unconfigured(self) -> str | None:
        return self.script.unset

    def capabilities(self, model: str) -> Capabilities:
        return self.script.abilities

    def to_native(self, request: ChatRequest) -> NativeCall:
        return NativeCall("POST", "/chat", {"model": request.model}, self.script.warnings)

    async def chat(self, request: ChatRequest) -> AsyncGenerator[list[Event], None]:
        script = self.script
        script.requests.append(request)
        script.open_calls += 1
        script.ended.clear()
        try:
            for step in script.answers.popleft() if script.answers else HELLO:
                match step:
                    case Hang():
                        script.began.set()
                        await asyncio.Event().wait()
                    case BaseException():
                        try:
                            raise step
                        finally:
                            del step  # no frame holds what is raised through it
                    case _:
                        yield step
        finally:
            script.open_calls -= 1
            script.ended.set()

    async def models(self) -> list[Model]:
        self.script.list_calls += 1
        match self.script.listed:
            case Hang():
                await asyncio.Event().wait()
                raise AssertionError
            case BaseException() as error:
                raise error
            case listed:
                return listed

    async def is_available(self) -> Availability:
        return Availability(reachable=True)

    async def close(self) -> None:
        self.is_closed = True


def adapter_class(name: str, **attributes: Any) -> type[ScriptedAdapter]:
    """A provider called `name`, with a script of its own."""
    fields = {"name": name, "title": name.title(), "setup": f"set {name.upper()}_API_KEY"}
    made: type[ScriptedAdapter] = type(
        name.title(), (ScriptedAdapter,), {**fields, "script": Script(), **attributes}
    )
    return made


def adapter(name: str, *, model: str | None = None, **attributes: Any) -> ScriptedAdapter:
    """One provider called `name`, set to use `model` (by default the model `<name>-model`)."""
    return adapter_class(name, **attributes)(ProviderSettings(model=model or f"{name}-model"))


def failure(kind: ErrorKind, provider: str = "toy", **fields: Any) -> AdapterError:
    """An adapter's error with a message that tells its kind."""
    return AdapterError(kind, f"failed with {kind}", provider=provider, **fields)


def request(model: str = "default", **fields: Any) -> ChatRequest:
    """A plain request."""
    messages = fields.pop("messages", [{"role": "user", "content": "Hello."}])
    return ChatRequest(model=model, messages=messages, **fields)
