"""A Responses body -> ChatRequest, and what the answer repeats of it. Pure.

Every refusal is a 400 that names the `param`, as OpenAI's own are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from adapters.base import ChatRequest, Json, ResponseFormat, Thinking
from proxy.doors.chat.thinking import EFFORTS
from proxy.doors.door import Asked
from proxy.doors.openai import check_model_name
from proxy.doors.reading.checks import (
    Check,
    anything,
    between,
    checked,
    count,
    flag,
    json_list,
    json_object,
    member,
    out_of_range,
    string,
    strings,
    whole,
    wrong_type,
)
from proxy.doors.reading.schemas import schema_format, within_bounds
from proxy.doors.reading.tools import beside
from proxy.doors.responses.in_memory import OwnTurns, as_items, sized
from proxy.doors.responses.items import ASKED, TRIGGER, Conversation, kind_of
from proxy.doors.responses.objects import ECHOED
from proxy.doors.responses.places import NOWHERE, Places, in_own_words
from proxy.doors.responses.tools import Toolbox, chosen
from proxy.errors import ApiError, bad_request

SEALED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"


class Parsed(Asked, frozen=True):
    """A request, and what only the answer's form and who may go on from it depend on.

    `size` is about how much memory `given` takes, where it is to be kept.
    """

    echo: Mapping[str, Any] = {}
    box: Toolbox | None = None
    seals: bool = False
    given: Sequence[Json] = ()
    size: int = 0
    app: str = ""
    places: Places = NOWHERE
    compacts: bool = False

    def told(self, error: ApiError) -> ApiError:
        return in_own_words(error, self.places)


def parse_request(data: Json, kept: OwnTurns, *, app: str = "") -> Parsed:
    """The request in `data`, which is left as it is. Raises ApiError."""
    data = {name: value for name, value in data.items() if value is not None}
    _refuse_what_is_not_here(data)
    fields = {name: _FIELDS[name](name, value) for name, value in data.items() if name in _FIELDS}
    box = Toolbox()
    box.add("tools", json_list("tools", data.get("tools", [])))
    given = _given(data)
    before, beyond = _before(data, kept)
    messages, places = _messages(data, given, before, box, kept)
    box.check_some_can_run()
    choice = chosen(data.get("tool_choice"), box)
    include = strings("include", data.get("include", []))
    params = {name: fields[name] for name in _PARAMS if name in fields}
    if fields.get("top_logprobs") or LOGPROBS in include:
        params["logprobs"] = True
    else:
        params.pop("top_logprobs", None)
    search, more = beside(box, choice)
    params |= search
    text = fields.get("text", {})
    if verbosity := member(text, "text", "verbosity", string):
        params["verbosity"] = verbosity
    request = ChatRequest(
        model=check_model_name(data.get("model")),
        messages=messages,
        stream=fields.get("stream", False),
        max_tokens=fields.get("max_output_tokens"),
        tools=choice.functions,
        tool_choice=choice.mode,
        forced_tool=choice.forced,
        parallel_tool_calls=fields.get("parallel_tool_calls") if choice.functions else None,
        response_format=_format(text),
        thinking=_thinking(fields.get("reasoning", {})),
        params=params,
        extensions=_extensions(data, more),
    )
    if compacts := bool(given) and kind_of(given[-1]) == TRIGGER:
        request = _summing_up(request)
    stores = kept.is_on and fields.get("store", True)
    return Parsed(
        within_bounds(request),
        request.stream,
        data.get("pointsman"),
        echo=_echo(data, fields, store=stores),
        box=box,
        seals=SEALED in include,
        given=given,
        size=sized(given) if stores else 0,
        app=app,
        places=places,
        beyond=beyond,
        compacts=compacts,
    )


def _summing_up(request: ChatRequest) -> ChatRequest:
    """What asks for the summary, with nothing that another answer could come of."""
    return replace(
        request,
        messages=[*request.messages, {"role": "user", "content": ASKED}],
        tools=(),
        tool_choice=None,
        forced_tool=None,
        parallel_tool_calls=None,
        response_format=None,
    )


def _given(data: Json) -> list[Json]:
    match data.get("input"):
        case str() | list() as given:
            for i, item in enumerate(given if isinstance(given, list) else ()):
                json_object(f"input[{i}]", item)
            return as_items(given)
        case None if "previous_response_id" in data or "conversation" in data:
            return []
        case None:
            raise bad_request(
                "Missing required parameter: 'input'.",
                param="input",
                code="missing_required_parameter",
            )
        case _:
            raise wrong_type("input", "a string or a list of items")


def _before(data: Json, kept: OwnTurns) -> tuple[Sequence[Json], int]:
    """What was said before, and about how much memory it takes."""
    previous = checked(data, "previous_response_id", string)
    conversation = _conversation_id(data.get("conversation"))
    if previous and conversation:
        raise bad_request(
            "'previous_response_id' and 'conversation' exclude each other.", param="conversation"
        )
    if conversation:
        talk = kept.talk(conversation)
        return list(talk.items.values()), talk.size
    if previous:
        return kept.history(previous), kept.size_of_history(previous)
    return [], 0


def _conversation_id(value: Any) -> str | None:
    match value:
        case None | str():
            return value
        case {"id": str(name)}:
            return name
        case _:
            raise wrong_type("conversation", "an id, or an object that has one")


def _messages(
    data: Json, given: Sequence[Json], before: Sequence[Json], box: Toolbox, kept: OwnTurns
) -> tuple[list[Json], Places]:
    talk = Conversation(box, kept.item)
    if instructions := checked(data, "instructions", string):
        talk.say("system", instructions)
    known = {item["id"] for item in before}
    talk.add("previous", before)
    talk.add("input", given, known)  # some clients send the whole history all the same
    if not talk.messages:
        raise out_of_range("input", "at least one message")
    return talk.messages, talk.places


def metadata(name: str, value: Any) -> Json:
    """Pairs that a client keeps with what is its own. Raises ApiError."""
    pairs = json_object(name, value)
    if len(pairs) > 16 or any(len(key) > 64 for key in pairs):
        raise out_of_range(name, "at most 16 pairs with keys of at most 64 characters")
    if any(len(string(f"{name}.{key}", text)) > 512 for key, text in pairs.items()):
        raise out_of_range(name, "pairs whose values have at most 512 characters")
    return pairs


def _truncation(name: str, value: Any) -> str:
    if value not in ("auto", "disabled"):
        raise out_of_range(name, "'auto' or 'disabled'")
    return str(value)


_FIELDS: Mapping[str, Check] = {
    "stream": flag,
    "stream_options": json_object,
    "store": flag,
    "background": flag,
    "parallel_tool_calls": flag,
    "max_output_tokens": count,
    "max_tool_calls": count,
    "temperature": between(0, 2),
    "top_p": between(0, 1),
    "presence_penalty": between(-2, 2),
    "frequency_penalty": between(-2, 2),
    "top_logprobs": whole(0, 20),
    "moderation": json_object,
    "text": json_object,
    "reasoning": json_object,
    "truncation": _truncation,
    "metadata": metadata,
    "service_tier": string,
    "user": string,
    "safety_identifier": string,
    "prompt_cache_key": string,
    "prompt_cache_options": anything,
    "prompt_cache_retention": anything,
}
_PARAMS = (
    *("temperature", "top_p", "presence_penalty", "frequency_penalty", "top_logprobs"),
    *("service_tier", "user", "safety_identifier", "prompt_cache_key", "moderation"),
)
_SILENT = frozenset(
    {
        *("model", "input", "instructions", "tools", "tool_choice", "include", "pointsman"),
        *("client_metadata", "previous_response_id", "conversation", "prompt"),
    }
)
"""Besides those of `_FIELDS`: what needs no word when it goes no further."""


def _refuse_what_is_not_here(data: Json) -> None:
    if data.get("background") is True:
        raise _unsupported("background", "Responses cannot be made in the background here.")
    if "prompt" in data:
        raise _unsupported("prompt", "Stored prompts are not kept here.")


def _unsupported(param: str, message: str) -> ApiError:
    return bad_request(message, param=param, code="unsupported_parameter")


def _format(text: Json) -> ResponseFormat | None:
    """`text.format`, which unlike chat's has no wrapping."""
    match text.get("format"):
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return ResponseFormat()
        case {"type": "json_schema", "schema": dict()} as given:
            return schema_format("text.format", given)
        case {"type": "json_schema"}:
            raise bad_request("'text.format' must hold a 'schema'.", param="text.format.schema")
        case _:
            raise out_of_range("text.format", "of type 'text', 'json_object' or 'json_schema'")


