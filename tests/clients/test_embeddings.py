"""Vectors as LangChain and LlamaIndex have them, however they send what is asked."""

from __future__ import annotations

import httpx
import pytest

from tests.clients.runner import INSTALLED, Client, run_client
from tests.clients.scenarios import EMBEDDED as TEXTS, EMBEDDING_MODEL as MODEL

pytestmark = INSTALLED

CLIENT = Client(
    "embeddings_client", ("langchain-openai", "llama-index-embeddings-openai"), expected={}
)


def test_tokens_and_texts_have_the_same_vectors(base_url: str) -> None:
    seen = run_client(CLIENT, base_url)
    if isinstance(seen, str):
        pytest.skip(seen)
    asked = {"model": MODEL, "input": TEXTS}
    answer = httpx.post(f"{base_url}/embeddings", json=asked, trust_env=False).json()
    plain = [one["embedding"] for one in answer["data"]]

    assert seen.keys() == {"langchain", "langchain in texts", "llama-index"}
    for vectors in seen.values():
        assert [len(vector) for vector in vectors] == [1536] * 3
        for vector, expected in zip(vectors, plain, strict=True):
            assert vector == pytest.approx(expected, abs=1e-6)
    assert plain[0] == plain[2] != plain[1]
