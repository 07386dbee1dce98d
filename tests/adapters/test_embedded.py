"""The embedded model itself: a real llama.cpp, really asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters import llama_process
from adapters.base import (
    AdapterError,
    ChatRequest,
    ErrorKind,
    Event,
    Json,
    Logprobs,
    ResponseFormat,
    Scope,
    Text,
)
from adapters.embedded import DEFAULT_MODEL, EmbeddedAdapter, EmbeddedSettings
from adapters.embedded_weights import installed_weights
from adapters.llama_process import LlamaProcess
from tests.adapters.kit import DictMemory, FakeUpstream, collect, fold

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        find_spec("xllamacpp") is None or installed_weights() is None,
        reason="needs the extra: uv sync --extra embedded",
    ),
]
PATIENCE_S = 120  # far more than it takes: on a machine that does much else at once


@pytest.fixture
async def adapter() -> AsyncIterator[EmbeddedAdapter]:
    made = an_adapter()
    yield made
    await made.close()


def an_adapter(**settings: Any) -> EmbeddedAdapter:
    return EmbeddedAdapter(EmbeddedSettings(**settings), FakeUpstream().upstream, DictMemory())


def a_request(text: str = "Say hello.", **fields: Any) -> ChatRequest:
    values: Json = {
        "model": DEFAULT_MODEL,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": 12,
        "stream": True,
        "params": {"temperature": 0},
    }
    return ChatRequest(**{**values, **fields})


async def answer(adapter: EmbeddedAdapter, request: ChatRequest) -> list[Event]:
    async with asyncio.timeout(PATIENCE_S):
        return await collect(adapter, request)


async def process_of(adapter: EmbeddedAdapter) -> LlamaProcess:
    line = await adapter._connected()
    assert line.process is not None
    return line.process


async def until(condition: Callable[[], bool], every_s: float = 0) -> None:
    """Wait for what another process does, or for what nothing tells of."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(every_s)


def is_loading(adapter: EmbeddedAdapter) -> bool:
    return adapter._connecting is not None


# Answers


@pytest.mark.parametrize("stream", [True, False])
async def test_it_answers(adapter: EmbeddedAdapter, stream: bool) -> None:
    events = await answer(adapter, a_request(stream=stream))
    folded = fold(events)
    assert folded.text.strip()
    assert folded.finish in (["stop"], ["length"])
    (usage,) = folded.usage
    assert usage.prompt > 5
    assert 0 < usage.completion <= 12


async def test_its_text_comes_in_pieces(adapter: EmbeddedAdapter) -> None:
    pieces = [each for each in await answer(adapter, a_request("Count.")) if isinstance(each, Text)]
    assert len(pieces) > 3


async def test_the_same_seed_gives_the_same_text(adapter: EmbeddedAdapter) -> None:
    request = a_request(params={"temperature": 1, "seed": -(2**63) + 11})
    assert fold(await answer(adapter, request)).text == fold(await answer(adapter, request)).text


async def test_a_schema_is_kept_to(adapter: EmbeddedAdapter) -> None:
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "green"]}, "sure": {"type": "boolean"}},
        "required": ["colour", "sure"],
        "additionalProperties": False,
    }
    request = a_request(
        "Which colour?", response_format=ResponseFormat(schema=schema), max_tokens=200
    )
    value = json.loads(fold(await answer(adapter, request)).text)
    assert value["colour"] in ("red", "green")
    assert isinstance(value["sure"], bool)


async def test_a_schema_without_a_grammar_may_rotate(adapter: EmbeddedAdapter) -> None:
    wanted = ResponseFormat(schema={"type": "no such type"})
    with pytest.raises(AdapterError) as caught:
        await answer(adapter, a_request(response_format=wanted))
    assert (caught.value.kind, caught.value.param) == (ErrorKind.UNSUPPORTED, "response_format")


async def test_a_stop_word_ends_the_text(adapter: EmbeddedAdapter) -> None:
    whole = fold(await answer(adapter, a_request())).text
    word = whole.split()[1]
    cut = fold(await answer(adapter, a_request(stop=(word,)))).text
    assert cut == whole[: whole.index(word)]


