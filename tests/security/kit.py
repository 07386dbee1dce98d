"""What these tests share: the real server before the strict fakes, and clients of plain sockets.

The server runs in a thread where a test wants to see into it, else in a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import uvicorn
from click.testing import CliRunner

from adapters import REGISTRY
from proxy.__main__ import main
from proxy.clocks import Clocks
from proxy.server import Server
from proxy.settings import Settings
from tests.fakes import GEMINI_KEY, GROQ_KEY, GeminiFake, GroqFake, OllamaFake
from tests.fakes.server import FakeServer
from tests.ports import kept_port
from tests.transports import CHOSEN

PATIENCE_S = 20.0
Wait = Callable[[Callable[[], object]], None]
COMMAND = str(Path(sys.executable).with_name("pointsman"))
CHAT = "/v1/chat/completions"
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
SOAK = bool(os.environ.get("POINTSMAN_SOAK"))


def sized(usual: int, soak: int) -> int:
    """How many: a few in the suite, and the specification's number with POINTSMAN_SOAK=1."""
    return soak if SOAK else usual


# -- the providers ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fakes:
    groq: GroqFake
    gemini: GeminiFake
    ollama: OllamaFake

    def each(self) -> tuple[FakeServer, ...]:
        return (self.groq, self.gemini, self.ollama)

    @property
    def by_name(self) -> dict[str, FakeServer]:
        return {"groq": self.groq, "gemini": self.gemini, "ollama": self.ollama}

    def forget(self) -> None:
        for fake in self.each():
            fake.forget()

    @property
    def chats(self) -> int:
        """Calls to a model, of all three."""
        return sum(
            request.path.endswith(fake.chat_paths)
            for fake in self.each()
            for request in fake.requests
        )


@contextlib.contextmanager
def fakes_running() -> Iterator[Fakes]:
    with GroqFake() as groq, GeminiFake() as gemini, OllamaFake() as ollama:
        yield Fakes(groq, gemini, ollama)


# -- the server -------------------------------------------------------------------------------


def settings_for(fakes: Fakes, folder: Path, **given: Any) -> Settings:
    """Settings with all three providers; `given` stands over them."""
    urls = {"groq": fakes.groq.url, "gemini": fakes.gemini.url, "ollama": fakes.ollama.url}
    keys = {"groq": GROQ_KEY, "gemini": GEMINI_KEY, **given.pop("keys", {})}
    models = {"ollama": "llama3.2", **given.pop("models", {})}
    providers = {
        name: REGISTRY[name].Settings(
            **{
                "base_url": url,
                "api_key": keys.get(name),
                "rate_limit_enabled": False,
                "timeout": given.get("timeout", 20),
                **({"model": models[name]} if name in models else {}),
            }
        )
        for name, url in urls.items()
    }
    given.pop("timeout", None)
    providers["embedded"] = REGISTRY["embedded"].Settings()
    return Settings(
        LLM_PROVIDER=given.pop("provider", "groq"),
        providers=providers,
        **{
            "fallback": ("groq", "gemini", "ollama"),
            "max_wait_s": 0,
            "database_url": f"sqlite:///{folder / 'pointsman.db'}",
            "rate_preset": "off",
            "drain_s": 5.0,
            **given,
        },
    )


