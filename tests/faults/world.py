"""A whole installation on one loop: three fake providers, the real server, the OpenAI SDK.

Time is the test's own: what the proxy waits for takes none, unless a test holds it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import socket
import ssl
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import uvicorn

from adapters import REGISTRY, STANDING
from adapters.base import ChatRequest, Event
from proxy.app import create_app
from proxy.clocks import Clocks
from proxy.doors import speller_of
from proxy.gate.protocol import speaking
from proxy.limits.health import Status
from proxy.parts import Parts
from proxy.settings import Settings
from tests.faults.dialects import DIALECTS
from tests.faults.fake import TASK_NAME, Fake

KEYS = {"groq": "gsk_PlantedSecretOfGroq42", "gemini": "AIzaPlantedSecretOfGemini42"}
PROMPT = "canary-prompt-7f3a"
MESSAGES: Any = [{"role": "user", "content": PROMPT}]
TLS = ssl.create_default_context()  # made once, since loading the roots takes long
PATIENCE_S = 20.0
TURN_S = 0.001
SILENCE_S = 0.5
"""The provider's timeout in tests that let it pass; else it is `PATIENCE_S`."""


async def until(holds: Callable[[], bool]) -> None:
    """Returns when `holds()` does; raises TimeoutError if that does not come.

    Counted in turns of the loop: a machine that stands still for seconds is nobody's fault.
    """
    for _ in range(int(PATIENCE_S / TURN_S)):
        if holds():
            return
        await asyncio.sleep(TURN_S)
    raise TimeoutError


