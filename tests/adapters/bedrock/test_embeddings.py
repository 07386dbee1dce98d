"""Vectors of Bedrock: each house of models in its own body, and nothing taken on trust."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.serialize import create_serializer

from adapters.base import AdapterError, ErrorKind, Json, Start, Usage
from adapters.tasks import EmbeddingRequest, Embeds, Vectors
from tests.adapters.bedrock.kit import adapter
from tests.adapters.kit import FakeUpstream, Reply, json_reply
from tests.fakes.bedrock_embed import COHERE, COHERE_4, TITAN
from tests.fakes.bedrock_rules import service

pytestmark = pytest.mark.anyio
OLD_TITAN = "amazon.titan-embed-text-v1"


def asked(model: str, *texts: str, **fields: Any) -> EmbeddingRequest:
    return EmbeddingRequest(model, texts or ("a",), **fields)


async def told(reply: Reply, request: EmbeddingRequest) -> list[Any]:
    able = adapter(FakeUpstream(reply).upstream)
    assert isinstance(able, Embeds)
    return [event async for batch in able.embed(request) for event in batch]


FOUND: Json = {"texts": ["a"], "input_type": "search_document"}


@pytest.mark.parametrize(
    ("request_", "body", "warnings"),
    [
        (asked(TITAN), {"inputText": "a"}, []),
        (asked(TITAN, dimensions=256), {"inputText": "a", "dimensions": 256}, []),
        (asked(TITAN, expected=512), {"inputText": "a", "dimensions": 512}, []),
        (asked(TITAN, expected=768), {"inputText": "a"}, []),
        (asked(OLD_TITAN, dimensions=256), {"inputText": "a"}, []),
        (asked(TITAN, task="CLUSTERING", title="T"), {"inputText": "a"}, ["title", "task"]),
        (
            asked(TITAN, extensions={"bedrock": {"normalize": False}, "odd": 1}),
            {"inputText": "a", "normalize": False},
            ["odd"],
        ),
        (asked(COHERE), FOUND, []),
        (asked(f"eu.{COHERE}", task="RETRIEVAL_QUERY"), FOUND | {"input_type": "search_query"}, []),
        (
            asked(COHERE, extensions={"input_type": "classification"}, truncate=True),
            FOUND | {"input_type": "classification", "truncate": "END"},
            [],
        ),
        (asked(COHERE, dimensions=1024), FOUND, []),
        (
            asked(COHERE_4, dimensions=512, truncate=True),
            FOUND | {"output_dimension": 512, "truncate": "RIGHT"},
            [],
        ),
    ],
)
def test_each_house_is_asked_in_its_own_words(
    request_: EmbeddingRequest, body: Json, warnings: list[str]
) -> None:
    call = adapter().to_native_embedding(request_)

    assert call.body == body
    assert list(call.warnings) == [f"dropped={name}" for name in warnings]


def test_the_call_is_where_the_sdk_would_send_it() -> None:
    operation = service().operation_model("InvokeModel")
    for model in (TITAN, COHERE, f"arn:aws:bedrock:us-east-1::foundation-model/{TITAN}"):
        call = adapter().to_native_embedding(asked(model))
        params = {"modelId": model, "body": json.dumps(call.body)}
        theirs = create_serializer("rest-json").serialize_to_request(params, operation)
        assert (theirs["method"], theirs["url_path"]) == (call.method, call.path)


def test_a_model_of_which_nothing_is_known_is_refused() -> None:
    with pytest.raises(AdapterError) as caught:
        adapter().to_native_embedding(asked("twelvelabs.marengo-embed-2-7-v1:0"))
    assert (caught.value.kind, caught.value.param) == (ErrorKind.UNSUPPORTED, "model")


@pytest.mark.parametrize(
    ("answer", "headers", "usage"),
    [
        ({"embedding": [1.0, 2.0], "inputTextTokenCount": 3}, (), 3),
        ({"embeddings": [[1.0, 2.0]]}, (("x-amzn-bedrock-input-token-count", "5"),), 5),
        ({"embeddings": {"float": [[1.0, 2.0]]}, "response_type": "embeddings_by_type"}, (), None),
    ],
)
async def test_every_form_of_answer_is_read(
    answer: Json, headers: tuple[tuple[str, str], ...], usage: int | None
) -> None:
    events = await told(replace(json_reply(answer), headers=headers), asked(TITAN))

    assert events[:2] == [Start(model=TITAN), Vectors([[1.0, 2.0]])]
    assert events[2:] == ([] if usage is None else [Usage(prompt=usage)])


@pytest.mark.parametrize(
    "answer", [[], {}, {"embedding": "x"}, {"embeddings": []}, {"embeddings": [[1.0], [2.0]]}]
)
async def test_what_holds_no_vector_for_each_text_is_no_answer(answer: Any) -> None:
    with pytest.raises(AdapterError) as caught:
        await told(json_reply(answer), asked(TITAN))
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


async def test_another_length_than_was_asked_for_is_refused() -> None:
    with pytest.raises(AdapterError, match="not 256") as caught:
        await told(json_reply({"embeddings": [[1.0, 2.0]]}), asked(COHERE, dimensions=256))
    assert caught.value.param == "dimensions"
