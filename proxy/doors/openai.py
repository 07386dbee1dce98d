"""What OpenAI's doors have in common: names, heads, usage, lists, how an error is spelled. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import orjson
from msgspec import Struct

from adapters.base import Json, Model, Start, Usage
from adapters.wire.writing import dumps
from proxy.candidate import is_model_name
from proxy.doors.door import Call
from proxy.doors.frames.multipart import Form, parse_form
from proxy.doors.frames.sse import HEADERS, WAITING, sse
from proxy.doors.reading.body import parse_json
from proxy.doors.writing.whole import JSON_TYPE
from proxy.errors import ApiError, bad_request, model_not_found
from proxy.reply import Header, Reply

DONE = b"data: [DONE]\n\n"
EXTENDED = "/openai/v1/"
EXTENSION = "x_groq"
"""What answers beneath that path say beyond OpenAI's, whoever made them: the clients that have it
as their base path read a stream's counts there alone, and no transcript without an id there."""


class OpenAIErrors:
    """OpenAI's envelope for what has failed."""

    def refusal(self, error: ApiError) -> Reply:
        body = orjson.dumps(error_object(error))
        return Reply(error.status, (JSON_TYPE, *error.headers()), body)

    def cut(self, error: ApiError) -> bytes:
        """An error event, and no `[DONE]`."""
        return sse(error_object(error))


class OpenAIStream:
    """What all streams of OpenAI's doors have in common: how they wait, and how they fail."""

    headers: Sequence[Header] = HEADERS

    def wait(self) -> bytes:
        return WAITING

    def fail(self, error: ApiError) -> bytes:
        return OpenAIErrors().cut(error)


class OpenAIChunks(OpenAIStream):
    """Chunks of one choice each, behind the same head; the counts in one of their own, if asked."""

    def __init__(self, head: Head, kind: str, *, include_usage: bool) -> None:
        self._head = head
        self._kind = kind
        self._include_usage = include_usage
        self._usage: Usage | None = None

    def end(self) -> bytes:
        if not (self._include_usage and self._usage):
            return DONE
        last = {"choices": [], "usage": usage_object(self._usage)}
        return sse(self._head.fields(self._kind) | last) + DONE

    def _of_choice(self, choice: Json) -> Json:
        chunk = self._head.fields(self._kind) | {"choices": [choice]}
        if self._include_usage:
            chunk["usage"] = None
        return chunk


def body_of(call: Call) -> Json:
    """The body, with the model that the path names. Raises ApiError."""
    data = parse_json(call.body)
    if "model" in call.params:
        data["model"] = call.params["model"]
    return data


def form_of(call: Call) -> Form:
    """The form in the body, with the model that the path names. Raises ApiError."""
    form = parse_form(call.headers.get(b"content-type", b""), call.body)
    if "model" not in call.params:
        return form
    others = [field for field in form.fields if field[0] != "model"]
    return Form([*others, ("model", call.params["model"])], form.files)


def check_model_name(model: object) -> str:
    """The name if it can be a model's, without blanks around it, which files and shells leave.

    Raises ApiError, 404 for any other.
    """
    if model is None:
        raise bad_request("You must provide a model parameter.", param="model")
    if not isinstance(model, str):
        raise bad_request("'model' must be a string.", param="model", code="invalid_type")
    name = model.strip()
    if not is_model_name(name):
        raise model_not_found(model)
    return name


class Head(Struct):
    """What every chunk of an answer repeats; `created` in Unix seconds."""

    id: str
    created: int
    model: str
    system_fingerprint: str | None = None
    service_tier: str | None = None

    def learn(self, start: Start) -> None:
        """Take over what the provider says of itself."""
        self.id = start.id or self.id
        self.created = start.created or self.created
        self.model = start.model or self.model
        self.system_fingerprint = start.system_fingerprint
        self.service_tier = start.service_tier or self.service_tier

    def fields(self, kind: str) -> Json:
        """The first members of a chunk or of the single object."""
        if not self.id:
            self.id = f"chatcmpl-{secrets.token_hex(12)}"
        fields = {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.system_fingerprint,
        }
        if self.service_tier is not None:
            fields["service_tier"] = self.service_tier
        return fields

    def whole(self, kind: str, choices: Sequence[Json], usage: Usage | None) -> bytes:
        """The single object."""
        counts = usage_object(usage) if usage else None
        return dumps(self.fields(kind) | {"choices": choices, "usage": counts})


def new_head(*, model: str, now_s: float) -> Head:
    """A head for an answer whose provider may give no time of its own; an id is made if needed.

    OpenAI and Groq always tell a tier, and some of their clients fail without.
    """
    return Head(id="", created=int(now_s), model=model, service_tier="default")


def usage_object(usage: Usage) -> Json:
    """OpenAI's `usage`, with the provider's own timings kept beside it."""
    counts: Json = dict(usage.extra or {}) | {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
    }
    if usage.cached is not None:
        counts["prompt_tokens_details"] = {"cached_tokens": usage.cached}
    if usage.reasoning is not None:
        counts["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return counts


def extension(request_id: str, usage: Usage | None = None) -> Json:
    """The field by which clients of `EXTENDED` know the request and, in a stream, its counts."""
    return {EXTENSION: {"id": request_id, **({"usage": usage_object(usage)} if usage else {})}}


def tokens_object(usage: Usage) -> Json:
    """OpenAI's `usage` of all that is no chat."""
    return {
        "input_tokens": usage.prompt,
        "output_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
    }


def model_object(model_id: str, model: Model) -> Json:
    entry: Json = {
        "id": model_id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by,
    }
    if model.context:
        entry["context_window"] = model.context
    return entry


def models_object(entries: Sequence[Json]) -> bytes:
    return orjson.dumps({"object": "list", "data": entries})


def error_object(error: ApiError) -> Json:
    """OpenAI's error envelope, with the provider and the five-code name beside it."""
    return {
        "error": {
            "message": error.message,
            "type": error.type,
            "param": error.param,
            "code": error.code,
            "provider": error.provider,
            "provider_code": error.provider_code,
        }
    }