class SlowResolver:
    """The resolver of names: one that blocks its thread until `answer` is set, then finds none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = False
        self.answer = threading.Event()
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._getaddrinfo)

    def _getaddrinfo(self, host: Any, *rest: Any, **options: Any) -> Any:
        if host not in ("nowhere.invalid", b"nowhere.invalid"):
            return self._real(host, *rest, **options)
        self.asked = True
        self.answer.wait(PATIENCE_S)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


class VirtualTime:
    """Seconds that pass at once for who sleeps; while `held`, only as `pass_` says."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall_offset = 1_790_000_000.0
        self.held = False
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def clock(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now + self.wall_offset

    async def sleep(self, seconds: float) -> None:
        if not self.held or seconds <= 0:
            self.now += seconds
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._numbers), woken))
        await woken

    @property
    def sleepers(self) -> int:
        """How many wait for time to pass."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    def pass_(self, seconds: float) -> None:
        """Let so much time pass; who sleeps until then wakes up in order."""
        self.now += seconds
        while self._sleepers and self._sleepers[0][0] <= self.now + 1e-9:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)


async def drive(time: VirtualTime, tasks: Sequence[asyncio.Task[Any]]) -> list[Any]:
    """What the tasks return, time passing for them until all have."""
    async with asyncio.timeout(PATIENCE_S):
        while not all(task.done() for task in tasks):
            time.pass_(0.5)
            await asyncio.sleep(0.01)
    return [task.result() for task in tasks]


@dataclass
class Seen:
    """What an app on the OpenAI SDK got to see of one call."""

    text: str = ""
    error: openai.APIError | None = None
    headers: httpx.Headers = field(default_factory=httpx.Headers)

    @property
    def status(self) -> int:
        return self.error.status_code if isinstance(self.error, openai.APIStatusError) else 200

    @property
    def code(self) -> str | None:
        return self.error.code if self.error else None

    @property
    def attempts(self) -> list[str]:
        told: str = self.headers.get("x-pointsman-attempts", "")
        return told.split(",") if told else []

    @property
    def outcome(self) -> tuple[int, str | None]:
        return self.status, self.code


@dataclass(frozen=True)
class Posted:
    """An answer as it went out."""

    status: int
    headers: dict[str, str]
    body: bytes


class World:
    """Everything up and running; `a` is the preferred provider and `b` the next, if any."""

    def __init__(self, *order: str, time: VirtualTime, folder: Path, **options: Any) -> None:
        self.order = order
        self.time = time
        self.fakes = {name: Fake(dialect) for name, dialect in DIALECTS.items()}
        self.a = self.fakes[order[0]]
        self.b = self.fakes[order[1]] if len(order) > 1 else None
        self.folder = folder
        self.seen: list[Seen] = []
        self._options = options

    async def start(self) -> None:
        for fake in self.fakes.values():
            await fake.start()
        await self._start_server()

    async def _start_server(self) -> None:
        time = self.time
        self.app = app = create_app(
            self._settings(), clocks=Clocks(time.clock, time.wall, time.sleep)
        )
        self.parts: Parts = app.state.parts
        # Named as TCP, else asyncio leaves its writes to Nagle's algorithm.
        listener = socket.socket(proto=socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        config = uvicorn.Config(
            app,
            http=speaking(speller_of),
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="on",
        )
        # Not `serve`, which would take the test runner's signals and end a tenth of a second late.
        config.load()
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup([listener])
        await until(lambda: self.parts.storage._beside)
        self.client = self.sdk(max_retries=0)
        self._baseline = self.tasks()

    def sdk(self, **options: Any) -> openai.AsyncOpenAI:
        """A client of the server, with retries and timeouts as given."""
        http = openai.DefaultAsyncHttpxClient(verify=TLS)
        return openai.AsyncOpenAI(
            base_url=self.url, api_key="app-x", http_client=http, **{"timeout": 20.0, **options}
        )

    def _settings(self) -> Settings:
        options = dict(self._options)
        urls = {name: fake.url for name, fake in self.fakes.items()} | options.pop("urls", {})
        limits = options.pop("limits", {})
        models = options.pop("models", {})
        silence_s = options.pop("silence_s", PATIENCE_S)
        providers = {name: REGISTRY[name].Settings() for name in STANDING} | {
            name: REGISTRY[name].Settings(
                api_key=KEYS.get(name),
                model=models.get(name, dialect.model),
                base_url=urls[name],
                timeout=silence_s,
                rate_limit_enabled=name in limits,
                rate_limit_requests_per_minute=limits.get(name),
            )
            for name, dialect in DIALECTS.items()
        }
        database = f"sqlite:///{self.folder / 'pointsman.db'}"
        fields = {"fallback": self.order, "database_url": database, "max_wait_s": 0, **options}
        return Settings(LLM_PROVIDER=self.order[0], providers=providers, **fields)

    async def stop(self) -> None:
        await self._stop_server()
        for fake in self.fakes.values():
            await until(lambda fake=fake: fake.counts.open == 0)  # type: ignore[misc]
            await fake.stop()

    async def _stop_server(self) -> None:
        await self.client.close()
        for server in self._server.servers:
            server.close()
        await until(lambda: not self._server.server_state.connections)
        await self._server.lifespan.shutdown()

    async def restart(self) -> None:
        """End the server as a SIGTERM does, and start another one over the same files."""
        await self._stop_server()
        await self._start_server()

    # -- what apps do -------------------------------------------------------------------------

    async def ask(
        self,
        model: str | None = None,
        *,
        stream: bool = False,
        client: openai.AsyncOpenAI | None = None,
        **fields: Any,
    ) -> Seen:
        """One call of the SDK, and what came of it.

        Unless told otherwise it names the model of `a`, for which no lists of models are asked.
        """
        create = (client or self.client).chat.completions.with_raw_response.create
        seen = Seen()
        self.seen.append(seen)
        try:
            raw: Any = await create(
                **{
                    "model": model or self.a.dialect.model,
                    "messages": MESSAGES,
                    "stream": stream,
                    **fields,
                }
            )
            seen.headers = raw.headers
            answer: Any = raw.parse()
            if not stream:
                seen.text = answer.choices[0].message.content
                return seen
            async for part in answer:
                seen.text += (part.choices[0].delta.content or "") if part.choices else ""
        except openai.APIStatusError as error:
            seen.error, seen.headers = error, error.response.headers  # type: ignore[assignment]
        except openai.APIError as error:
            seen.error = error
        return seen

    def watch_calls(self, provider: str) -> list[ChatRequest]:
        """The requests in the order in which the router lets them go; sockets may mix them up."""
        adapter = self.parts.adapters[provider]
        chat, seen = adapter.chat, []

        def watched(request: ChatRequest) -> AsyncGenerator[list[Event], None]:
            seen.append(request)
            return chat(request)

        adapter.chat = watched  # type: ignore[method-assign]
        return seen

    def watch_asks(self) -> list[str]:
        """The calls that come in at the server, one entry each."""
        asks: list[str] = []
        answer = self.parts.router.answer

        def watched(request: ChatRequest, *rest: Any, **options: Any) -> Any:
            asks.append(request.model)
            return answer(request, *rest, **options)

        self.parts.router.answer = watched  # type: ignore[method-assign]
        return asks

    async def post(self, **fields: Any) -> Posted:
        """One call straight to the application: a thousand of them take no time worth a word."""
        body = json.dumps({"model": self.a.dialect.model, "messages": MESSAGES, **fields}).encode()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/v1/chat/completions",
            "raw_path": b"/v1/chat/completions",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")],
            "state": {},
        }
        sent: list[Any] = []
        asked = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            return asked.pop() if asked else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Posted(sent[0]["status"], headers, b"".join(part["body"] for part in sent[1:]))

    # -- the state afterwards -----------------------------------------------------------------

    def status(self, provider: str) -> Status:
        """What is remembered of a provider or of its model, whichever keeps it out longer."""
        known = [
            status
            for status in self.parts.health.snapshot()
            if status.provider == provider and status.model in (None, DIALECTS[provider].model)
        ]
        return max(known, key=lambda status: (status.ends_in_s, status.state != "ready"))

    def pause_s(self, provider: str) -> float:
        """Seconds for which a provider is not asked, whatever keeps it."""
        return self.status(provider).ends_in_s

    def waiting(self) -> int:
        """How many requests stand in line."""
        return sum(self.parts.router.permits._lines._waiting.values())

    def tasks(self) -> int:
        """The tasks of server and SDK, without the fakes'."""
        return sum(task.get_name() != TASK_NAME for task in asyncio.all_tasks())

    async def settled(self) -> None:
        """Returns when no call is open upstream and every task of a request has ended."""
        await until(lambda: all(fake.counts.busy == 0 for fake in self.fakes.values()))
        try:
            await until(lambda: self.tasks() <= self._baseline)
        except TimeoutError:
            left = [task for task in asyncio.all_tasks() if task.get_name() != TASK_NAME]
            raise AssertionError(f"more than {self._baseline}: {left}") from None
