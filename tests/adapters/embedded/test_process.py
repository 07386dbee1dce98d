"""The embedded model's process: it stops, it is nobody else's, and nothing of it is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from adapters.base import (
    AdapterError,
    ErrorKind,
    ResponseFormat,
    Scope,
    Text,
)
from adapters.embedded import llama_process
from adapters.embedded.adapter import EmbeddedAdapter
from adapters.embedded.llama_process import BATCH_TOKENS, LlamaProcess
from adapters.embedded.weights import installed_weights
from tests.adapters.embedded.model import (
    PATIENCE_S,
    a_request,
    an_adapter,
    answer,
    is_loading,
    needs_the_extra,
    process_of,
    until,
)
from tests.adapters.kit import collect, fold

pytestmark = [pytest.mark.anyio, needs_the_extra]


ENDLESS = ResponseFormat(schema={"type": "array", "minItems": 1500, "items": {"enum": [7]}})
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
async def adapter() -> AsyncIterator[EmbeddedAdapter]:
    made = an_adapter()
    yield made
    await made.close()


# Leaving


def ticks_used(process: LlamaProcess) -> int:
    """The processor time that the process has used, in hundredths of a second."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


async def ticks_until_rest(process: LlamaProcess) -> int:
    """The processor time it uses until it uses none any more."""
    start = used = ticks_used(process)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await asyncio.sleep(0.5)
            if ticks_used(process) == used:
                return used - start
            used = ticks_used(process)


async def ticks_of_reading(adapter: EmbeddedAdapter, tokens: int) -> int:
    """The processor time that this machine takes for a prompt of `tokens` or a few more."""
    process = await process_of(adapter)
    start = ticks_used(process)
    await answer(adapter, a_request("eight " * tokens, max_tokens=1))
    return ticks_used(process) - start


@linux
async def test_it_stops_when_the_client_closes_the_stream(adapter: EmbeddedAdapter) -> None:
    process = await process_of(adapter)
    request = a_request("Sevens.", response_format=ENDLESS, max_tokens=4096)
    async with contextlib.aclosing(adapter.chat(request)) as batches:
        async for batch in batches:
            if any(isinstance(event, Text) for event in batch):
                break
    assert await ticks_until_rest(process) < 100
    assert fold(await answer(adapter, a_request())).text


