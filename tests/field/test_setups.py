"""Keys and addresses as people paste them."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from adapters import REGISTRY
from adapters.base import ChatRequest
from adapters.configured import ProviderSettings
from adapters.memory import LruMemory
from adapters.ollama.host import base_url
from tests.adapters.kit import FakeUpstream, collect, json_reply

AT = "http://127.0.0.1:9"


def test_keys_come_without_what_is_pasted_with_them() -> None:
    for key in (
        '"k-1"',
        "'k-1'",
        "Bearer k-1",
        'Bearer "k-1"',
        " k-1\r\n",
        "\u200bk-1",
        "\ufeffk-1",
    ):
        assert ProviderSettings(api_key=SecretStr(key)).all_keys() == ("k-1",), key
    both = ProviderSettings(api_key=SecretStr('"k-1, k-2"'))
    assert both.all_keys() == ("k-1", "k-2")
    assert ProviderSettings(api_key=SecretStr('"your_key_here"')).all_keys() == ()


@pytest.mark.anyio
async def test_addresses_come_without_the_path_behind_them() -> None:
    for path in ("", "/", "/openai", "/openai/v1/", "/v1", "/openai/v1/chat/completions"):
        wire = FakeUpstream(
            json_reply({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]})
        )
        kind = REGISTRY["groq"]
        settings = kind.Settings(api_key=SecretStr("k-1"), base_url=f"{AT}{path}")
        asked = ChatRequest("m", [{"role": "user", "content": "a"}])
        await collect(kind(settings, wire.upstream, LruMemory()), asked)
        assert [one.url for one in wire.requests] == [f"{AT}/openai/v1/chat/completions"], path
    for path in ("/api/chat", "/v1/chat/completions", "/v1/", "/api"):
        assert base_url(f"{AT}{path}") == AT, path
    assert base_url(f"{AT}/chat") == f"{AT}/chat"
