"""The JSON Schemas of a request: how OpenAI wraps them, and how large they may be. Pure."""

from __future__ import annotations

from adapters.base import ChatRequest, Json, ResponseFormat
from adapters.schema_size import SchemaSize, SchemaTooLargeError
from proxy.doors.checks import flag, member, string
from proxy.errors import bad_request


def schema_format(path: str, given: Json) -> ResponseFormat:
    """The `schema` in an object that stands at `path`, with what is said of it. Raises ApiError."""
    return ResponseFormat(
        schema=given["schema"],
        name=member(given, path, "name", string) or "response",
        description=member(given, path, "description", string),
        strict=member(given, path, "strict", flag),
    )


def with_bounded_schemas(request: ChatRequest) -> ChatRequest:
    """The request as it is. Raises ApiError 400 that names the schema that is too large."""
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
    return request