def _thinking(reasoning: Json) -> Thinking:
    effort = member(reasoning, "reasoning", "effort", string)
    if effort is not None and effort not in EFFORTS:
        raise out_of_range("reasoning.effort", "one of " + ", ".join(EFFORTS))
    summary = reasoning.get("summary") or reasoning.get("generate_summary")
    return Thinking(effort=effort, include=True if summary else None)


def _extensions(data: Json, tools: Json) -> Json:
    """What not everybody takes: a provider names it in its warnings as it does chat's."""
    unknown = {name: data[name] for name in data if name not in _FIELDS and name not in _SILENT}
    unknown |= tools
    if data.get("truncation") == "auto":
        unknown.setdefault("truncate", True)  # as Ollama calls it, which can
    return unknown


def _echo(data: Json, fields: Json, *, store: bool) -> Json:
    """What the response repeats, by the names of `ECHOED`; `conversation` where there is one."""
    given = data | fields
    reasoning = fields.get("reasoning", {})
    echo = {name: given[name] for name in ECHOED if name in given} | {
        "tools": [_echoed(tool) for tool in data.get("tools", [])],
        "text": {"format": {"type": "text"}, **fields.get("text", {})},
        "reasoning": {
            "effort": reasoning.get("effort"),
            "summary": reasoning.get("summary") or reasoning.get("generate_summary"),
        },
        "store": store,
    }
    if conversation := _conversation_id(data.get("conversation")):
        echo["conversation"] = {"id": conversation}
    return echo


def _echoed(tool: Json) -> Json:
    if tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, "strict": None, **tool}
