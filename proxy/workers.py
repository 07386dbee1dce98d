"""Several servers of one machine: a parent holds the socket, starts them, and starts them again.

They are forked, before the parent has a loop or a thread: what is imported is in memory once, the
settings are read once, and no secret has to be handed on. What they agree on goes over Valkey.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Self

import click

from proxy.server import ends, run
from proxy.settings import Settings

EXIT_REFUSED = 2
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0
"""Who has run for so long before it ended is started again at once."""
MAX_REASON = 4096


@dataclass
class Worker:
    """One of them: the process while there is one, else when the next begins."""

    number: int
    due: float
    pid: int | None = None
    begun: float | None = None
    pause_s: float = 0.0


class Crew:
    """Who runs, and when who has ended is to be started again. `start` gives a process's id."""

    def __init__(
        self, count: int, start: Callable[[Worker], int], clock: Callable[[], float]
    ) -> None:
        self._workers = [Worker(number, clock()) for number in range(1, count + 1)]
        self._start = start
        self._clock = clock

    @property
    def pids(self) -> Sequence[int]:
        """Of those that run."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    def keep(self) -> float | None:
        """Start who is due; in how many seconds the next will be."""
        now = self._clock()
        for worker in self._workers:
            if worker.pid is None and worker.due <= now:
                worker.pid, worker.begun = self._start(worker), now
        return min((one.due - now for one in self._workers if one.pid is None), default=None)

    def ended(self, pid: int) -> Worker | None:
        """Note that a process has ended; whose it was, with the pause until it starts again."""
        for worker in self._workers:
            if worker.pid == pid:
                now = self._clock()
                is_steady = now - (worker.begun or 0) >= STEADY_S
                longer = min(max(worker.pause_s * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S)
                worker.pause_s = 0.0 if is_steady else longer
                worker.pid, worker.due = None, now + worker.pause_s
                return worker
        return None

    def tell(self, number: int) -> None:
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def refusal(settings: Settings) -> str | None:
    """Why several servers cannot be started, or None."""
    wanted = f"{settings.workers} workers need"
    if not hasattr(os, "fork"):
        return f"{wanted} a system that can fork"
    if not settings.shared_url.get_secret_value():
        return f"{wanted} POINTSMAN_SHARED_URL: a Valkey over which they agree (docs/scale.md)"
    if find_spec("valkey") is None:
        return f"{wanted} `--extra cluster`"
    if settings.is_guarded and not settings.admin_token.get_secret_value():
        return f"{wanted} POINTSMAN_ADMIN_TOKEN: each would make up one of its own"
    return None


def run_all(settings: Settings, listener: socket.socket) -> str | None:
    """Serve on `listener` with so many processes until a signal comes.

    Returns why none of them can, or None if they were told to end.
    """
    gc.collect()
    gc.freeze()  # what is here stays shared with the workers: nobody looks through it for garbage
    parent, life = os.pipe()
    reasons, reason = os.pipe()
    os.set_blocking(reasons, False)
    with Signals() as signals:

        def start(worker: Worker) -> int:
            with _held_back():
                pid = os.fork()
                if pid == 0:
                    signals.close()
            if pid == 0:
                os.close(life)
                os.setpgid(0, 0)  # a Ctrl-C is for the parent, which passes it on
                is_first = worker.number == 1 and worker.begun is None
                why = run(settings, listener, parent=parent, says=is_first)
                os.write(reason, (why or "").encode()[:MAX_REASON] + b"\n")
                raise SystemExit(EXIT_REFUSED if why else 0)
            return pid

        _keep(Crew(settings.workers, start, time.monotonic), signals, listener)
    with contextlib.suppress(BlockingIOError):
        told = os.read(reasons, MAX_REASON).decode(errors="replace").split("\n")
        return next(filter(None, told), None)
    return None


def _keep(crew: Crew, signals: Signals, listener: socket.socket) -> None:
    """Until all have ended, since a signal told them to or one has found that none can serve."""
    is_ending = False

    def end(number: int) -> None:
        nonlocal is_ending
        is_ending = True
        listener.close()
        crew.tell(number)

    while not is_ending or crew.pids:
        for number in signals.wait(None if is_ending else crew.keep()):
            if number != signal.SIGCHLD:
                end(number)
        for pid, code in _gone():
            worker = crew.ended(pid)
            if worker is None or is_ending:
                continue
            if code == EXIT_REFUSED:
                end(signal.SIGTERM)
                continue
            how = f"signal {-code}" if code < 0 else f"exit {code}"
            click.echo(
                f"pointsman: worker {worker.number} has ended ({how}):"
                f" started again in {worker.pause_s:g} s",
                err=True,
            )


def _gone() -> Iterator[tuple[int, int]]:
    """Processes that have ended, and how; in a container also those that others have left."""
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            yield found[0], os.waitstatus_to_exitcode(found[1])


class Signals:
    """The signals that this process gets, to be waited for."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        numbers = (*ends(), signal.SIGCHLD)
        self._before = {number: signal.signal(number, _noted) for number in numbers}
        signal.set_wakeup_fd(self._writer.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self, longest_s: float | None) -> Sequence[int]:
        """The numbers of the signals that have come, at the latest after so long."""
        select.select([self._reader], [], [], longest_s)
        with contextlib.suppress(BlockingIOError):
            return self._reader.recv(MAX_REASON)
        return b""

    def close(self) -> None:
        """Let signals do again what they did."""
        signal.set_wakeup_fd(-1)
        for number, before in self._before.items():
            signal.signal(number, before or signal.SIG_DFL)
        self._reader.close()
        self._writer.close()


def _noted(*_: object) -> None:
    """The number has been written to the socket."""


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """No signal comes in between: it would be told to the parent by its child."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*ends(), signal.SIGCHLD))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
