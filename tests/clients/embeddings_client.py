"""LangChain's and LlamaIndex's embeddings; the first counts tokens, and sends them as they are."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import llama_index.core  # brings the table of tokens along, which would be downloaded
from langchain_openai import OpenAIEmbeddings
from llama_index.embeddings.openai import OpenAIEmbedding

from tests.clients.scenarios import EMBEDDED as TEXTS, EMBEDDING_MODEL as MODEL


def seen(base_url: str) -> dict[str, Any]:
    """The vectors of `TEXTS` as each client has them."""
    tables = Path(llama_index.core.__file__).parent / "_static" / "tiktoken_cache"
    os.environ["TIKTOKEN_CACHE_DIR"] = str(tables)
    told: dict[str, Any] = {"model": MODEL, "api_key": "app-embeds", "max_retries": 0}
    chain = OpenAIEmbeddings(base_url=base_url, **told)
    plain = OpenAIEmbeddings(base_url=base_url, check_embedding_ctx_length=False, **told)
    index = OpenAIEmbedding(api_base=base_url, **told)
    return {
        "langchain": chain.embed_documents(TEXTS),
        "langchain in texts": plain.embed_documents(TEXTS),
        "llama-index": index.get_text_embedding_batch(TEXTS),
    }


if __name__ == "__main__":
    print(json.dumps(seen(sys.argv[1])))  # noqa: T201 # it is read by the test
