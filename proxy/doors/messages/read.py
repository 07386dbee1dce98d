"""An Anthropic body -> ChatRequest, and what the answer's form depends on. Pure.

Every refusal is a 400 that names the place in Anthropic's way: `messages.0.content`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from adapters.base import USER, ChatRequest, Json, ResponseFormat, Thinking
from proxy.doors.chat.thinking import EFFORTS
from proxy.doors.door import Asked
from proxy.doors.messages.blocks import asks_citations
from proxy.doors.messages.errors import thread_unsupported
from proxy.doors.messages.messages import messages_of, system_of
from proxy.doors.messages.tools import choice_of, tools_of
from proxy.doors.openai import check_model_name
from proxy.doors.reading.checks import (
    Check,
    between,
    count,
    flag,
    json_object,
    member,
    out_of_range,
    string,
    strings,
    whole,
)
from proxy.doors.reading.schemas import within_bounds
from proxy.doors.reading.tools import beside
from proxy.errors import bad_request

CITATIONS = "messages.citations"
"""What documents ask for, and nobody else than Claude does."""
OF_A_PICTURE = 1600
"""Tokens, where nobody counts them."""
SIZE_OF_CONTEXT = re.compile(r"\[\d+[mk]\]", re.ASCII)
"""Behind a model's name, where a client has not taken its own mark away."""


class Parsed(Asked, frozen=True):
    """A request, and what only the answer's form depends on; `shown_model` is the client's name."""

    shown_model: str = ""
    thoughts: bool = False
    hides_thoughts: bool = False
    searches: bool = False


def parse_request(data: Json, *, counts_only: bool = False) -> Parsed:
    """The request in `data`, which is left as it is. Raises ApiError.

    `counts_only` takes one that nobody is to answer.
    """
    data = {name: value for name, value in data.items() if value is not None}
    if "thread" in data:
        raise thread_unsupported()
    shown = data.get("model")
    name = SIZE_OF_CONTEXT.sub("", shown) if isinstance(shown, str) else shown
    fields = {key: _FIELDS[key](key, value) for key, value in data.items() if key in _FIELDS}
    if "max_tokens" not in fields and not counts_only:
        raise bad_request("max_tokens: Field required", param="max_tokens")
    tools = tools_of(data.get("tools", []), data.get("messages"))
    choice, parallel = choice_of(data.get("tool_choice"), tools)
    output = fields.get("output_config", {})
    thinking = fields.get("thinking", {})
    params: Json = {key: fields[key] for key in ("temperature", "top_p") if key in fields}
    search, more = beside(tools, choice)
    params |= search
    request = ChatRequest(
        model=check_model_name(name),
        messages=[*system_of(data.get("system")), *messages_of(data.get("messages"))],
        stream=fields.get("stream", False),
        max_tokens=fields.get("max_tokens") or None,
        stop=tuple(filter(None, fields.get("stop_sequences", ()))),
        tools=choice.functions,
        tool_choice=choice.mode,
        forced_tool=choice.forced,
        parallel_tool_calls=parallel,
        response_format=_format(output.get("format") or data.get("output_format")),
        thinking=_thinking(thinking, member(output, "output_config", "effort", _effort)),
        params=params,
        extensions=_extensions(data, fields, more),
    )
    return Parsed(
        within_bounds(request),
        request.stream,
        data.get("pointsman"),
        shown_model=str(shown),
        thoughts=request.thinking.include is True,
        hides_thoughts=thinking.get("display") == "omitted",
        searches=tools.search is not None,
    )


def _most(name: str, value: Any) -> int:
    """0 asks for nothing but that a cache be warmed."""
    return 0 if type(value) is int and value == 0 else int(count(name, value))


_FIELDS: Mapping[str, Check] = {
    "max_tokens": _most,
    "stream": flag,
    "stop_sequences": strings,
    "temperature": between(0, 1),
    "top_p": between(0, 1),
    "top_k": whole(0, 2**31 - 1),
    "thinking": json_object,
    "output_config": json_object,
    "metadata": json_object,
}
_SILENT = frozenset(
    {
        *("model", "messages", "system", "tools", "tool_choice", "output_format", "pointsman"),
        *("cache_control", "container", "context_management", "diagnostics", "inference_geo"),
        *("service_tier", "speed", "user_profile_id", "workspace_id", "betas", "billing_policy"),
        *("compaction", "fallback_credit_token", "fallbacks"),
    }
)
"""Besides those of `_FIELDS`: what has a field of its own, or needs no word when it is left out."""


def _effort(name: str, value: Any) -> str:
    if string(name, value) not in EFFORTS:
        raise out_of_range(name, "one of " + ", ".join(EFFORTS))
    return str(value)


_budget = whole(1024, 2**31 - 1)


def _thinking(given: Json, effort: str | None) -> Thinking:
    """Clients that ask for no thoughts expect none: they would stand where the text should."""
    match given:
        case {} if not given:
            return Thinking(effort=effort, include=False)
        case {"type": "disabled"}:
            return Thinking(effort="none", include=False)
        case {"type": "enabled"}:
            budget = given.get("budget_tokens")
            return Thinking(None, _budget("thinking.budget_tokens", budget), include=True)
        case {"type": "adaptive"}:
            return Thinking(effort=effort, include=True)
        case {"type": "between_tools"}:
            return Thinking(effort=effort or "minimal", include=True)
        case _:
            expected = "'enabled', 'adaptive', 'between_tools' or 'disabled'"
            raise out_of_range("thinking.type", expected)


def _format(given: Any) -> ResponseFormat | None:
    match given:
        case None:
            return None
        case {"type": "json_schema", "schema": dict(schema)}:
            return ResponseFormat(schema=schema, strict=True)
        case _:
            expected = "of type 'json_schema' and hold a 'schema'"
            raise out_of_range("output_config.format", expected)


def _extensions(data: Json, fields: Json, tools: Json) -> Json:
    """What nobody here takes: a provider names it in its warnings as it does chat's."""
    unknown = {name: data[name] for name in data if name not in _FIELDS and name not in _SILENT}
    if not unknown.get("mcp_servers", True):
        del unknown["mcp_servers"]
    if "top_k" in fields:
        unknown["top_k"] = fields["top_k"]
    if user := member(fields.get("metadata", {}), "metadata", "user_id", string):
        unknown[USER] = user
    if asks_citations(data["messages"]):
        unknown[CITATIONS] = True
    return unknown | tools
