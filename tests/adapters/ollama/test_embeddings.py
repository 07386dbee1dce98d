"""Vectors of Ollama: nothing is cut unheard, and its refusals name what is at fault."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.base import AdapterError, ErrorKind, Start, Usage, Warn
from adapters.tasks import EmbeddingRequest, Embeds, Vectors
from tests import recordings
from tests.adapters.kit import FakeUpstream, Reply, json_reply
from tests.adapters.ollama.kit import OllamaKit
from tests.recordings import Recording

pytestmark = pytest.mark.anyio

RECORDED = [one for one in recordings.load("ollama") if b'"embeddings"' in one.body]
ONE = {"model": "m", "embeddings": [[1.0]], "prompt_eval_count": 3}


async def told(upstream: FakeUpstream, *texts: str, **fields: Any) -> list[Any]:
    asked = EmbeddingRequest(**{"model": "nomic-embed-text", "texts": texts, **fields})
    able = OllamaKit().adapter(upstream.upstream)
    assert isinstance(able, Embeds)
    return [event async for batch in able.embed(asked) for event in batch]


@pytest.mark.parametrize("recording", RECORDED, ids=lambda one: one.id)
async def test_what_was_recorded_is_read(recording: Recording) -> None:
    body = json.loads(recording.body)
    texts = ["?"] * len(body["embeddings"])
    events = await told(FakeUpstream(Reply((recording.body,))), *texts)

    assert events == [
        Start(model=body.get("model")),
        Vectors(body["embeddings"]),
        *([Usage(prompt=body["prompt_eval_count"])] if "prompt_eval_count" in body else []),
    ]


async def test_nothing_is_cut_unless_that_is_asked() -> None:
    for truncate in (False, True):
        upstream = FakeUpstream(json_reply(ONE))
        await told(upstream, "a", dimensions=1, truncate=truncate, expected=9)

        assert upstream.requests[0].url.path == "/api/embed"
        assert upstream.sent == {
            "model": "nomic-embed-text",
            "input": ["a"],
            "truncate": truncate,
            "dimensions": 1,
        }


async def test_its_own_words_are_taken_and_others_named() -> None:
    own = {"options": {"num_ctx": 64}, "ollama": {"keep_alive": "1h"}, "strange": 1}
    upstream = FakeUpstream(json_reply(ONE))
    events = await told(upstream, "a", extensions=own, task="CLUSTERING")

    assert upstream.sent["options"] == {"num_ctx": 64} and upstream.sent["keep_alive"] == "1h"
    warnings = [event for event in events if type(event) is Warn]
    assert warnings == [Warn("dropped=strange"), Warn("dropped=task")]


@pytest.mark.parametrize(
    ("status", "words", "kind", "param"),
    [
        (400, "the input length exceeds the context length", ErrorKind.CONTEXT, "input"),
        (501, "this model does not support embeddings", ErrorKind.UNSUPPORTED, "model"),
        (404, 'model "x" not found, try pulling it first', ErrorKind.MODEL_MISSING, "model"),
        (200, None, ErrorKind.BAD_RESPONSE, None),
    ],
)
async def test_a_refusal_names_what_is_at_fault(
    status: int, words: str | None, kind: ErrorKind, param: str | None
) -> None:
    reply = json_reply({"error": words} if words else {"embeddings": [["x"]]}, status)
    with pytest.raises(AdapterError) as caught:
        await told(FakeUpstream(reply), "a")

    assert (caught.value.kind, caught.value.param) == (kind, param)
