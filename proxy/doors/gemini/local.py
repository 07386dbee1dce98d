"""What needs no answer of a model: how many tokens a request is, and what is not served here."""

from __future__ import annotations

from functools import partial

import orjson

from adapters.base import ChatRequest, Json
from proxy.doors.door import Call
from proxy.doors.gemini.errors import JSON_TYPE, GeminiErrors, field_of
from proxy.doors.gemini.fields import member
from proxy.doors.gemini.read import model_name, parse_request
from proxy.doors.reading.body import parse_json
from proxy.doors.reading.checks import json_object
from proxy.doors.reading.tokens import counted
from proxy.errors import ApiError
from proxy.reply import Reply
from proxy.routing.counting import Count, nobody_counts

WHOLE = "generateContentRequest"


class CountedTokens(GeminiErrors):
    """POST …/{model}:countTokens: as many as who would answer says, else a guess."""

    name = "gemini"

    def __init__(self, count: Count = nobody_counts) -> None:
        self._count = count

    async def answer(self, call: Call) -> Reply:
        count = await counted(self._count, call.app, call.body, partial(_request, call))
        details = [{"modality": "TEXT", "tokenCount": count}]
        body = orjson.dumps({"totalTokens": count, "promptTokensDetails": details})
        return Reply(200, (JSON_TYPE,), body)


def _request(call: Call) -> ChatRequest:
    data = parse_json(call.body)
    whole: Json | None = member(data, "", WHOLE, json_object)
    model = model_name(call.params["model"])
    try:
        request: ChatRequest = parse_request(data if whole is None else whole, model).request
    except ApiError as error:
        raise error if whole is None else _inside(error) from None
    return request


def _inside(error: ApiError) -> ApiError:
    """The same, its field named from the top of the body."""
    if error.status != 400 or not error.param:
        return error
    path = f"{WHOLE}.{field_of(error.param)}"
    message = error.message.replace(f"'{error.param}'", f"'{path}'")
    return error.but(param=path, message=message)


class NotServed(GeminiErrors):
    """All else that Gemini's clients may ask for."""

    name = "gemini"

    async def answer(self, call: Call) -> Reply:
        """Says so. Raises ApiError 501 for a method of a model, 404 for anything else."""
        method = call.path.rpartition(":")[2]
        if method != call.path and "/" not in method:
            raise ApiError(501, f"{method[:64]} is not served here.", code="unsupported_feature")
        raise ApiError(404, f"There is nothing at {call.path[:200]}.", code="unknown_path")
