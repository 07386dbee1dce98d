"""Schemas and arguments in a request, which are worked on later: how large they may be. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from adapters.base import ChatRequest, Json, ResponseFormat
from adapters.contents import Messages, found_in
from adapters.wire.json_size import MAX_CONTAINERS, values_of
from proxy.doors.reading.checks import flag, member, string
from proxy.doors.reading.schema_size import SchemaSize, SchemaTooLargeError
from proxy.errors import bad_request


def schema_format(path: str, given: Json) -> ResponseFormat:
    """The `schema` in an object that stands at `path`, with what is said of it. Raises ApiError."""
    return ResponseFormat(
        schema=given["schema"],
        name=member(given, path, "name", string) or "response",
        description=member(given, path, "description", string),
        strict=member(given, path, "strict", flag),
    )


FEW_CHARS = 64 * 1024
"""Of the arguments of all calls: fewer hold too few values to be counted."""
MAX_PARTS = 10_000
MAX_MEDIA = 4000
"""Pictures and the like: the most that any provider takes is 3,600."""


def within_bounds(request: ChatRequest) -> ChatRequest:
    """The request, with what its messages hold. Raises ApiError 400 for what is too much of it.

    So it does for the arguments of calls, texts here that adapters read, and names the schema that
    is too large.
    """
    contents = found_in(request.messages)
    if contents.has_calls:
        _check_arguments(request.messages)
    if contents.parts > MAX_PARTS or (
        contents.media and sum(map(len, contents.media.values())) > MAX_MEDIA
    ):
        raise bad_request(
            f"The messages hold more than {MAX_PARTS} parts, or {MAX_MEDIA} that are no text.",
            param="messages",
            code="invalid_value",
        )
    if request.tools or request.response_format is not None:
        _check_schemas(request)
    return replace(request, messages=Messages(request.messages, contents))


def _check_schemas(request: ChatRequest) -> None:
    param = "tools"
    size = SchemaSize()
    try:
        for at, tool in enumerate(request.tools):
            param = f"tools[{at}].function.parameters"
            size.add(tool["function"].get("parameters"))
        if request.response_format is not None:
            param = "response_format"
            size.add(request.response_format.schema)
    except SchemaTooLargeError as error:
        raise bad_request(
            f"The schema in '{param}' is too large: {error}.", param=param, code="schema_too_large"
        ) from None


def _check_arguments(messages: Sequence[Json]) -> None:
    texts: list[str] = []
    for message in messages:
        if "tool_calls" in message:
            texts += [one["function"].get("arguments") or "" for one in message["tool_calls"] or ()]
    if not texts or sum(map(len, texts)) <= FEW_CHARS:
        return
    found = (values_of(text.encode("utf-8", "surrogatepass")) for text in texts)
    if sum(values.load for values in found) > MAX_CONTAINERS:
        raise bad_request(
            "The arguments of the calls in 'messages' hold too many values.",
            param="messages",
            code="invalid_value",
        )
