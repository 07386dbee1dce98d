"""What a provider says of a refusal is looked through as far as its first words, however long."""

from __future__ import annotations

import json

import pytest

from adapters.base import AdapterError
from adapters.compatible.errors import error_object
from adapters.errors import MAX_MESSAGE, MAX_SAID, ErrorKind, first_words
from tests.adapters.bedrock.kit import BedrockKit
from tests.adapters.embedded.kit import EmbeddedKit
from tests.adapters.gemini.kit import GeminiKit
from tests.adapters.groq.kit import GroqKit
from tests.adapters.kit import FakeUpstream, Kit, Reply, a_request, collect
from tests.adapters.ollama.kit import OllamaKit
from tests.adapters.openai.kit import OpenAIKit

pytestmark = pytest.mark.anyio

KITS: tuple[Kit, ...] = (
    *(GroqKit(), OpenAIKit(), GeminiKit()),
    *(OllamaKit(), BedrockKit(), EmbeddedKit()),
)
TELLING = "This model does not support images."


async def refused(kit: Kit, message: str) -> AdapterError:
    fake = FakeUpstream()
    body = {"error": {"message": message}, "message": message}
    fake.replies = (Reply((json.dumps(body).encode(),), status=400),)
    with pytest.raises(AdapterError) as caught:
        await collect(kit.adapter(fake.upstream), a_request(kit, stream=False))
    return caught.value


@pytest.mark.parametrize("kit", KITS, ids=lambda kit: kit.name)
async def test_what_is_said_late_tells_nothing_and_costs_nothing(kit: Kit) -> None:
    if kit.name != "embedded":  # it is told by its status alone
        assert (await refused(kit, TELLING)).kind is ErrorKind.UNSUPPORTED
        assert (await refused(kit, "word " * 500 + TELLING)).kind is ErrorKind.UNSUPPORTED

    error = await refused(kit, "word " * (MAX_SAID // 5) + TELLING)

    assert error.kind is ErrorKind.BAD_REQUEST
    assert len(error.message) <= MAX_MESSAGE


def test_so_are_the_words_beside_it() -> None:
    long = "C" * 900_000
    told = error_object(json.dumps({"error": {"code": long, "type": long, "x": long}}).encode())

    assert [len(told[name]) for name in ("code", "type", "x")] == [MAX_SAID, MAX_SAID, len(long)]
    assert error_object(b'{"error": {"code": 5}}')["code"] == ""


def test_the_first_words_are_whole_ones() -> None:
    key = "gsk_" + "k" * 52
    for before in range(MAX_SAID - 80, MAX_SAID + 2):
        words = first_words("word " * (before // 5) + "w" * (before % 5) + f" {key} and more" * 9)
        assert len(words) <= MAX_SAID
        assert words.count("gsk_") == words.count(key)
    assert first_words("x" * 10**6) == "x" * MAX_SAID
    assert first_words(TELLING) == TELLING
    assert [first_words(value) for value in (None, 5, [], {})] == [""] * 4
