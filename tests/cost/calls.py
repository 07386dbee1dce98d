"""How many functions are called for one request, and for one chunk of a stream.

The whole server is at work, from the bytes of a client's request to those of its answer, with
limits on, usage recorded and a line logged; only the sockets are played. A call is one of Python's
or of C's, as `sys.setprofile` tells them, and waking a coroutine counts as one.
"""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import orjson
from pydantic import SecretStr

from adapters import REGISTRY, STANDING
from adapters.base import Json
from proxy.doors import speller_of
from proxy.gate.protocol import speaking
from proxy.server import Server
from proxy.settings import Settings
from proxy.upstream.transport import Transport
from tests.cost.wires import Provider, Wire, streamed, whole
from tests.faults.dialects import DIALECTS, Dialect
from tests.proxy.doors.talks import Talk

CHAT = "/v1/chat/completions"
ROUNDS = 7
WORDS = 20
PROMPT = "Tell me about the harbour and its lights. " * 22
ANSWER = "The quick brown fox jumps over the lazy dog. " * 11
UNLIMITED = 10**9


class Counter:
    """What was called since it was made."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, _frame: object, event: str, _argument: object) -> None:
        if event in ("call", "c_call"):
            self.calls += 1


class Client:
    """A client in memory that has one connection to the server."""

    def __init__(self, server: Server, provider: Provider) -> None:
        self._tasks = server.server_state.tasks
        self._provider = provider
        self._received = b""
        self._protocol = speaking(speller_of)(server.config, server.server_state, {})
        self._protocol.connection_made(Wire(self._protocol, self._take))

    async def ask(
        self,
        answer: Sequence[bytes],
        *,
        stream: bool,
        talk: Talk | None = None,
        profile: Counter | None = None,
    ) -> None:
        """Send a request which is answered so, and wait until nothing is left of it.

        No coroutine stands between this and who counts: each would be woken, and counted.
        """
        request = _request(talk, stream=stream)
        self._provider.pieces.extend(answer)
        self._received = b""
        sys.setprofile(profile)
        try:
            self._protocol.data_received(request)
            while self._tasks:  # noqa: ASYNC110 - each turn of the loop is to be counted
                await asyncio.sleep(0)
            await asyncio.sleep(0)  # whose task was cancelled at the end gets its last turn
        finally:
            sys.setprofile(None)
        assert self._received.startswith(b"HTTP/1.1 200 OK\r\n"), self._received
        assert not self._provider.pieces

    def _take(self, data: bytes) -> None:
        self._received += data
        self._provider.go_on()


async def count(dialect: Dialect, folder: Path, talk: Talk | None = None) -> dict[str, float]:
    """The calls of one route: `request`, and for each chunk of a stream `chunk`.

    `talk` is about another door than chat's.
    """
    provider = Provider(dialect)
    few, many = streamed(dialect, WORDS), streamed(dialect, 2 * WORDS)
    with logged(), no_garbage_collection():
        async with asyncio.timeout(60), serving(dialect, provider, folder) as server:
            client = Client(server, provider)

            async def least(answer: Sequence[bytes], *, stream: bool) -> int:
                """The first requests warm up, and the database's thread may have its say in any."""
                found = [Counter() for _ in range(ROUNDS)]
                for counter in found:
                    await client.ask(answer, stream=stream, talk=talk, profile=counter)
                return min(counter.calls for counter in found)

            plain = await least([whole(dialect.whole(ANSWER))], stream=False)
            chunks = await least(many, stream=True) - await least(few, stream=True)
    return {"request": plain, "chunk": chunks / WORDS}


@asynccontextmanager
async def serving(
    dialect: Dialect, provider: Provider, folder: Path
) -> AsyncGenerator[Server, None]:
    """The server with `dialect`'s provider set and preferred; only that one is ever dialled."""
    server = Server(_settings(dialect, folder))
    transport = server.parts.upstream.transport
    assert isinstance(transport, Transport)
    transport.pool._dialer = provider  # type: ignore[assignment] # as much of one as it asks for
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.lifespan.startup()
    await server.parts.storage.preference(None)
    yield server
    await server.lifespan.shutdown()


def _settings(dialect: Dialect, folder: Path) -> Settings:
    adapters = {name: REGISTRY[name].Settings() for name in STANDING}
    adapters[dialect.name] = REGISTRY[dialect.name].Settings(
        api_key=SecretStr("a-key"),
        model=dialect.model,
        base_url="http://provider.example",
        rate_limit_requests_per_minute=UNLIMITED,
    )
    return Settings(
        LLM_PROVIDER=dialect.name,  # type: ignore[call-arg] # the name in the environment
        fallback=(dialect.name,),
        providers=adapters,
        database_url=f"sqlite:///{folder / 'pointsman.db'}",
        transport="native",
    )


def _request(talk: Talk | None, *, stream: bool) -> bytes:
    """What the OpenAI SDK sends, about 1 KB of it; others send as much."""
    path: str = CHAT
    body: Json = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": PROMPT}],
        "temperature": 0.5,
        "stream": stream,
    }
    if talk is not None:
        path, body = talk.asked(stream=stream, words=PROMPT, model="gpt-4o-mini")
    data = orjson.dumps(body)
    head = (
        b"POST %b HTTP/1.1\r\nhost: 127.0.0.1:8000\r\n"
        b"accept: application/json\r\ncontent-type: application/json\r\n"
        b"user-agent: OpenAI/Python 3.52.0\r\nauthorization: Bearer app-x\r\n"
        b"x-stainless-retry-count: 0\r\nx-stainless-read-timeout: 600\r\n"
        b"content-length: %d\r\n\r\n"
    )
    return head % (path.encode(), len(data)) + data


@contextmanager
def logged() -> Iterator[None]:
    """The log as the command sets it up, whoever else listens to it in this process."""
    logger = logging.getLogger("pointsman")
    before = logger.level, logger.propagate, logger.handlers
    logger.handlers = [logging.StreamHandler(io.StringIO())]
    logger.propagate = False
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.handlers, logger.propagate = before[2], before[1]
        logger.setLevel(before[0])


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def measured(folder: Path) -> dict[str, float]:
    """The figures of all routes, as in `calls.json`."""
    found = {}
    for name, dialect in DIALECTS.items():
        own = folder / name
        own.mkdir()
        for what, calls in asyncio.run(count(dialect, own)).items():
            found[f"{name} {what}"] = round(calls, 1)
    return found
