"""What was asked is let go of with its refusal: no circle keeps it until the collector comes."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import httpx
import pytest

from adapters.base import AdapterError
from tests.adapters.gemini.kit import GeminiKit
from tests.adapters.groq.kit import GroqKit
from tests.adapters.kit import FakeUpstream, Kit, Reply, a_request, collect, json_reply
from tests.adapters.ollama.kit import OllamaKit
from tests.adapters.openai.kit import OpenAIKit

pytestmark = pytest.mark.anyio
KITS: tuple[Kit, ...] = (GroqKit(), GeminiKit(), OllamaKit(), OpenAIKit())


class Said(dict[str, Any]):
    """A message that tells when it is gone."""


async def refused(kit: Kit, reply: Reply | Exception, *, stream: bool) -> weakref.ref[Said]:
    message = Said(role="user", content="A secret.")
    fake = FakeUpstream(reply)
    try:
        await collect(kit.adapter(fake.upstream), a_request(kit, messages=[message], stream=stream))
    except AdapterError:
        return weakref.ref(message)
    raise AssertionError("it was answered")


@pytest.mark.parametrize("kit", KITS, ids=lambda kit: kit.name)
async def test_a_refused_prompt_is_gone_with_the_refusal(kit: Kit) -> None:
    for stream in (False, True):
        for reply in (
            json_reply(kit.refusal(400, "no"), 400),
            json_reply(kit.refusal(503, "later"), 503),
            Reply((b"nonsense",), content_type=kit.stream_type if stream else "application/json"),
            Reply((), error=httpx.ReadError("cut")),
        ):
            gc.collect()
            gc.disable()
            try:
                message = await refused(kit, reply, stream=stream)
                assert message() is None
            finally:
                gc.enable()
