"""What a request asks of a model, and how much of it: what refusals are remembered by. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import orjson

from adapters.base import ChatRequest, Json
from adapters.contents import contents_of
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
    messages = request.messages
    for kind, places in contents_of(messages).media.items():
        found[NEED_OF_PART[kind]] = len(places)
        if kind == "image_url":
            _measure([messages[at]["content"][place] for at, place in places], found)
    return found


def _schemas(request: ChatRequest) -> bytes:
    wanted = request.response_format.schema if request.response_format else None
    if not (request.tools or wanted):
        return b""
    try:
        return orjson.dumps([list(request.tools), wanted])
    except orjson.JSONEncodeError:  # which no provider could be sent either
        return b""


def _measure(pictures: Sequence[Json], found: Counter[str]) -> None:
    for picture in pictures:
        url = picture["image_url"]["url"]
        found["image_size"] = max(found["image_size"], len(url))
        if kind := kind_of(url):
            found[kind] += 1
