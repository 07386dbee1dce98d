"""Vectors of Gemini: one entry a text, what was recorded read, and nothing taken on trust."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from adapters.base import AdapterError, ErrorKind, Start, Usage, Warn
from adapters.tasks import EmbeddingRequest, Embeds, Vectors
from tests import recordings
from tests.adapters.gemini.kit import adapter
from tests.adapters.kit import FakeUpstream, Reply, json_reply
from tests.recordings import Recording

pytestmark = pytest.mark.anyio

RECORDED = [one for one in recordings.load("gemini") if one.kind == "embed"]
MODEL = "gemini-embedding-001"


async def told(upstream: FakeUpstream, *texts: str, **fields: Any) -> list[Any]:
    asked = EmbeddingRequest(**{"model": MODEL, "texts": texts, **fields})
    able = adapter(upstream.upstream)
    assert isinstance(able, Embeds)
    return [event async for batch in able.embed(asked) for event in batch]


async def refused(reply: Reply, *texts: str, **fields: Any) -> AdapterError:
    with pytest.raises(AdapterError) as caught:
        await told(FakeUpstream(reply), *texts, **fields)
    return caught.value


@pytest.mark.parametrize("recording", RECORDED, ids=lambda one: one.id)
async def test_what_was_recorded_is_read(recording: Recording) -> None:
    body = json.loads(recording.body)
    entries = recording.request["body"]["requests"]
    texts = [entry["content"]["parts"][0]["text"] for entry in entries]
    size = len(body["embeddings"][0]["values"])
    events = await told(
        FakeUpstream(Reply((recording.body,))), *texts, model=recording.model, dimensions=size
    )

    [vectors] = [event for event in events if type(event) is Vectors]
    for vector, embedding in zip(vectors.values, body["embeddings"], strict=True):
        length = math.hypot(*embedding["values"])
        assert vector == pytest.approx([one / length for one in embedding["values"]], abs=1e-4)
        assert math.hypot(*vector) == pytest.approx(1, abs=1e-3)
    counted = body.get("usageMetadata", {}).get("promptTokenCount")
    usage = [event.prompt for event in events if type(event) is Usage]
    assert usage == ([] if counted is None else [counted])


async def test_each_text_is_an_entry_of_its_own() -> None:
    upstream = FakeUpstream(json_reply({"embeddings": [{"values": [0.6, 0.8]}] * 2}))
    events = await told(upstream, "a", "b", dimensions=2, task="CLUSTERING", title="T")

    entry = {
        "model": f"models/{MODEL}",
        "outputDimensionality": 2,
        "taskType": "CLUSTERING",
        "title": "T",
    }
    assert upstream.requests[0].url.path == f"/v1beta/models/{MODEL}:batchEmbedContents"
    assert upstream.sent == {
        "requests": [{**entry, "content": {"parts": [{"text": text}]}} for text in "ab"]
    }
    assert events == [Start(model=MODEL), Vectors([[0.6, 0.8]] * 2)]


async def test_the_size_that_is_expected_gives_way_to_the_one_that_is_asked() -> None:
    for fields, size in (({"expected": 3}, 3), ({"expected": 3, "dimensions": 2}, 2)):
        upstream = FakeUpstream(json_reply({"embeddings": [{"values": [1.0] * size}]}))
        await told(upstream, "a", **fields)

        assert upstream.sent["requests"][0]["outputDimensionality"] == size


async def test_googles_own_words_are_taken_and_strange_ones_named() -> None:
    for own in ({"task_type": "X"}, {"gemini": {"taskType": "X"}}):
        upstream = FakeUpstream(json_reply({"embeddings": [{"values": [1.0]}]}))
        events = await told(upstream, "a", extensions={**own, "strange": 1, "groq": {}})

        assert upstream.sent["requests"][0]["taskType"] == "X"
        assert [event for event in events if type(event) is Warn] == [Warn("dropped=strange")]


async def test_what_is_no_vector_for_each_text_is_no_answer() -> None:
    one = {"values": [1.0]}
    bad: list[Any] = [
        {},
        [],
        {"embeddings": [one]},
        {"embeddings": [one, {"values": []}]},
        {"embeddings": [one, {"values": [1.0, 2.0]}]},
        {"embeddings": [one, {"values": ["1"]}]},
        {"embeddings": [{"values": []}, {"values": []}]},
        {"embeddings": [one, one, one]},
    ]
    for body in bad:
        error = await refused(json_reply(body), "a", "b")
        assert error.kind is ErrorKind.BAD_RESPONSE, body


async def test_another_size_than_was_asked_is_refused_by_its_parameter() -> None:
    error = await refused(json_reply({"embeddings": [{"values": [1.0]}]}), "a", dimensions=2)

    assert (error.kind, error.param) == (ErrorKind.BAD_REQUEST, "dimensions")


async def test_a_refusal_means_what_it_means_of_a_chat() -> None:
    reply = json_reply({"error": {"code": 404, "status": "NOT_FOUND", "message": "none"}}, 404)

    assert (await refused(reply, "a")).kind is ErrorKind.MODEL_MISSING