# A client that left is noticed when the next batch was read, and one more may have begun: a long
# prompt of fifty batches ends after two. Four of them, as quick as this machine is, are enough.
@linux
@pytest.mark.heavy
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("prompt", ["Sevens.", "seven and seven " * 1000], ids=["short", "long"])
async def test_it_stops_when_the_request_is_cancelled(
    adapter: EmbeddedAdapter, stream: bool, prompt: str
) -> None:
    process = await process_of(adapter)
    enough = 100 if prompt == "Sevens." else await ticks_of_reading(adapter, 4 * BATCH_TOKENS)
    request = a_request(prompt, response_format=ENDLESS, max_tokens=4096, stream=stream)
    asking = asyncio.create_task(collect(adapter, request))
    idle = ticks_used(process)
    await until(lambda: ticks_used(process) > idle + 20, every_s=0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await ticks_until_rest(process) < enough


async def test_closing_ends_the_process_in_the_middle_of_an_answer() -> None:
    adapter = an_adapter()
    process = await process_of(adapter)
    request = a_request("Sevens.", response_format=ENDLESS, max_tokens=4096)
    asking = asyncio.create_task(collect(adapter, request))
    await asyncio.sleep(0.1)
    await adapter.close()
    assert not process.alive
    with pytest.raises(AdapterError):
        await asking
    await adapter.close()


async def test_closing_while_it_loads_ends_the_process() -> None:
    adapter = an_adapter()
    asking = asyncio.create_task(collect(adapter, a_request()))
    await until(lambda: is_loading(adapter))
    await adapter.close()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_process_that_died_is_replaced(adapter: EmbeddedAdapter) -> None:
    process = await process_of(adapter)
    os.kill(process.pid, signal.SIGKILL)
    await process._process.wait()
    assert fold(await answer(adapter, a_request())).text
    assert (await process_of(adapter)).pid != process.pid


# Who can reach it


def listening_inodes() -> set[str]:
    """The inodes of all TCP sockets of this machine that listen."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    rows = [
        line.split()
        for table in tables
        if table.exists()
        for line in table.read_text().splitlines()
    ]
    return {row[9] for row in rows if row[3] == "0A"}


def socket_inodes(pid: int) -> set[str]:
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            name = str(link.readlink())
            if name.startswith("socket:["):
                inodes.add(name[8:-1])
    return inodes


@linux
async def test_no_tcp_port_is_open(adapter: EmbeddedAdapter) -> None:
    before = socket_inodes(os.getpid()) & listening_inodes()
    process = await process_of(adapter)
    await answer(adapter, a_request())
    opened = socket_inodes(process.pid)
    assert opened, "the check sees nothing"
    assert not opened & listening_inodes()
    assert socket_inodes(os.getpid()) & listening_inodes() == before


def mode_of(path: Path) -> int:
    return path.stat().st_mode


def is_there(path: Path | str) -> bool:
    return Path(path).exists()


ROUTES = ["props", "slots", "models", "v1/models", "metrics", "lora-adapters", "completion"]


async def test_its_socket_is_for_us_alone(adapter: EmbeddedAdapter) -> None:
    process = await process_of(adapter)
    socket = Path(process.transport._pool._uds or "")
    assert [stat.S_ISSOCK(mode_of(socket)), oct(stat.S_IMODE(mode_of(socket.parent)))] == [
        True,
        oct(0o700),
    ]
    transport = httpx.AsyncHTTPTransport(uds=str(socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as stranger:
        origin = {"origin": "http://elsewhere.example"}
        for route in ROUTES:
            response = await stranger.get(f"/{route}", headers=origin)
            assert response.status_code in (401, 404), route
            assert not response.headers.get("access-control-allow-origin")
        body = {"messages": [{"role": "user", "content": "Hi"}]}
        response = await stranger.post("/v1/chat/completions", json=body, headers=origin)
        assert response.status_code == 401
    await adapter.close()
    assert not is_there(socket.parent)


# The end


SCRIPT = """
import asyncio, os, sys
from adapters.base import ChatRequest
from adapters.embedded.adapter import EmbeddedAdapter, EmbeddedSettings
from adapters.upstream import Upstream

async def main():
    adapter = EmbeddedAdapter(EmbeddedSettings(), Upstream(None, None), None)
    messages = [{"role": "user", "content": "Hi"}]
    request = ChatRequest(EmbeddedSettings().model, messages, max_tokens=int(sys.argv[1]))
    async for batch in adapter.chat(request):
        process = adapter._connecting.result().process
        print(process.pid, process.transport._pool._uds, flush=True)
        if sys.argv[2] == "leave":
            os._exit(0)
        if sys.argv[2] == "kill":
            os.kill(os.getpid(), 9)
    if sys.argv[2] == "close":
        await adapter.close()

asyncio.run(main())
"""


@linux
@pytest.mark.heavy
@pytest.mark.parametrize(
    ("end", "status"), [("close", 0), ("forget", 0), ("leave", 0), ("kill", -signal.SIGKILL)]
)
async def test_nothing_is_left_however_the_server_ends(end: str, status: int) -> None:
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SCRIPT, "4", end),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE_S):
        out, err = await server.communicate()
        assert server.returncode == status
        assert err == b""
        pid, socket = out.split(b"\n")[0].decode().split()
    folder = Path(socket).parent
    await until(lambda: not is_there(f"/proc/{pid}") and not is_there(folder), every_s=0.05)


# Other weights


async def test_a_file_of_ones_own_is_used_under_its_name(tmp_path: Path) -> None:
    weights = installed_weights()
    assert weights is not None
    path = tmp_path / "My Model (v2).gguf"
    path.symlink_to(weights)
    adapter = an_adapter(model_path=path)
    assert adapter.settings.model == "My-Model-v2"
    try:
        events = await answer(adapter, a_request(model="My-Model-v2"))
    finally:
        await adapter.close()
    assert fold(events).text


@pytest.mark.parametrize("content", [b"", b"not a model", b"GGUF" + bytes(200)])
async def test_a_file_that_is_no_model_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)
    adapter = an_adapter(model_path=path)
    with pytest.raises(AdapterError, match="EMBEDDED_MODEL_PATH") as caught:
        await answer(adapter, a_request(model="broken"))
    assert (caught.value.kind, caught.value.scope) == (ErrorKind.SERVER, Scope.PROVIDER)
    assert str(tmp_path) not in caught.value.message
    await adapter.close()


async def test_a_load_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_process, "LOAD_TIMEOUT_S", 0)
    adapter = an_adapter()
    with pytest.raises(AdapterError, match="could not be loaded"):
        await answer(adapter, a_request())
    await adapter.close()
