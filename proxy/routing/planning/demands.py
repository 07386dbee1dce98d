"""What a request asks of a model, and how much of it: what refusals are remembered by. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson

from adapters.base import ChatRequest, Json
from proxy.limits.unable import SCHEMA
from proxy.routing.operations.chat import NEED_OF_PART
from proxy.routing.pictures.kinds import kind_of


def demands(request: Any) -> Mapping[str, int]:
    """By the names of `Cannot.what`; nothing for what is no chat."""
    if type(request) is not ChatRequest:
        return {}
    found = Counter[str]()
    if request.tools and request.tool_choice != "none":
        found["tools"] = len(request.tools)
    if request.params.get("logprobs"):
        found["logprobs"] = 1
    if schemas := _schemas(request):
        found[SCHEMA + sha256(schemas).hexdigest()[:16]] = 1
    for message in request.messages:
        if type(content := message.get("content")) is list:
            for part in content:
                _count(part, found)
    return found


def _schemas(request: ChatRequest) -> bytes:
    wanted = request.response_format.schema if request.response_format else None
    if not (request.tools or wanted):
        return b""
    try:
        return orjson.dumps([list(request.tools), wanted])
    except orjson.JSONEncodeError:  # which no provider could be sent either
        return b""


def _count(part: Json, found: Counter[str]) -> None:
    if what := NEED_OF_PART.get(part["type"]):
        found[what] += 1
    if what == "images":
        url = part["image_url"]["url"]
        found["image_size"] = max(found["image_size"], len(url))
        if kind := kind_of(url):
            found[kind] += 1