class Threaded(Server):
    """The server in a thread, until `end` is called; with another parser if one is named."""

    def __init__(
        self,
        settings: Settings,
        *,
        parser: str = "",
        clocks: Clocks | None = None,
    ) -> None:
        # Between two attempts nothing needs to be waited for here.
        clocks = clocks or Clocks(sleep=lambda _: asyncio.sleep(0))
        super().__init__(settings, clocks=clocks)
        if parser:
            self.config = uvicorn.Config(
                self.config.app, http=parser, ws="none", log_config=None, access_log=False
            )
        self.is_up = threading.Event()
        self.loop: Any = None
        self.port = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        self.is_up.set()

    def _connections(self) -> list[Any]:
        found = super()._connections()
        return [one for one in found if hasattr(one, "check")]

    def run_in_loop(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What `work` gives, done in the server's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_S)

    def tell(self) -> None:
        """What a signal would do."""
        self.loop.call_soon_threadsafe(self.end)


@contextlib.contextmanager
def serving(settings: Settings, *, port: int = 0, **given: Any) -> Iterator[Threaded]:
    """A server in a thread of its own."""
    server = Threaded(settings, **given)
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    server.port = listener.getsockname()[1]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert server.is_up.wait(PATIENCE_S)
        yield server
    finally:
        if thread.is_alive():
            server.tell()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@dataclass
class Process:
    """The command in a process of its own; everything it writes is in `folder`."""

    popen: subprocess.Popen[bytes]
    port: int
    folder: Path
    environment: Mapping[str, str]

    def told(self, *command: str, asked: str = "", port: int = 0) -> str:
        """What another command of the same settings says, such as `usage`, of what is at the port.

        It runs in this process: a start takes a second, and the suite has dozens of them.
        """
        arguments = ["--port", str(port or self.port), *command]
        with (
            contextlib.chdir(self.folder),
            mock.patch.dict(os.environ, self.environment, clear=True),
        ):
            return CliRunner().invoke(main, arguments, input=asked, catch_exceptions=False).output

    def refused(self) -> str:
        """Why the same server does not start once more: it would not end in this process."""
        done = subprocess.run(
            [COMMAND, "--port", str(self.port)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S * 4,
            check=False,
        )
        return done.stdout + done.stderr

    def terminate(self) -> None:
        self.popen.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        return self.popen.wait(PATIENCE_S * 4)

    @property
    def said(self) -> str:
        return "".join(
            (self.folder / name).read_text(encoding="utf-8") for name in ("stdout", "stderr")
        )

    def open_files(self) -> int:
        """How many files it has open, sockets among them."""
        return len(list(Path(f"/proc/{self.popen.pid}/fd").iterdir()))

    def rss_bytes(self) -> int:
        """What it holds in memory now."""
        status = Path(f"/proc/{self.popen.pid}/status").read_text(encoding="ascii")
        return int(status.split("VmRSS:")[1].split()[0]) * 1024


@contextlib.contextmanager
def process(fakes: Fakes, folder: Path, **settings: str) -> Iterator[Process]:
    """The installed command before the fakes."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"),
        "GROQ_API_KEY": GROQ_KEY,
        "GROQ_BASE_URL": fakes.groq.url,
        "GEMINI_API_KEY": GEMINI_KEY,
        "GEMINI_BASE_URL": fakes.gemini.url,
        "OLLAMA_HOST": fakes.ollama.url,
        "LLM_PROVIDER": "groq",
        "POINTSMAN_FALLBACK": "groq,gemini,ollama",
        "POINTSMAN_RATE_PRESET": "off",
        "POINTSMAN_MAX_WAIT_S": "0",
        **CHOSEN,
        **settings,
    }
    with (
        kept_port() as port,
        (folder / "stdout").open("wb") as stdout,
        (folder / "stderr").open("wb") as stderr,
        subprocess.Popen(
            [COMMAND, "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=stdout,
            stderr=stderr,
        ) as popen,
    ):
        one = Process(popen, port, folder, environment)
        try:
            _wait_until_ready(one)
            yield one
        finally:
            popen.kill()


def _wait_until_ready(one: Process) -> None:
    for _ in range(600):
        assert one.popen.poll() is None, one.said
        with contextlib.suppress(OSError):
            if ask(one.port, request("GET", "/health/ready")).status == 200:
                return
        one.popen.poll()
        threading.Event().wait(0.05)
    raise AssertionError(one.said)


# -- clients ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    """An answer as it came over the wire; status 0 is a connection that was closed without one."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        code: str | None = self.json["error"]["code"]
        return code


def body_of(model: str = "default", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hello."}], **fields}


def request(
    method: str,
    path: str,
    body: bytes = b"",
    *,
    host: str | None = "127.0.0.1",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """A request as bytes; nothing is added but Host and the length of a body."""
    lines = [f"{method} {path} HTTP/1.1"]
    lines += [] if host is None else [f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += [f"Content-Length: {len(body)}"] if body or method in ("POST", "PUT") else []
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def post(body: Any, path: str = CHAT, **headers: str) -> bytes:
    """A POST of JSON, as an SDK sends it."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request("POST", path, data, headers={"Content-Type": "application/json", **headers})


GOOD = post(body_of())


def connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def ask(port: int, data: bytes) -> Reply:
    """Send `data` on a connection of its own and read one answer."""
    with connect(port) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(data)
        return read_reply(sock, has_body=not data.startswith(b"HEAD"))


def read_reply(sock: socket.socket, *, has_body: bool = True) -> Reply:
    """The next answer; a stream is read to its end."""
    try:
        with sock.makefile("rb") as file:
            first = file.readline()
            if not first:
                return Reply()
            headers: dict[str, str] = {}
            while (line := file.readline()) not in (b"\r\n", b""):
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            body = _read_body(file, headers) if has_body else b""
            return Reply(int(first.split()[1]), headers, body)
    except ConnectionError:
        return Reply()


def _read_body(file: Any, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding") == "chunked":
        pieces = []
        while size := int(file.readline() or b"0", 16):
            pieces.append(file.read(size))
            file.readline()
        file.readline()
        return b"".join(pieces)
    return bytes(file.read(int(headers.get("content-length", 0))))


def is_closed(sock: socket.socket) -> bool:
    """Whether the server ends the connection, without another byte, in the time a test has."""
    with contextlib.suppress(ConnectionError):
        return sock.recv(1) == b""
    return True


def read_one(sock: socket.socket) -> Reply:
    """An answer with a length, without reading anything that follows it."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(1)
    head = data.decode("latin-1")
    size = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
    body = b""
    while len(body) < size:
        body += sock.recv(size - len(body))
    return Reply(int(head.split()[1]), {}, body)
