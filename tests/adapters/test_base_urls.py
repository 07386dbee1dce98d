"""A key or base URL that no request can be made of: the next provider answers."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from adapters import REGISTRY
from adapters.base import AdapterError, ChatRequest, ErrorKind
from adapters.memory import LruMemory
from proxy.upstream.client import open_upstream

pytestmark = pytest.mark.anyio
REQUEST = ChatRequest(model="any", messages=[{"role": "user", "content": "hello"}])


GOOD_URL = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("base_url", "key"),
    [
        ("ftp://files.example", "key-1"),
        ("no URL", "key-1"),
        ("http://[::1", "key-1"),
        ("localhost:1", "key-1"),
        (GOOD_URL, "“quoted”"),
        (GOOD_URL, "one\ntwo"),
    ],
)
@pytest.mark.parametrize("name", ["groq", "gemini", "bedrock"])
async def test_what_no_request_can_be_made_of_is_a_failure_before_sending(
    name: str, base_url: str, key: str
) -> None:
    upstream = open_upstream("native", proxies={}, bypass=lambda _: False)
    adapter = REGISTRY[name]
    settings = adapter.Settings(api_key=SecretStr(key), base_url=base_url)
    answer = adapter(settings, upstream, LruMemory()).chat(REQUEST)
    with pytest.raises(AdapterError, match="key or base URL") as caught:
        await anext(answer)
    await upstream.client.aclose()
    assert caught.value.kind is ErrorKind.NETWORK
    assert not caught.value.was_sent
    assert key not in caught.value.message
