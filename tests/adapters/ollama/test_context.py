"""Room for the prompt: the context's size, and what is said when the server cut something off."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.base import AdapterError, ChatRequest, ErrorKind, Json, Warn
from adapters.ollama.adapter import OllamaSettings
from adapters.ollama.context import ModelFacts
from adapters.ollama.request import to_native
from tests.adapters.kit import Answer, FakeUpstream, Reply, collect, json_reply
from tests.adapters.ollama.kit import OK, OllamaKit, a_chat, ollama_over

pytestmark = pytest.mark.anyio

USER: Json = {"role": "user", "content": "Hi"}
TOO_LONG = json_reply({"error": "the input length exceeds the context length"}, 400)


def _body(settings: Json | None = None, facts: ModelFacts | None = None, **fields: Any) -> Json:
    request = ChatRequest(**{"model": "m", "messages": [USER], **fields})
    own = OllamaSettings(**settings or {})
    return to_native(request, own, facts or ModelFacts()).body


@pytest.mark.parametrize(
    ("chars", "max_tokens", "num_ctx", "truncate"),
    [
        (400, None, None, None),
        (7_100, None, None, None),
        (7_300, None, 8192, None),
        (21_000, None, 8192, False),
        (60_000, None, 32768, False),
        (400, 6000, 8192, None),
        (400, 900_000, 16384, None),
    ],
)
def test_the_context_is_made_for_the_prompt(
    chars: int, max_tokens: int | None, num_ctx: int | None, truncate: bool | None
) -> None:
    message = {"role": "user", "content": "x" * chars}
    body = _body(messages=[message], max_tokens=max_tokens)
    assert body.get("options", {}).get("num_ctx") == num_ctx
    assert body.get("truncate") is truncate


def test_text_of_more_bytes_counts_for_more() -> None:
    body = _body(messages=[{"role": "user", "content": "語" * 6000}])
    assert body["options"]["num_ctx"] >= 6000 + 2048


def test_a_context_that_was_named_stays_and_a_cut_is_an_error() -> None:
    message = {"role": "user", "content": "x" * 60_000}
    body = _body({"num_ctx": 4096}, messages=[message])
    assert body["options"] == {"num_ctx": 4096}
    assert body["truncate"] is False


def test_the_context_does_not_shrink_again() -> None:
    body = _body(facts=ModelFacts(num_ctx=16384))
    assert body["options"] == {"num_ctx": 16384}


def test_the_caller_may_have_the_prompt_cut() -> None:
    message = {"role": "user", "content": "x" * 60_000}
    body = _body(messages=[message], extensions={"ollama": {"truncate": True}})
    assert body["truncate"] is True


async def test_a_prompt_that_does_not_fit_a_context_that_was_named_may_go_elsewhere() -> None:
    for settings, extensions in [({"num_ctx": 512}, {}), ({}, {"options": {"num_ctx": 512}})]:
        fake = FakeUpstream(TOO_LONG, OK)
        with pytest.raises(AdapterError) as caught:
            await collect(ollama_over(fake, **settings), a_chat(extensions=extensions))
        assert (caught.value.kind, len(fake.requests)) == (ErrorKind.CONTEXT, 1)


async def test_a_prompt_that_does_not_fit_the_model_may_go_elsewhere() -> None:
    shown = json_reply({"capabilities": ["completion"], "model_info": {"a.context_length": 4096}})
    fake = FakeUpstream(shown, TOO_LONG, OK)
    with pytest.raises(AdapterError) as caught:
        await collect(ollama_over(fake), a_chat("word " * 9000))
    assert caught.value.kind is ErrorKind.CONTEXT
    assert len(fake.requests) == 2


# A prompt that the server cut


def _counted(prompt: int) -> Reply:
    return json_reply(OllamaKit().whole(Answer(texts=("Yes.",), prompt=prompt)))


@pytest.mark.parametrize(
    ("chars", "counted", "warned"),
    [(24_000, 4_096, True), (24_000, 5_500, False), (24_000, 0, False), (400, 5, False)],
    ids=["cut", "whole", "not counted", "short"],
)
async def test_a_prompt_that_lost_its_start_is_told(chars: int, counted: int, warned: bool) -> None:
    unknown = json_reply({"error": "no such route"}, 404)
    replies = [unknown, _counted(counted)] if chars > 8000 else [_counted(counted)]
    events = await collect(ollama_over(FakeUpstream(*replies)), a_chat("abcde " * (chars // 6)))
    assert (Warn("truncated=prompt") in events) is warned


async def test_an_answer_that_outgrew_the_context_is_told() -> None:
    fake = FakeUpstream(json_reply(OllamaKit().whole(Answer(prompt=400, completion=200))))
    events = await collect(ollama_over(fake, num_ctx=512), a_chat())
    assert Warn("truncated=prompt") in events
