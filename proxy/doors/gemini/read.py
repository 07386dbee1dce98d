"""A body of generateContent -> ChatRequest, and what the answer's form depends on. Pure.

Every refusal is a 400 that names the field as Gemini spells it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from adapters.base import ChatRequest, Json
from adapters.translation.cached_content import CACHE
from proxy.candidate import is_model_name
from proxy.doors.door import Asked, Call
from proxy.doors.gemini.config import config_of
from proxy.doors.gemini.fields import field, member, spelled, strange
from proxy.doors.gemini.messages import Conversation
from proxy.doors.gemini.tools import toolbox
from proxy.doors.reading.checks import string
from proxy.doors.reading.schemas import within_bounds
from proxy.doors.reading.tools import beside
from proxy.errors import ApiError, bad_request
from proxy.routing.planning.candidates import ANY_MODEL

OWN_BLOCK = "gemini"
"""The part of a request that only Google's models get, in their own words."""
OWN = ("safetySettings",)
SILENT = ("labels", "store", "continuationToken")
KNOWN = spelled(
    *OWN,
    *SILENT,
    *("contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "model"),
    *("cachedContent", "serviceTier", "pointsman"),
)
_PREFIX = re.compile(r"(publishers/[^/]+/)?models/")
FOUND_NOWHERE = "is not found for API version"
UNLISTED = (
    f"{FOUND_NOWHERE} v1beta, or is not supported for generateContent. "
    "Call ListModels to see the list of available models and their supported methods."
)


class Parsed(Asked, frozen=True):
    """A request, and what only the answer's form depends on.

    `in_array` asks for a stream as one JSON array; `thoughts` for the model's thoughts, `is_word`
    for the bare value of an enumeration; `cites` tells that there may be sources to be named.
    """

    in_array: bool = False
    thoughts: bool = False
    is_word: bool = False
    cites: bool = False

    def told(self, error: ApiError) -> ApiError:
        """The lack of a model in the words by which clients know it."""
        if error.code != "model_not_found" or FOUND_NOWHERE in error.message:
            return error
        named = f"models/{self.request.model} {UNLISTED}"
        return error.but(message=f"{named} ({error.message})")


def model_name(path: str) -> str:
    """The name of the model in a path. Raises ApiError 404 for what could not be one."""
    found = _PREFIX.match(path)
    name = path[found.end() :] if found else path
    if not is_model_name(name):
        shown = name[:128] if name[:128].isprintable() else "(unprintable)"
        raise ApiError(404, f"models/{shown} {UNLISTED}", code="model_not_found", param="model")
    return name


def named_model(call: Call, data: Json) -> str:
    """The model's name: in the path, or in a body that comes without one, to be explained."""
    return model_name(call.params.get("model") or str(data.get("model") or ANY_MODEL))


def parse_request(
    data: Json, model: str, *, stream: bool = False, in_array: bool = False
) -> Parsed:
    """The request in `data`, which is left as it is. Raises ApiError."""
    config = config_of(data)
    box = toolbox(data)
    talk = _conversation(data)
    params = config.params
    search, more = beside(box, box.choice)
    params |= search
    if tier := member(data, "", "serviceTier", string):
        params["service_tier"] = tier.lower().removeprefix("service_tier_")
    if cache := member(data, "", "cachedContent", string):
        more[CACHE] = cache
    own = _own(data, config.own, box.own, box.config)
    dropped = [*config.dropped, *(f"tools.{name}" for tool in box.own for name in tool), *talk.lost]
    dropped += [name for name in OWN if name in own]
    others = {name: data[name] for name in strange(data, KNOWN)}
    request = ChatRequest(
        model=model,
        messages=talk.messages(),
        stream=stream,
        max_tokens=config.max_tokens,
        stop=config.stop,
        n=config.n,
        tools=box.choice.functions,
        tool_choice=box.choice.mode,
        forced_tool=box.choice.forced,
        response_format=config.response_format,
        thinking=config.thinking,
        params=params,
        extensions=others | more | _extensions(config.top_k, own, dropped),
    )
    if not any(message["role"] != "system" for message in request.messages):
        raise bad_request("contents is not specified", param="contents")
    return Parsed(
        within_bounds(request),
        stream,
        field(data, "pointsman"),
        in_array,
        bool(config.thinking.include),
        config.is_word,
        box.search is not None,
    )


def _conversation(data: Json) -> Conversation:
    talk = Conversation()
    if (instruction := field(data, "systemInstruction")) is not None:
        talk.system(instruction, "systemInstruction")
    if (contents := field(data, "contents")) is not None:
        talk.add(contents)
    return talk


def _own(data: Json, generation: Json, tools: Sequence[Json], config: Json | None) -> Json:
    own: Json = {name: value for name in OWN if (value := field(data, name)) is not None}
    more = {"generationConfig": generation, "tools": list(tools), "toolConfig": config}
    return own | {name: value for name, value in more.items() if value}


def _extensions(top_k: int | None, own: Json, dropped: Sequence[str]) -> Json:
    """Words that only some providers know; all others say that they have dropped them."""
    extensions: dict[str, Any] = dict.fromkeys(dropped, True)
    if top_k is not None:
        extensions["top_k"] = top_k
    if own:
        extensions[OWN_BLOCK] = own
    return extensions
