"""Vectors at Gemini's door, as Google's own client asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from google import genai
from google.genai import types

from adapters.base import Json
from adapters.tasks import EmbeddingRequest
from proxy.doors.door import Call
from proxy.doors.gemini.embed import EmbedDoor
from proxy.errors import ApiError
from tests.security.kit import Fakes, serving, settings_for

TEXT: Json = {"content": {"parts": [{"text": "one"}]}}


def _asked(body: Any, *, several: bool = False) -> EmbeddingRequest:
    call = Call(orjson.dumps(body), params={"model": "models/m"})
    request: EmbeddingRequest = EmbedDoor(several=several).read(call).request
    return request


def test_one_text_and_several_are_read_in_both_spellings() -> None:
    told = {"taskType": "retrieval_document", "title": "T", "outputDimensionality": 64}
    one = _asked({**TEXT, **told})
    assert one == EmbeddingRequest("m", ("one",), 64, None, "RETRIEVAL_DOCUMENT", "T", True)
    parts = {"parts": [{"text": "two"}, {"text": "three"}]}
    snake = {"task_type": 2, "output_dimensionality": 64}
    requests = [{**TEXT, **snake, "title": "T"}, {"content": parts, **snake, "title": "U"}]
    several = _asked({"requests": requests}, several=True)
    assert several.texts == ("one", "two\nthree")
    assert (several.task, several.title, several.dimensions) == ("RETRIEVAL_DOCUMENT", None, 64)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "requests"),
        ({"requests": []}, "requests"),
        ({"requests": [{}]}, "requests[0].content"),
        ({"requests": [{"content": {}}]}, "requests[0].content"),
        ({"requests": [{"content": {"parts": [{"text": ""}]}}]}, "requests[0].content"),
        ({"requests": [TEXT, {**TEXT, "taskType": "X"}]}, "requests[1].taskType"),
        ({"requests": [{**TEXT, "outputDimensionality": 0}]}, "requests[0].outputDimensionality"),
    ],
)
def test_what_is_no_text_is_refused_by_its_place(body: Any, param: str) -> None:
    with pytest.raises(ApiError) as caught:
        _asked(body, several=True)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.fixture
def url(fakes: Fakes, tmp_path: Path) -> Iterator[str]:
    with serving(settings_for(fakes, tmp_path)) as server:
        yield f"http://127.0.0.1:{server.port}"


def test_googles_client_has_its_vectors(url: str) -> None:
    options = types.HttpOptions(base_url=url)
    with genai.Client(api_key="x", http_options=options) as client:
        for contents in ("one", ["one", "two", "three"]):
            found = client.models.embed_content(
                model="gemini-embedding-001", contents=contents, config={"output_dimensionality": 8}
            )
            assert found.embeddings
            assert [len(one.values or ()) for one in found.embeddings] == [8] * (
                1 if contents == "one" else 3
            )
    path = "/v1beta/models/gemini-embedding-001:embedContent"
    alone = httpx.post(f"{url}{path}", json=TEXT, trust_env=False).json()
    assert list(alone) == ["embedding"] and alone["embedding"]["values"]
