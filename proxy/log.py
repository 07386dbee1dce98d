"""The log: a line for each thing that happened, as text or as JSON, with every key masked.

Who logs only leaves a line. A thread of its own masks and writes those that came together, which
costs less than one by one, and a terminal or a collector that does not read holds up no request.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any, TextIO

import orjson

from adapters.base import Json
from proxy.redact import Mask

PAUSE_S = 0.1
"""How long lines are gathered; one that is lost with a killed process is no older."""
MAX_WAITING = 10_000
MAX_CAUSES = 8
MAX_FRAMES = 50
MAX_SAID = 120
LAST_S = 1.0
"""How long the end of the process waits for somebody to read the last lines."""

Form = Callable[[logging.LogRecord], str]


def configure(
    mask: Mask, *, level: str = "info", form: str = "console", stream: TextIO | None = None
) -> Lines:
    """Log to `stream` (standard error) from now on: our own from `level` on, others' warnings."""
    lines = Lines(AsJson() if form == "json" else AsText(), mask, stream or sys.stderr)
    root = logging.getLogger()
    root.addHandler(lines)
    root.setLevel(logging.WARNING)
    logging.getLogger("pointsman").setLevel(level.upper())
    logging._srcfile = None  # who called is shown in no line, and is slow to find out
    logging.setLogRecordFactory(Record)
    return lines


class Record(logging.LogRecord):
    """A record of what a line shows, and of nothing else: made in a quarter of the time."""

    def __init__(
        self,
        name: str,
        level: int,
        pathname: str,
        lineno: int,
        msg: object,
        args: Any,
        exc_info: Any,
        func: str | None = None,
        sinfo: str | None = None,
    ) -> None:
        self.name = name
        self.levelno = level
        self.levelname = logging.getLevelName(level)
        self.msg = msg
        self.args = args[0] if len(args) == 1 and isinstance(args[0], dict) else args
        self.created = now = time.time()
        self.msecs = now % 1 * 1000
        self.exc_info = exc_info
        self.stack_info = sinfo
        # For the handlers of others, which may look for them.
        self.pathname = self.filename = self.module = self.funcName = ""
        self.thread = self.threadName = self.process = self.processName = None
        self.exc_text = self.taskName = None
        self.lineno = 0
        self.relativeCreated = 0.0


class Lines(logging.Handler):
    """Writes lines to `stream`, at most `PAUSE_S` late. What finds no room is counted."""

    def __init__(self, form: Form, mask: Mask, stream: TextIO) -> None:
        super().__init__()
        self._form = form
        self._mask = mask
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._dropped = 0
        self._is_stuck = False
        self._more = threading.Event()
        self._closing = threading.Event()
        self._writer = threading.Thread(target=self._write_on, name="log", daemon=True)
        self._writer.start()

    def handle(self, record: logging.LogRecord) -> bool:
        """In place of the base's, which takes a lock that a deque does not need."""
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self._form(record)
        except Exception:  # a fault in a line of the log is no reason to fail
            line = f"{record.name} (a log line that does not fit its arguments)\n"
        if len(self._waiting) >= MAX_WAITING:
            self._dropped += 1
            return
        self._waiting.append(line)
        if not self._more.is_set():
            self._more.set()
        if self._closing.is_set() and not self._is_stuck:
            self._write()

    def close(self) -> None:
        """Write what is left, if somebody reads it; later lines are written at once."""
        self._closing.set()
        self._more.set()
        self._writer.join(LAST_S)
        self._is_stuck = self._writer.is_alive()
        if self._is_stuck and self._stream is sys.stderr:
            sys.stderr = None  # nobody reads it, and the interpreter would wait for that
        super().close()

    def _write_on(self) -> None:
        while not self._closing.is_set():
            self._more.wait()
            self._closing.wait(PAUSE_S)
            self._more.clear()
            self._write()
        self._write()  # what came while the last lines were written

    def _write(self) -> None:
        lines: list[str] = []
        with contextlib.suppress(IndexError):  # at the end, others write as well
            lines.extend(self._waiting.popleft() for _ in range(len(self._waiting)))
        if dropped := self._dropped:
            self._dropped -= dropped
            lines.append(f"pointsman.log {dropped} lines found no room: nobody read them\n")
        text = self._mask("".join(lines)).encode(errors="backslashreplace").decode()
        with contextlib.suppress(OSError, ValueError):  # there is nobody to tell
            self._stream.write(text)
            self._stream.flush()


class _Stamps:
    """The second of a record, written once for all that fall into it."""

    def __init__(self, form: str, clock: Callable[[float], time.struct_time]) -> None:
        self._form = form
        self._clock = clock
        self._last = (-1, "")

    def of(self, record: logging.LogRecord) -> str:
        """With the milliseconds behind it."""
        second, stamp = self._last
        if (now := int(record.created)) != second:
            stamp = time.strftime(self._form, self._clock(now))
            self._last = (now, stamp)
        return f"{stamp}.{int(record.msecs):03d}"


class AsText:
    """`2026-11-21 18:04:05.123 INFO pointsman.router [groq] connection refused`, in local time."""

    def __init__(self) -> None:
        self._stamps = _Stamps("%Y-%m-%d %H:%M:%S", time.localtime)

    def __call__(self, record: logging.LogRecord) -> str:
        """The line, or several where there is a traceback."""
        message = _on_one_line(record.getMessage())
        line = f"{self._stamps.of(record)} {record.levelname} {record.name} {message}\n"
        trace = _trace(record)
        return f"{line}{trace}\n" if trace else line


class AsJson:
    """One object a line: `time` (UTC), `level`, `logger`, `message`, and the fields it is made of.

    Fields are those of a record whose arguments are a mapping.
    """

    def __init__(self) -> None:
        self._stamps = _Stamps("%Y-%m-%dT%H:%M:%S", time.gmtime)

    def __call__(self, record: logging.LogRecord) -> str:
        entry: Json = {
            "time": f"{self._stamps.of(record)}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if isinstance(record.args, dict):
            entry |= record.args
        if trace := _trace(record):
            entry["exception"] = trace
        try:
            return f"{orjson.dumps(entry, default=str).decode()}\n"
        except TypeError:  # half a character, which only the slower one can tell
            return f"{json.dumps(entry, default=str)}\n"


def _trace(record: logging.LogRecord) -> str:
    """The traceback, if the record has one, its causes first.

    What an exception says of itself stands on one line and is cut: it may quote what was asked.
    """
    found: list[str] = []
    error = record.exc_info[1] if record.exc_info else None
    while error is not None and len(found) < MAX_CAUSES:
        frames = "".join(traceback.format_tb(error.__traceback__, -MAX_FRAMES))
        said = "".join(traceback.format_exception_only(error)).rstrip("\n")
        found.append(f"Traceback (most recent call last):\n{frames}{_on_one_line(said[:MAX_SAID])}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(reversed(found))


def _on_one_line(text: str) -> str:
    """The text as a line of the log takes it: it ends no line and moves no cursor."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
