"""A request's body, as JSON: the same for every door. Pure."""

from __future__ import annotations

import orjson

from adapters.base import Json
from adapters.wire.json_size import is_deeper_than
from adapters.wire.pieces import loads
from proxy.errors import bad_request

MAX_DEPTH = 128


def parse_json(body: bytes | bytearray) -> Json:
    """The body as a JSON object no deeper than `MAX_DEPTH`; who read it counted its values.

    Raises ApiError.
    """
    try:
        data = loads(body)
    except orjson.JSONDecodeError as error:
        reason = str(error).partition(":")[0]
        raise bad_request(f"The body is not valid JSON: {reason}.", code="invalid_json") from None
    if not isinstance(data, dict):
        raise bad_request("The body must be a JSON object.", code="invalid_json")
    if is_deeper_than(MAX_DEPTH, data):
        raise bad_request(f"The body is nested deeper than {MAX_DEPTH}.", code="invalid_json")
    return data