@pytest.mark.parametrize("top", [0, 3])
async def test_logprobs_come_as_many_as_asked_for(adapter: EmbeddedAdapter, top: int) -> None:
    params = {"logprobs": True, "top_logprobs": top, "temperature": 0}
    events = await answer(adapter, a_request(params=params, max_tokens=3))
    entries = [entry for each in events if isinstance(each, Logprobs) for entry in each.content]
    assert [len(entry["top_logprobs"]) for entry in entries] == [top] * len(entries)
    assert "".join(entry["token"] for entry in entries) == fold(events).text


async def test_a_conversation_with_calls_goes_on(adapter: EmbeddedAdapter) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "Rain."},
    ]
    assert fold(await answer(adapter, a_request(messages=messages))).text


async def test_a_prompt_that_is_too_long_is_refused(adapter: EmbeddedAdapter) -> None:
    with pytest.raises(AdapterError) as caught:
        await answer(adapter, a_request("hello " * 5000))
    error = caught.value
    assert (error.kind, error.status, error.param) == (ErrorKind.CONTEXT, 400, "messages")
    assert "hello" not in error.message


# At once


async def test_many_are_answered_at_once(adapter: EmbeddedAdapter) -> None:
    count = 3 * llama_process.SLOTS
    requests = [a_request(f"Name the number {i}.", max_tokens=4) for i in range(count)]
    answers = await asyncio.gather(*(answer(adapter, request) for request in requests))
    assert all(fold(events).finish for events in answers)


async def test_the_model_is_loaded_once(adapter: EmbeddedAdapter) -> None:
    pids = [(await process_of(adapter)).pid for _ in range(2)]
    both = await asyncio.gather(process_of(adapter), process_of(adapter))
    assert {*pids, *(process.pid for process in both)} == {pids[0]}


async def test_a_client_that_leaves_does_not_end_the_loading(adapter: EmbeddedAdapter) -> None:
    asking = asyncio.create_task(collect(adapter, a_request()))
    await until(lambda: is_loading(adapter))
    loading = adapter._connecting
    assert loading is not None
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not loading.cancelled()
    await process_of(adapter)
    assert adapter._connecting is loading


async def test_the_loop_runs_on_while_it_loads_and_answers(adapter: EmbeddedAdapter) -> None:
    asking = asyncio.create_task(answer(adapter, a_request()))
    await until(lambda: is_loading(adapter))
    loading = adapter._connecting
    assert loading is not None
    turns = {"loading": 0, "answering": 0}
    while not asking.done():
        turns["answering" if loading.done() else "loading"] += 1
        await asyncio.sleep(0.001)
    assert turns["loading"] > 20
    assert turns["answering"] > 5
    assert fold(asking.result()).text


# Leaving


ENDLESS = ResponseFormat(schema={"type": "array", "minItems": 1500, "items": {"enum": [7]}})
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


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


@linux
async def test_it_stops_when_the_client_closes_the_stream(adapter: EmbeddedAdapter) -> None:
    process = await process_of(adapter)
    request = a_request("Sevens.", response_format=ENDLESS, max_tokens=None)
    async with contextlib.aclosing(adapter.chat(request)) as batches:
        async for batch in batches:
            if any(isinstance(event, Text) for event in batch):
                break
    assert await ticks_until_rest(process) < 100
    assert fold(await answer(adapter, a_request())).text


@linux
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("prompt", ["Sevens.", "seven and seven " * 1000], ids=["short", "long"])
async def test_it_stops_when_the_request_is_cancelled(
    adapter: EmbeddedAdapter, stream: bool, prompt: str
) -> None:
    process = await process_of(adapter)
    request = a_request(prompt, response_format=ENDLESS, max_tokens=None, stream=stream)
    asking = asyncio.create_task(collect(adapter, request))
    idle = ticks_used(process)
    await until(lambda: ticks_used(process) > idle + 20, every_s=0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await ticks_until_rest(process) < 100


async def test_closing_ends_the_process_in_the_middle_of_an_answer() -> None:
    adapter = an_adapter()
    process = await process_of(adapter)
    request = a_request("Sevens.", response_format=ENDLESS, max_tokens=None)
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
from adapters.embedded import EmbeddedAdapter, EmbeddedSettings
from adapters.native import Upstream

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
