"""Gemini's embedContent and batchEmbedContents on loopback."""

from __future__ import annotations

import re
from typing import Any

from tests.fakes.gemini_config import refuse
from tests.fakes.model import Json, tokens, words
from tests.fakes.server import Request
from tests.fakes.vectors import unit, vector

METHOD = re.compile(r"/(v1|v1beta)/models/([^:/]+):(embedContent|batchEmbedContents)")
MODELS = ("gemini-embedding-001", "gemini-embedding-2")
METHODS = ["embedContent", "countTextTokens", "countTokens", "asyncBatchEmbedContent"]
MOST = 100
SIZE = 3072
LONGEST = 8192
FIELDS = words("model content taskType title outputDimensionality output_dimensionality task_type")
TASKS = words(
    "TASK_TYPE_UNSPECIFIED RETRIEVAL_QUERY RETRIEVAL_DOCUMENT SEMANTIC_SIMILARITY CLASSIFICATION "
    "CLUSTERING QUESTION_ANSWERING FACT_VERIFICATION CODE_RETRIEVAL_QUERY"
)


def embed(request: Request, name: str, method: str) -> Json:
    """The answer to either method. Raises RefusalError."""
    try:
        body = request.json
    except ValueError:
        raise refuse("Invalid JSON payload received.") from None
    if method == "embedContent":
        entry = {"model": f"models/{name}", **body}
        return {"embedding": _embedding(entry, name), **_usage([entry], name)}
    entries = body.get("requests")
    if not isinstance(entries, list) or not entries:
        raise refuse("* BatchEmbedContentsRequest.requests: contents is not specified\n")
    if len(entries) > MOST:
        raise refuse(
            "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch\n"
        )
    return {"embeddings": [_embedding(one, name) for one in entries], **_usage(entries, name)}


def _embedding(entry: Any, name: str) -> Json:
    for field in entry:
        if field not in FIELDS:
            raise refuse(
                f"Invalid JSON payload received. Unknown name \"{field}\" at 'requests[0]'"
            )
    if entry.get("model") != f"models/{name}":
        raise refuse("* BatchEmbedContentsRequest.requests[0].model: does not match the batch's\n")
    task = entry.get("taskType", entry.get("task_type"))
    if task not in (None, *TASKS):
        raise refuse(f"Invalid value at 'requests[0].task_type': \"{task}\"")
    size = entry.get("outputDimensionality", entry.get("output_dimensionality", SIZE))
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= SIZE:
        raise refuse(f"* EmbedContentRequest.output_dimensionality: must be in [1, {SIZE}]\n")
    text = _text(entry)
    if not text:
        raise refuse("* EmbedContentRequest.content: contents is not specified\n")
    if len(tokens(text)) > LONGEST:
        raise refuse(
            f"The input token count ({len(tokens(text))}) exceeds the maximum of {LONGEST}."
        )
    values = vector(text, SIZE)[:size]
    return {"values": values if name == MODELS[0] else unit(values)}


def _text(entry: Json) -> str:
    parts = entry.get("content", {}).get("parts") or []
    return "".join(part.get("text", "") for part in parts)


def _usage(entries: list[Json], name: str) -> Json:
    """The older model counts nothing."""
    if name == MODELS[0]:
        return {}
    count = sum(len(tokens(_text(entry))) for entry in entries)
    details = [{"modality": "TEXT", "tokenCount": count}]
    return {"usageMetadata": {"promptTokenCount": count, "promptTokenDetails": details}}
