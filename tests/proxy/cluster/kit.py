"""A Valkey of our own (or Redis, which speaks the same), and servers that share by it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.memory import LruMemory
from proxy.candidate import Candidate
from proxy.cluster.bus import Bus
from proxy.cluster.news import News
from proxy.cluster.replica import Replica
from proxy.limits.health import Health
from proxy.limits.retired import Retired
from proxy.limits.ticket import Ticket, Wait
from proxy.limits.windows import Limits
from proxy.routing.planning.preference import Preference
from proxy.routing.planning.sessions import Sessions
from proxy.store.kept.preferences import Preferences

PATIENCE_S = 30.0
PATIENT_S = 10.0
"""A machine that is busy with other tests is no reason to go on without Valkey."""
USUAL_S = 0.05
MODEL = Candidate("groq", "llama")
LIMITS = Limits(requests_per_minute=30, tokens_per_minute=6000, requests_per_day=1000)


def program() -> str | None:
    """Where the server is."""
    return shutil.which("valkey-server") or shutil.which("redis-server")


@dataclass
class Server:
    """Listens on a socket; can be frozen, thawed, killed and started again, empty."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/valkey.sock"

    def start(self) -> None:
        options = ["--port", "0", "--unixsocket", f"{self.folder}/valkey.sock", "--save", ""]
        command = [str(program()), *options, "--dir", str(self.folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE_S
        while not (self.folder / "valkey.sock").exists():
            assert time.monotonic() < end
            time.sleep(0.01)

    def tell(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        if self.process is not None:
            self.tell(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            (self.folder / "valkey.sock").unlink(missing_ok=True)


@contextmanager
def server_running() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="pointsman-valkey-") as folder:
        server = Server(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


class Member:
    """What one of several servers remembers, and its part in what they agree on."""

    def __init__(self, url: str, limits: Limits = LIMITS, *, patience_s: float = PATIENT_S) -> None:
        self.health = Health({"groq": limits}, clock=time.monotonic, wall=time.time)
        self.retired = Retired({}, wall=time.time)
        self.sessions = Sessions(time.monotonic)
        self.memory = LruMemory()
        self.preferences = Preferences(Preference("groq"), ["groq"])
        self.looked = 0
        news = News(self.health, self.retired, self.sessions, self.memory, self._look)
        self.bus = Bus(url, patience_s)
        self.replica = Replica(self.bus, self.health, news, self.preferences)

    def _look(self) -> None:
        self.looked += 1

    async def ask(self, tokens: int = 10, candidate: Candidate = MODEL) -> Ticket | list[Wait]:
        """A permit for a call, or what stands before it."""
        return await self.replica.agree(lambda: self.health.admit_first([candidate], tokens))

    async def asked(self, tokens: int = 10) -> Ticket:
        """A permit for a call, which is to be had."""
        leave = await self.ask(tokens)
        assert isinstance(leave, Ticket)
        return leave


@asynccontextmanager
async def members(
    url: str, count: int, limits: Limits = LIMITS, *, patience_s: float = PATIENT_S
) -> AsyncIterator[list[Member]]:
    """So many servers, each of which knows of the others."""
    found = [Member(url, limits, patience_s=patience_s) for _ in range(count)]
    async with AsyncExitStack() as stack:
        for one in found:
            task = asyncio.create_task(one.replica.run())
            stack.push_async_callback(one.replica.close)
            stack.push_async_callback(_ended, task)
        await until(lambda: all(one.replica._servers == count for one in found))
        yield found


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what goes on beside."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.01)


def wait(condition: Callable[[], object]) -> None:
    """The same where nothing else has to go on in this process."""
    ends_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.01)
