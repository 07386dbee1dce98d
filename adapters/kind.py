"""What the adapters of all kinds have in common: their names, where calls go, lists of models."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar, TypeVar

import httpx

from adapters.base import Availability, ChatRequest, Model, NativeCall, availability
from adapters.child import Line
from adapters.configured import ProviderSettings
from adapters.errors import BEFORE_CONTENT, AdapterError, ErrorKind, Scope, not_promised, unsent
from adapters.refusals.lessons import Lessons
from adapters.upstream import Target, Upstream, raw_headers, timeouts
from adapters.wire.aside import read_aside
from adapters.wire.broken import HTTPX_ERRORS, transport_error
from adapters.wire.ceiling import Ceilings
from adapters.wire.native import UNREADABLE, Dialect, exchange
from adapters.wire.reading import SMALL_S

MAX_TARGETS = 64
MAX_PAGES = 20

T = TypeVar("T")


class Kind:
    """An adapter, but for what its provider speaks. `called` is its name for people."""

    called: ClassVar[str] = ""
    local = False
    last_resort: ClassVar[bool] = False
    Settings: ClassVar[type[ProviderSettings]] = ProviderSettings
    _ceilings: Ceilings
    _lessons: Lessons

    def __init__(self, settings: ProviderSettings, upstream: Upstream) -> None:
        self.settings = settings
        self.name = settings.name or settings.kind
        self.title = settings.titled(self.called)
        self._secret = settings.secret
        self._is_capped = settings.max_tokens is not None
        self._upstream = upstream
        self._targets: dict[str, Target] = {}

    @cached_property
    def unconfigured(self) -> str | None:
        return None if self._secret else f"{self.settings.variable('api_key')} is not set"

    @property
    @abstractmethod
    def line(self) -> Line:
        """Where paths begin, and the headers of every call."""

    @abstractmethod
    def refused(self, response: httpx.Response) -> AdapterError:
        """What a refusal means, of anything but a chat."""

    @abstractmethod
    async def models(self) -> list[Model]: ...

    async def is_available(self) -> Availability:
        return await availability(self.name, self.models())

    async def close(self) -> None:
        """Nothing to close: the connections belong to whoever gave them."""

    def where(self, path: str) -> Target | Callable[[], Awaitable[Target]]:
        """Where the calls of a path go; what may stand in the way is raised when it is called."""
        return self._targets.get(path) or partial(self._aimed, path)

    def ask(self, call: NativeCall, answer: Dialect) -> AsyncGenerator[list[Any], None]:
        """The answer to a call of anything but a chat."""
        return exchange(self.where(call.path), call, answer)

    def _fitted(self, call: NativeCall, request: ChatRequest) -> NativeCall:
        """A call of a chat, as its model is known to take it."""
        if self._lessons.known:
            call = self._lessons.kept(call)
        return self._ceilings.fitted(call) if request.max_tokens or self._is_capped else call

    async def listed(self, path: str, read: Callable[[Any], T], **query: str) -> T:
        """What `read` makes of a list that the provider gives. Raises AdapterError."""
        kind = self.settings.kind
        try:
            response = await self._asked(path, query)
            if response.status_code >= 300:
                raise self._of_list(self.refused(response))
            return await read_aside(response.content, read)
        except (*HTTPX_ERRORS, UnicodeEncodeError) as error:
            raise transport_error(error, kind, BEFORE_CONTENT) from error
        except UNREADABLE as error:
            raise not_promised(kind, "the list of models cannot be read") from error

    async def _asked(self, path: str, query: Mapping[str, str]) -> httpx.Response:
        self._must_be_set_up()
        url = httpx.URL(path if "://" in path else self.line.url + path)
        url = url.copy_merge_params(query) if query else url
        return await self._upstream.fetched(str(url), self.line.headers, self._list_timeout_s)

    @property
    def _list_timeout_s(self) -> float:
        return min(SMALL_S, self.settings.timeout)

    def _of_list(self, error: AdapterError) -> AdapterError:
        """Whose key may not list may be answered all the same."""
        may_be = error.kind is ErrorKind.AUTH and error.status == 403
        return error.but(scope=Scope.REQUEST) if may_be else error

    async def _aimed(self, path: str) -> Target:
        self._must_be_set_up()
        if len(self._targets) >= MAX_TARGETS:
            self._targets.clear()
        target = self._targets[path] = self._aim(path)
        return target

    def _aim(self, path: str) -> Target:
        url = httpx.URL(self.line.url + path)
        host, kind = url.netloc.decode("ascii"), self._content_type(path)
        raw = raw_headers(self.line.headers, host=host, content_type=kind)
        return self._upstream.target(url, raw, timeouts(self.settings.timeout))

    def _content_type(self, path: str) -> str:
        return "application/json"

    def _must_be_set_up(self) -> None:
        if reason := self.unconfigured:
            raise unsent(self.settings.kind, ErrorKind.AUTH, reason, scope=Scope.KEY)


class SdkKind(Kind):
    """An adapter whose SDK tells the line, once; before that, calls go by what is known."""

    def __init__(self, settings: ProviderSettings, upstream: Upstream) -> None:
        super().__init__(settings, upstream)
        self._lock = asyncio.Lock()
        self._told: Line | None = None

    @abstractmethod
    def _known_line(self) -> Line: ...

    @abstractmethod
    def _sdks_line(self) -> Line:
        """Takes a second."""

    @property
    def line(self) -> Line:
        return self._told or self._first_line

    @cached_property
    def _first_line(self) -> Line:
        return self._known_line()

    async def prepare(self) -> None:
        """Ask the SDK, in a thread."""
        async with self._lock:
            if self._told is None and not self.unconfigured:
                self._told = await asyncio.to_thread(self._sdks_line)
                self._targets.clear()


async def pages(
    page: Callable[..., Awaitable[tuple[Sequence[T], Any]]], name: str
) -> AsyncIterator[Sequence[T]]:
    """The rows of a list, page by page: each tells the token of the next, called `name`."""
    token: Any = ""
    for _ in range(MAX_PAGES):
        more, following = await page(**({name: token} if token else {}))
        yield more
        before, token = token, following
        if not token or not isinstance(token, str) or token == before:
            break
