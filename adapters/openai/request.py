"""OpenAI's request -> the body that a server of some profile takes. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.base import ChatRequest, Json, NativeCall, ProviderSettings
from adapters.compatible.messages import Taken, to_messages, unsupported
from adapters.compatible.request import json_schema, set_json_mode, tools_of
from adapters.openai.profiles import Profile
from adapters.openai.settings import KIND
from adapters.translation.own_fields import merged
from adapters.translation.thinking import effort_of
from adapters.translation.wishes import BLOCKS, left_out, unmet

PATH = "/chat/completions"


def to_native(
    request: ChatRequest, settings: ProviderSettings, profile: Profile, taken: Taken
) -> NativeCall:
    """The body and what was lost. Raises AdapterError for what the server cannot do."""
    warnings: list[str] = []
    messages = to_messages(request.messages, request.model, warnings, taken)
    if profile.id_chars:
        messages = with_short_ids(messages, profile.id_chars)
    body: Json = {"model": request.model, "messages": messages}
    if request.params:
        body |= _params(request.params, profile, taken, warnings)
    _set_bounds(body, request, settings, profile)
    if request.tools:
        body |= _tools(request, profile)
    body |= _thinking(request, profile, warnings)
    if request.response_format is not None:
        _set_format(body, request, profile, warnings)
    if request.extensions:
        body |= _own(request.extensions, profile, warnings)
    if request.stream or (profile.local and request.n == 1):
        body["stream"] = True  # which alone shows that a slow model is at work
        if profile.usage_option:
            body["stream_options"] = {"include_usage": True}
    if KIND in request.extensions:
        body = merged(body, request.extensions[KIND])
    words = tuple(dict.fromkeys(warnings)) if warnings else ()
    return NativeCall("POST", PATH, body, words, body.get("stream") is True)


def _set_bounds(
    body: Json, request: ChatRequest, settings: ProviderSettings, profile: Profile
) -> None:
    """How far and how wide the answer goes."""
    if settings.temperature is not None:
        body.setdefault("temperature", settings.temperature)
    if most := request.max_tokens or settings.max_tokens:
        body[profile.max_tokens] = most
    if request.stop:
        body["stop"] = list(request.stop)
    if request.n > 1 and profile.many:
        body["n"] = request.n


def _params(params: Mapping[str, Any], profile: Profile, taken: Taken, warnings: list[str]) -> Json:
    takes, spelled = profile.takes, profile.spelled
    body = {spelled.get(name, name): params[name] for name in params if name in takes}
    rest = {name: params[name] for name in params if name not in takes}
    if not rest:
        return body
    kinds = rest.pop("modalities", None) or ()
    if profile.images_out and "image" in kinds and {*kinds} <= {"text", "image"}:
        body["modalities"] = list(kinds)
        kinds = ()
    # An empty wish is none, but for the one that is always empty: for a search.
    wishes = {name: rest[name] for name in rest if rest[name] or name == "web_search_options"}
    if found := unmet({**wishes, "modalities": kinds}):
        raise unsupported(*found, taken)
    set_ = (name for name, value in rest.items() if value or name not in ("store", "logprobs"))
    warnings += [f"dropped={name}" for name in set_]
    return body


def _tools(request: ChatRequest, profile: Profile) -> Json:
    body = tools_of(request)
    if body.get("tool_choice") == "required":
        body["tool_choice"] = profile.required
    return body


def _thinking(request: ChatRequest, profile: Profile, warnings: list[str]) -> Json:
    effort = request.thinking.effort or effort_of(request.thinking.budget_tokens)
    if profile.effort == "reasoning":
        wanted: Json = {}
        if request.thinking.budget_tokens and request.thinking.budget_tokens > 0:
            wanted["max_tokens"] = request.thinking.budget_tokens
        elif effort:
            wanted["effort"] = effort
        if request.thinking.include is False:
            wanted["exclude"] = True
        return {"reasoning": wanted} if wanted else {}
    if not effort:
        return {}
    if effort == "none" and profile.thoughtless is not None:
        return {**profile.thoughtless}
    if effort != request.thinking.effort:
        warnings.append("changed=reasoning_effort")
    return {profile.effort: effort}


def _set_format(body: Json, request: ChatRequest, profile: Profile, warnings: list[str]) -> None:
    wanted = request.response_format
    if wanted is None:
        return
    if wanted.schema is not None and profile.schemas:
        body["response_format"] = {"type": "json_schema", "json_schema": json_schema(wanted)}
    else:
        set_json_mode(body, wanted, warnings)


def _own(extensions: Mapping[str, Any], profile: Profile, warnings: list[str]) -> Json:
    """What OpenAI does not define goes to those who are known to have more than that."""
    names = [name for name in extensions if "." not in name and name not in BLOCKS]
    taken = names if profile.open else []
    warnings += left_out(extensions, BLOCKS | {*taken})
    return {name: extensions[name] for name in taken if extensions[name] is not None}


def with_short_ids(messages: Sequence[Json], chars: int) -> list[Json]:
    """The messages with ids of calls as long as they must be: the same id for the same call."""

    def short(call_id: str) -> str:
        is_fit = len(call_id) == chars and call_id.isascii() and call_id.isalnum()
        return call_id if is_fit else hashlib.sha256(call_id.encode()).hexdigest()[:chars]

    found: list[Json] = []
    for message in messages:
        if calls := message.get("tool_calls"):
            message = {**message, "tool_calls": [{**c, "id": short(c["id"])} for c in calls]}
        elif message["role"] == "tool":
            message = {**message, "tool_call_id": short(message["tool_call_id"])}
        found.append(message)
    return found
