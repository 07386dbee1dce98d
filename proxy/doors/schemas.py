"""The JSON Schemas of a request, bounded before any adapter works on them."""

from __future__ import annotations

from adapters.base import ChatRequest
from adapters.schema_size import SchemaSize, SchemaTooLargeError
from proxy.errors import bad_request


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
