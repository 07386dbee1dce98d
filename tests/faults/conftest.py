"""A world a test, and what must hold after every one of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.faults.dialects import DIALECTS
from tests.faults.fake import Fake
from tests.faults.surfaces import assert_nothing_secret_shows
from tests.faults.world import KEYS, PROMPT, Seen, VirtualTime, World

Build = Callable[..., Awaitable[World]]


@pytest.fixture(scope="session", autouse=True)
def sdks() -> None:
    """The providers' SDKs come in with the first call; not while a test counts on silence."""
    import google.genai
    import groq
    import ollama

    assert google.genai and groq and ollama


@pytest.fixture
async def build(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Build]:
    """Makes worlds: `await build("groq", "gemini", …)` prefers Groq and falls back to Gemini."""
    for name in ("LLM_PROVIDER", "POINTSMAN_FALLBACK", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.INFO, logger="httpcore2")  # the app's side, and very talkative
    worlds: list[World] = []

    async def make(*order: str, time: VirtualTime | None = None, **options: Any) -> World:
        folder = tmp_path / str(len(worlds))
        folder.mkdir()
        world = World(*order, time=time or VirtualTime(), folder=folder, **options)
        await world.start()
        worlds.append(world)
        return world

    yield make
    for world in worlds:
        try:
            await world.settled()
            await assert_nothing_secret_shows(world)
        finally:
            await world.stop()
    assert_clean(caplog)


def assert_clean(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing of ours has failed, and no log line of any level holds a key or a prompt."""
    ours = [record for record in caplog.records if record.name.startswith("pointsman")]
    assert [record for record in ours if record.exc_info] == []
    said = "\n".join(record.getMessage() for record in ours)
    said += "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith("openai"))
    for secret in (*KEYS.values(), PROMPT):
        assert secret not in said


def is_told(seen: Seen, wait_s: float) -> bool:
    """Whether the app is told to wait so long, or up to a tenth longer, in either header."""
    seconds, ms = (float(seen.headers[name]) for name in ("retry-after", "retry-after-ms"))
    is_exact = wait_s - 0.001 <= ms / 1000 <= wait_s * 1.1 + 0.001
    return is_exact and wait_s <= seconds < wait_s * 1.1 + 1


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine that refuses connections as long as the test runs."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address that answers nothing, not even to say no: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Who issues certificates; see `trusting`."""
    return trustme.CA()


@pytest.fixture
def trusting(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The proxy trusts what `authority` issues, and nothing else."""
    roots = tmp_path / "roots.pem"
    authority.cert_pem.write_to_path(str(roots))
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))
    yield


@contextlib.asynccontextmanager
async def tls_fake(name: str, certificate: trustme.LeafCert) -> AsyncIterator[Fake]:
    """A provider that is reached by TLS, and shows this certificate."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(tls)
    fake = await Fake(DIALECTS[name]).start(tls)
    yield fake
    await fake.stop()


@pytest.fixture
async def no_handshake() -> AsyncIterator[str]:
    """The address of a server that hangs up when it is to show who it is."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
