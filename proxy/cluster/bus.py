"""The way to Valkey: one answer in good time, or none until it is well again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import msgspec
import orjson
from msgspec import Struct

from proxy.cluster.scripts import ADMIT, COUNT, RELEASE, SETTLE

log = logging.getLogger("pointsman.cluster")

CONNECT_S = 1.0
LAST_TURNS = 3
PREFIX = "{pointsman}:"
"""In braces, so that a cluster keeps all of it at one place: a script may not reach over two."""
NEWS = f"{PREFIX}news"
REPLICAS = f"{PREFIX}replicas"
KEPT_NEWS = 4096
BLOCK_MS = 1000
SEEN_S = 10.0
"""For so long after its last word another server counts as one that shares."""
COUNTED_S = 40 * 86_400
"""A counter outlives the month that it counts."""


class Correction(Struct, frozen=True):
    """What a call that was counted as so much of a window comes to."""

    window: str
    call: str
    was: int
    comes_to: int


class Taken(Struct, frozen=True):
    """What a call takes of a window since so long."""

    window: str
    call: str
    amount: int
    age_ms: int
    period_ms: int


class AwayError(Exception):
    """Valkey has not answered in time, or not at all."""


class Bus:
    """Calls of Valkey. After one that fails none is made until `ping` says that it is back.

    What is asked for while an answer is awaited goes out together, over one connection. `turned`
    is called whenever `is_up` has changed.
    """

    def __init__(self, url: str, patience_s: float) -> None:
        self._url = url
        self._patience_s = patience_s
        self._client: Any = None
        self._patient: Any = None
        self._scripts: dict[str, str] = {}
        self._asked: list[tuple[tuple[Any, ...], asyncio.Future[Any]]] = []
        self._asking: asyncio.Task[None] | None = None
        self.is_up = False
        self.turned: Callable[[], None] = lambda: None

    async def open(self) -> None:
        """Load the library, in a thread: it takes a tenth of a second. ImportError without it."""
        # One for calls that must be quick, one that waits for news.
        self._client = await asyncio.to_thread(_client, self._url)
        self._patient = _client(self._url)

    async def close(self) -> None:
        for client in (self._client, self._patient):
            if client is not None:
                with contextlib.suppress(Exception):
                    await client.aclose()

    async def ping(self) -> bool:
        try:
            if self.is_up:
                await _soon(self._client.ping(), self._patience_s * 4)
                return True
            for script in (ADMIT, SETTLE, RELEASE, COUNT):
                asking = self._client.script_load(script)
                self._scripts[script] = await _soon(asking, self._patience_s * 4)
            writing = self._client.set(f"{PREFIX}written", 1, px=1000)
            await _soon(writing, self._patience_s * 4)
        except AwayError:
            self._turn(is_up=False)
        else:
            self._turn(is_up=True)
        return self.is_up

    async def admit(self, keys: Sequence[str], question: Sequence[Any]) -> list[int]:
        """What `ADMIT` says. Raises AwayError."""
        packed = msgspec.msgpack.encode([*question, COUNTED_S])
        return [int(value) for value in await self._run(ADMIT, keys, [packed])]

    async def settle(self, corrections: Sequence[Correction]) -> None:
        """Correct what calls take of windows. Raises AwayError."""
        keys = [key for one in corrections for key in (f"{one.window}:log", f"{one.window}:sum")]
        args = [part for one in corrections for part in (one.call, one.was, one.comes_to)]
        await self._run(SETTLE, keys, args)

    async def count(self, taken: Sequence[Taken]) -> None:
        """Count calls that nobody was asked about. Raises AwayError."""
        keys = [key for one in taken for key in (f"{one.window}:log", f"{one.window}:sum")]
        args = [v for one in taken for v in (one.call, one.amount, one.age_ms, one.period_ms)]
        await self._run(COUNT, keys, args)

    async def used(self, windows: Sequence[str]) -> list[int]:
        """How much of windows all use. Raises AwayError."""
        found = await self._ask("MGET", *(f"{PREFIX}{window}:sum" for window in windows))
        return [int(value or 0) for value in found]

    async def release(self, probe: str, call: str) -> None:
        """Let others try where `call` has tried. Raises AwayError."""
        await self._run(RELEASE, [probe], [call])

    async def add(self, counter: str, amount: int, known: int) -> int:
        """Add to a counter, which is `known` where it is new. Raises AwayError."""
        key = PREFIX + counter
        begun = self._ask("SET", key, known, "NX", "EX", COUNTED_S)
        _, total = await asyncio.gather(begun, self._ask("INCRBY", key, amount))
        return int(total)

    async def keep(self, key: str, value: bytes, for_s: float) -> None:
        await self._ask("SET", PREFIX + key, value, "PX", max(1, int(for_s * 1000)))

    async def kept(self, key: str) -> tuple[bytes, float] | None:
        value, left_ms = await asyncio.gather(
            self._ask("GET", PREFIX + key), self._ask("PTTL", PREFIX + key)
        )
        return None if value is None else (bytes(value), max(0, int(left_ms)) / 1000)

    async def forget(self, key: str) -> None:
        await self._ask("DEL", PREFIX + key)

    async def tell(self, news: object) -> None:
        """Say something to all others, and to those that come later. Raises AwayError."""
        await self._ask("XADD", NEWS, "MAXLEN", "~", KEPT_NEWS, "*", "news", orjson.dumps(news))

    async def here(self, replica: str) -> int:
        now_ms = await self.now_ms()
        await self._ask("ZADD", REPLICAS, now_ms, replica)
        await self._ask("ZREMRANGEBYSCORE", REPLICAS, "-inf", now_ms - int(SEEN_S * 1000))
        return int(await self._ask("ZCARD", REPLICAS))

    async def gone(self, replica: str) -> None:
        await self._ask("ZREM", REPLICAS, replica)

    async def now_ms(self) -> int:
        seconds, micros = await self._ask("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    async def news(self, after: str) -> AsyncIterator[tuple[str, Any]]:
        """The news from `after` on, each with its place; ends when Valkey is away."""
        while self.is_up:
            asking = self._patient.xread({NEWS: after}, count=256, block=BLOCK_MS)
            try:
                found = await _soon(asking, BLOCK_MS / 1000 + 1)
            except AwayError as error:
                if error.__cause__ is not None:  # it refused, or hung up; not only late
                    self._turn(is_up=False, why=error)
                return
            for _, rows in found:
                for place, fields in rows:
                    after = place.decode()
                    with contextlib.suppress(orjson.JSONDecodeError):
                        yield after, orjson.loads(fields[b"news"])

    def _turn(self, *, is_up: bool, why: object = "to a ping") -> None:
        if is_up == self.is_up:
            return
        self.is_up = is_up
        if not is_up:
            log.warning("Valkey does not answer (%s)", why)
        self.turned()

    async def _run(self, script: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        name = self._scripts.get(script)
        return await self._ask("EVALSHA", name, len(keys), *(PREFIX + key for key in keys), *args)

    async def _ask(self, *command: Any) -> Any:
        if not self.is_up:
            raise AwayError
        answer = asyncio.get_running_loop().create_future()
        self._asked.append((command, answer))
        if self._asking is None:
            self._asking = asyncio.create_task(self._round())
        found = await answer
        if isinstance(found, Exception):
            error = _away(found)
            if isinstance(error, AwayError):
                self._turn(is_up=False, why=error)
            raise error from found
        return found

    async def _round(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, []
                try:
                    found = await self._answers([command for command, _ in asked])
                except AwayError as error:
                    self._turn(is_up=False, why=error)
                    found = [error] * len(asked)
                for (_, answer), value in zip(asked, found, strict=True):
                    if not answer.done():
                        answer.set_result(value)
        finally:
            self._asking = None

    async def _answers(self, commands: Sequence[tuple[Any, ...]]) -> Sequence[Any]:
        if not self.is_up:
            raise AwayError
        calls = self._client.pipeline(transaction=False)
        for command in commands:
            calls.execute_command(*command)
        asking = calls.execute(raise_on_error=False)
        return cast("Sequence[Any]", await _soon(asking, self._patience_s))


async def _soon(call: Any, longest_s: float) -> Any:
    """The answer to a call. Raises AwayError where it comes too late, or reports a bad state.

    That this program was busy itself is not held against the other side: what is there by now
    counts, however late it is looked at.
    """
    asking = asyncio.ensure_future(call)
    try:
        await asyncio.wait((asking,), timeout=longest_s)
        for _ in range(LAST_TURNS):
            if not asking.done():
                await asyncio.sleep(0)
        if asking.done():
            return asking.result()
    except Exception as error:
        raise _away(error) from error
    finally:
        asking.cancel()
    raise AwayError("no answer in time")


def _away(error: Exception) -> Exception:
    """AwayError for whatever Valkey or the network says, else the error itself.

    A server that begins, is full, or changes its role or password has many words for it, and each
    one leaves this server to its own share, which is what a refusal for good does as well.
    """
    from valkey.exceptions import ValkeyError

    if isinstance(error, (ValkeyError, OSError, TimeoutError, asyncio.TimeoutError)):
        return AwayError(f"{type(error).__name__}: {error}")
    return error


def _client(url: str) -> Any:
    """`valkey://…`, `rediss://…`; `valkey+cluster://…`; `valkey+sentinel://a:1,b:2/name`."""
    import valkey.asyncio as library
    from valkey.asyncio.retry import Retry
    from valkey.asyncio.sentinel import Sentinel
    from valkey.backoff import NoBackoff

    options: dict[str, Any] = {"socket_timeout": None, "socket_connect_timeout": CONNECT_S}
    options["retry"] = Retry(NoBackoff(), 0)
    scheme, _, kind = url.partition("://")[0].partition("+")
    plain = url.replace(f"+{kind}", "", 1) if kind else url
    if kind == "cluster":
        return library.ValkeyCluster.from_url(plain, **options)
    if kind == "sentinel":
        parts = urlsplit(plain)
        hosts = [host.rpartition(":") for host in parts.netloc.rpartition("@")[2].split(",")]
        found = Sentinel(  # type: ignore[no-untyped-call]
            [(host or port, int(port if host else 26379)) for host, _, port in hosts],
            sentinel_kwargs=dict(options),
            password=_password(parts.netloc),
            ssl=scheme in ("valkeys", "rediss"),
            **options,
        )
        return found.master_for(parts.path.strip("/") or "mymaster")
    return library.Valkey.from_url(plain, **options)


def _password(place: str) -> str | None:
    user, at, _ = place.rpartition("@")
    return unquote(user.rpartition(":")[2]) if at else None
