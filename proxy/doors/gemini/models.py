"""The list of models in Gemini's form. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

import orjson

from adapters.base import Json
from proxy.doors.door import Call
from proxy.doors.gemini.errors import GeminiErrors
from proxy.doors.models.offered import Named
from proxy.errors import bad_request

DEFAULT_PAGE, MAX_PAGE = 50, 1000
METHODS = ("generateContent", "streamGenerateContent", "countTokens")
METHODS_OF_VECTORS = ("embedContent", "batchEmbedContents")
UNKNOWN_LIMIT = 8192
"""Told where nobody knows how much a model takes, or says: clients want a number."""


class GeminiModels(GeminiErrors):
    """Pages, each naming where the next one begins."""

    def every(self, found: Sequence[Named], call: Call) -> bytes:
        query = call.parameters()
        size, start = _size(query), _start(query)
        page: Json = {"models": [_entry(one) for one in found[start : start + size]]}
        if start + size < len(found):
            page["nextPageToken"] = base64.urlsafe_b64encode(b"%d" % (start + size)).decode()
        return orjson.dumps(page)

    def single(self, found: Named) -> bytes:
        return orjson.dumps(_entry(found))


def _size(query: Mapping[str, str]) -> int:
    """The size of a page; above the most it is the most, as Gemini has it."""
    word = query.get("pageSize") or query.get("page_size") or "0"
    if not (word.isascii() and word.isdigit() and len(word) < 10):
        raise bad_request("page_size must not be negative.", param="pageSize")
    return min(int(word), MAX_PAGE) or DEFAULT_PAGE


def _start(query: Mapping[str, str]) -> int:
    token = query.get("pageToken") or query.get("page_token")
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token[:32]).decode("ascii"))
    except (binascii.Error, ValueError):
        raise bad_request("The page token is invalid.", param="pageToken") from None


def _entry(one: Named) -> Json:
    context = one.model.context or UNKNOWN_LIMIT
    return {
        "name": f"models/{one.name}",
        "version": "001",
        "displayName": one.name,
        "description": f"{one.name}, by way of pointsman",
        "inputTokenLimit": context,
        "outputTokenLimit": context,
        "supportedGenerationMethods": METHODS if one.model.chat else METHODS_OF_VECTORS,
    }
