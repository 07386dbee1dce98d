"""What is at fault in a request, by the names of a Responses client. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from proxy.errors import ApiError

Places = Mapping[int, str | Sequence[str]]
"""Where messages that have parts stood: the path of the item, or that of each part."""
NOWHERE: Places = MappingProxyType({})
NAMES: Mapping[str, str] = {
    "max_tokens": "max_output_tokens",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
    "reasoning_effort": "reasoning.effort",
    "logprobs": "top_logprobs",
    "web_search_options": "tools",
}
"""By those of the neutral request; all others are the same."""
_PART = re.compile(r"messages\[(\d+)\]\.content\[(\d+)\](.*)", re.ASCII | re.DOTALL)
_TAILS: Mapping[str, str] = {".file.file_url": ".file_url", ".image_url.url": ".image_url"}


def in_own_words(error: ApiError, places: Places) -> ApiError:
    """The failure with the place in the client's own request."""
    if error.param is None:
        return error
    place = place_of(error.param, places)
    message = error.message.replace(f"({error.param})", f"({place})")
    return error.but(param=place, message=message)


def place_of(param: str, places: Places) -> str:
    """Where `param` of the neutral request comes from."""
    if found := _PART.fullmatch(param):
        path = _path_of(places.get(int(found[1]), ()), int(found[2]))
        return path + _TAILS.get(found[3], found[3]) if path.startswith("input[") else "input"
    return "input" if param.startswith("messages") else NAMES.get(param, param)


def _path_of(at: str | Sequence[str], part: int) -> str:
    if isinstance(at, str):
        return f"{at}.content[{part}]"
    return at[part] if part < len(at) else ""
