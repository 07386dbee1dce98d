"""OpenAI's own client over a server and the fakes of all providers."""

from __future__ import annotations

import math
from typing import Any

import openai
import pytest

from tests.security.kit import Fakes


def asked(client: openai.OpenAI, **fields: Any) -> tuple[Any, Any]:
    response = client.embeddings.with_raw_response.create(
        **{"model": "text-embedding-3-small", "input": "one two", **fields}
    )
    return response.parse(), response.headers


def test_vectors_are_had_in_the_form_that_the_client_asks_for(client: openai.OpenAI) -> None:
    packed, _ = asked(client)  # the client asks for base64 by itself, and decodes it
    plain, headers = asked(client, encoding_format="float")

    assert packed.model == plain.model == "gemini-embedding-001"
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert len(plain.data[0].embedding) == 1536
    assert math.hypot(*plain.data[0].embedding) == pytest.approx(1)
    assert headers["x-pointsman-provider"] == "gemini"


def test_many_texts_keep_their_order(client: openai.OpenAI, fakes: Fakes) -> None:
    texts = [f"text {number}" for number in range(203)]
    many, _ = asked(client, input=texts, dimensions=8)
    one, _ = asked(client, input=texts[150], dimensions=8)

    assert [data.index for data in many.data] == list(range(203))
    assert many.data[150].embedding == pytest.approx(one.data[0].embedding)
    assert many.data[149].embedding != pytest.approx(one.data[0].embedding)
    sizes = [len(request.json["requests"]) for request in fakes.gemini.requests if request.body]
    assert sorted(sizes) == [1, 3, 100, 100]


def test_a_listed_model_is_asked_itself(client: openai.OpenAI) -> None:
    patient = client.with_options(max_retries=5)  # until the lists are there
    found, _ = asked(patient, model="nomic-embed-text", input=["a", "b c"])

    assert (found.model, found.usage.total_tokens) == ("nomic-embed-text", 3)


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({"model": "groq"}, 400, "unsupported_feature", "model"),
        ({"model": "ollama/none"}, 404, "model_not_found", "model"),
        ({"model": "ollama/llama3.2"}, 400, "unsupported_feature", "model"),
        (
            {"model": "ollama/nomic-embed-text", "input": "w " * 3000},
            400,
            "context_length_exceeded",
            "input",
        ),
        ({"model": "ollama/nomic-embed-text", "dimensions": 4096}, 400, None, "dimensions"),
        ({"input": []}, 400, "invalid_value", "input"),
    ],
)
def test_a_refusal_names_what_is_at_fault(
    client: openai.OpenAI, fields: Any, status: int, code: str | None, param: str
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        asked(client, **fields)

    error: Any = caught.value.body
    assert (caught.value.status_code, error["code"], error["param"]) == (status, code, param)


def test_an_embedding_that_is_refused_leaves_the_models_chat_alone(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        asked(client, model="ollama/llama3.2")

    said = client.chat.completions.create(
        model="ollama/llama3.2", messages=[{"role": "user", "content": "Hi"}]
    )
    assert said.choices[0].message.content == "You said: Hi"
