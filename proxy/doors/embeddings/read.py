"""A client's body -> EmbeddingRequest, checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.base import Json
from adapters.tasks import EmbeddingRequest
from proxy.doors.door import Asked
from proxy.doors.embeddings.tokens import text_of
from proxy.doors.openai import check_model_name
from proxy.doors.reading.checks import checked, count, out_of_range, string, wrong_type
from proxy.errors import ApiError, bad_request

MAX_INPUTS = 2048
FORMATS = ("float", "base64")
KNOWN = frozenset({"model", "input", "dimensions", "encoding_format", "user"})
USUAL: Mapping[str, int] = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
"""The dimensions that apps expect of OpenAI's models, for which they have made their tables."""


class Parsed(Asked, frozen=True):
    in_base64: bool = False


def parse_request(data: Json) -> Parsed:
    data = {name: value for name, value in data.items() if value is not None}
    model = check_model_name(data.get("model"))
    form = checked(data, "encoding_format", string) or "float"
    if form not in FORMATS:
        raise out_of_range("encoding_format", f"one of {', '.join(FORMATS)}")
    checked(data, "user", string)
    request = EmbeddingRequest(
        model=model,
        texts=_texts(data.get("input")),
        dimensions=checked(data, "dimensions", count),
        expected=USUAL.get(model),
        extensions={name: value for name, value in data.items() if name not in KNOWN},
    )
    return Parsed(request, own=request.extensions.get("pointsman"), in_base64=form == "base64")


def _texts(given: Any) -> tuple[str, ...]:
    if given is None:
        raise bad_request("You must provide an input.", param="input")
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list):
        raise wrong_type("input", "a string or a list")
    if not given:
        raise _empty("input")
    if type(given[0]) is int:
        given = [given]
    if len(given) > MAX_INPUTS:
        raise out_of_range("input", f"at most {MAX_INPUTS} texts")
    return tuple(_text(at, one) for at, one in enumerate(given))


def _text(at: int, given: Any) -> str:
    param = f"input[{at}]"
    if not isinstance(given, str | list):
        raise wrong_type(param, "a string or a list of tokens")
    if not given:
        raise _empty(param)
    if isinstance(given, str):
        return given
    if not all(type(token) is int for token in given):
        raise wrong_type(param, "a string or a list of tokens")
    try:
        return text_of(given)
    except ValueError:
        raise out_of_range(param, "tokens of cl100k_base") from None


def _empty(param: str) -> ApiError:
    return bad_request(f"'{param}' must not be empty.", param=param, code="invalid_value")
