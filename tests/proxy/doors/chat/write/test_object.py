"""The single objects: a plain answer's, a model's, an error's."""

from __future__ import annotations

import json

import pytest
from openai.types import Model as OpenAIModel

from adapters.base import Event, Finish, Media, Model, Reasoning, Refusal, Text, ToolCall, Usage
from proxy.doors.frames.sse import sse
from proxy.doors.openai import (
    DONE,
    error_object,
    model_object,
    models_object,
    new_head,
    usage_object,
)
from proxy.errors import ApiError
from tests.proxy.doors.chat.write.kit import message_of, object_of

# The single object


def test_the_single_object_of_a_plain_answer() -> None:
    assert object_of([Text("Hi"), Text("!"), Finish("stop"), Usage(3, 2)]) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "zoo",
        "system_fingerprint": None,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi!", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


@pytest.mark.parametrize(
    ("events", "content"),
    [
        ([ToolCall(0, "f", "{}")], None),
        ([Text(""), ToolCall(0, "f", "{}")], None),
        ([Text("x"), ToolCall(0, "f", "{}")], "x"),
        ([Refusal("no")], None),
        ([Media("image/png", "AA==")], None),
        ([Reasoning("hm")], ""),
        ([Finish("length")], ""),
    ],
    ids=str,
)
def test_content_is_null_only_where_something_else_stands(
    events: list[Event], content: str | None
) -> None:
    assert message_of(events)["content"] == content


def test_the_message_holds_no_invented_fields() -> None:
    """LangChain JS reads an empty `images` as parts; clients send such fields back, too."""
    assert set(message_of([Text("x"), Finish("stop")])) == {"role", "content", "refusal"}


def test_choices_come_in_the_order_of_their_index() -> None:
    found = object_of([Text("b", 1), Text("a", 0), Finish("stop", 1), Finish("length", 0)])

    assert [choice["index"] for choice in found["choices"]] == [0, 1]
    assert [choice["message"]["content"] for choice in found["choices"]] == ["a", "b"]
    assert [choice["finish_reason"] for choice in found["choices"]] == ["length", "stop"]


def test_usage_in_openais_sense() -> None:
    assert usage_object(Usage(10, 30, reasoning=20, cached=4, extra={"queue_time": 0.1})) == {
        "queue_time": 0.1,
        "prompt_tokens": 10,
        "completion_tokens": 30,
        "total_tokens": 40,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    assert usage_object(Usage(0, 0, reasoning=0, cached=0))["prompt_tokens_details"] == {
        "cached_tokens": 0
    }


def test_a_new_head_has_an_id_of_its_own() -> None:
    one, other = (new_head(model="zoo", now_s=12.9) for _ in range(2))

    ids = [head.fields("chat.completion")["id"] for head in (one, other, one)]
    assert ids[0].startswith("chatcmpl-")
    assert ids[0] != ids[1]
    assert ids[0] == ids[2]
    assert (one.created, one.model) == (12, "zoo")


# Models and errors


def test_a_model_in_openais_words() -> None:
    entry = model_object("groq/m", Model("m", created=5, owned_by="Meta", context=8192))

    assert entry == {
        "id": "groq/m",
        "object": "model",
        "created": 5,
        "owned_by": "Meta",
        "context_window": 8192,
    }
    OpenAIModel.model_validate(entry)
    assert json.loads(models_object([entry])) == {"object": "list", "data": [entry]}
    assert "context_window" not in model_object("m", Model("m"))


def test_an_error_in_openais_envelope() -> None:
    error = ApiError(
        400, "No.", code="c", param="p", provider="groq", provider_code="INVALID_REQUEST"
    )

    assert error_object(error) == {
        "error": {
            "message": "No.",
            "type": "invalid_request_error",
            "param": "p",
            "code": "c",
            "provider": "groq",
            "provider_code": "INVALID_REQUEST",
        }
    }
    assert sse({"a": 1}) == b'data: {"a":1}\n\n'
    assert DONE == b"data: [DONE]\n\n"
