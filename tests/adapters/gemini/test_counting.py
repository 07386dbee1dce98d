"""The tokens of a chat by Gemini's own count: what is asked, and what is taken for an answer."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from adapters.base import AdapterError, ChatRequest, ErrorKind
from adapters.tasks import Counts
from tests.adapters.gemini.kit import adapter
from tests.adapters.kit import TOOL, FakeUpstream, Reply, json_reply

pytestmark = pytest.mark.anyio

ASKED = ChatRequest(
    "gemini-2.5-flash",
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    stream=True,
    max_tokens=5,
    tools=[TOOL],
    tool_choice="required",
)


async def counted(upstream: FakeUpstream) -> int:
    able = adapter(upstream.upstream)
    assert isinstance(able, Counts)
    return await able.count_tokens(ASKED)


async def test_the_whole_request_is_counted_and_nothing_is_answered() -> None:
    upstream = FakeUpstream(json_reply({"totalTokens": 31, "promptTokensDetails": []}))

    assert await counted(upstream) == 31
    [sent] = upstream.requests
    assert sent.url.path.endswith("/models/gemini-2.5-flash:countTokens")
    asked = upstream.sent["generateContentRequest"]
    assert asked["model"] == "models/gemini-2.5-flash"
    assert asked["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}]
    assert asked["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert [one["name"] for one in asked["tools"][0]["functionDeclarations"]] == ["weather"]
    assert set(asked) == {"model", "contents", "systemInstruction", "tools"}


async def test_what_is_kept_is_counted_as_well() -> None:
    upstream = FakeUpstream(json_reply({"totalTokens": 31}))
    able = adapter(upstream.upstream)
    await able.count_tokens(replace(ASKED, tools=[], extensions={"cached_content": "c/1"}))

    assert upstream.sent["generateContentRequest"]["cachedContent"] == "c/1"


@pytest.mark.parametrize("body", [{}, [], {"totalTokens": "many"}, {"totalTokens": -1}, None])
async def test_what_is_no_count_is_a_bad_answer(body: Any) -> None:
    with pytest.raises(AdapterError) as caught:
        await counted(FakeUpstream(json_reply(body)))
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


async def test_a_refusal_is_raised() -> None:
    error = {"error": {"code": 429, "message": "Slow down", "status": "RESOURCE_EXHAUSTED"}}
    with pytest.raises(AdapterError) as caught:
        await counted(FakeUpstream(Reply(json_reply(error).pieces, status=429)))
    assert caught.value.kind is ErrorKind.RATE_LIMIT
