"""What the SDK would send is what is sent, but for what the SDK loses."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any
from unittest.mock import Mock

import httpx
import ollama
import pytest

from adapters.base import (
    ChatRequest,
    Json,
    Thinking,
)
from adapters.ollama.line import known, line
from adapters.upstream import timeouts
from tests.adapters.kit import API_KEY, TOOL, FakeUpstream, collect
from tests.adapters.ollama.kit import (
    OK,
    PIXEL,
    a_chat,
    ollama_over,
)

pytestmark = pytest.mark.anyio

AGENT = {"user-agent": "pointsman"}


# The SDK and we


async def _sdks_request(body: Json, **client: Any) -> httpx.Request:
    fake = FakeUpstream(OK)
    answer: Any = await ollama.AsyncClient(transport=fake, **client).chat(**body)
    if body.get("stream"):  # then nothing is sent before it is read
        async for _ in answer:
            pass
    return fake.requests[0]


SAME = {
    "plain": a_chat(),
    "options": a_chat(
        params={"temperature": 0.5, "top_p": 0.9, "seed": 7}, max_tokens=20, stop=("x", "y")
    ),
    "thinking": a_chat(thinking=Thinking(effort="low")),
    "image": a_chat([{"type": "text", "text": "See"}, PIXEL]),
    "logprobs": a_chat(params={"logprobs": True, "top_logprobs": 2}),
    "tool": a_chat(tools=[TOOL]),
    "stay": a_chat(extensions={"keep_alive": "5m", "format": "json"}),
}


@pytest.mark.parametrize("request_", SAME.values(), ids=SAME.keys())
async def test_the_sdk_sends_the_same_request(request_: ChatRequest) -> None:
    fake = FakeUpstream(OK)
    adapter = ollama_over(fake, host="http://fake:99/base", api_key=API_KEY)
    await adapter.prepare()
    await collect(adapter, request_)
    ours = fake.requests[-1]
    theirs = await _sdks_request(
        adapter.to_native(request_).body,
        host="http://fake:99/base",
        headers={"Authorization": f"Bearer {API_KEY}"},
    )
    assert (ours.method, ours.url) == (theirs.method, theirs.url)
    sent = json.loads(theirs.content)
    if not sent["tools"]:  # the SDK says so where there are none
        del sent["tools"]
    assert json.loads(ours.content) == sent
    differing = {"accept-encoding", "connection", "content-length", "x-pointsman-hop"}
    for name in {*ours.headers, *theirs.headers}:
        if name not in differing:
            assert ours.headers.get(name) == theirs.headers.get(name), name
    assert ours.headers["accept-encoding"] == "identity"
    assert ours.headers["content-length"] == str(len(ours.content))


@pytest.mark.parametrize("key", ["", API_KEY])
@pytest.mark.parametrize("url", ["http://127.0.0.1:11434", "https://ollama.com", "http://h:1/base"])
def test_what_is_known_without_the_sdk_is_what_the_sdk_says(url: str, key: str) -> None:
    here, before = line(url, key), known(url, key)
    assert before.url == here.url
    assert before.headers == {n: here.headers[n] for n in before.headers} | AGENT


async def test_no_request_waits_for_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Mock(side_effect=line)
    monkeypatch.setattr("adapters.ollama.adapter.line", told)
    fake = FakeUpstream(OK)
    own = ollama_over(fake)
    await collect(own, a_chat([PIXEL]))
    assert not told.called
    await own.prepare()
    await own.prepare()
    assert told.call_count == 1


def test_a_process_of_its_own_says_what_the_sdk_says_here() -> None:
    code = (
        "import json, sys\n"
        "from adapters.ollama.line import line\n"
        f"print(json.dumps([line('http://h:1/base', {API_KEY!r}), 'ollama' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = line("http://h:1/base", API_KEY)
    assert json.loads(done.stdout) == [[here.url, here.headers], False]


async def test_the_sdk_loses_what_a_body_of_our_own_keeps() -> None:
    call = {"id": "c1", "function": {"name": "weather", "arguments": {}}}
    body = {"model": "m", "messages": [{"role": "assistant", "content": "", "tool_calls": [call]}]}
    sent = json.loads((await _sdks_request(body, host="http://fake")).content)
    assert "id" not in sent["messages"][0]["tool_calls"][0]


async def test_the_key_of_the_environment_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", API_KEY)
    monkeypatch.setenv("OLLAMA_HOST", "http://elsewhere:1")
    fake = FakeUpstream(OK)
    own = ollama_over(fake)
    await own.prepare()
    await collect(own, a_chat())
    assert "authorization" not in fake.requests[0].headers
    assert str(fake.requests[0].url) == "http://127.0.0.1:11434/api/chat"


async def test_all_four_timeouts_are_sent() -> None:
    fake = FakeUpstream(OK)
    await collect(ollama_over(fake, timeout=33), a_chat())
    assert fake.requests[0].extensions["timeout"] == timeouts(33)
