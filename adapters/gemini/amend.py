"""A call that Gemini refused -> the same without what the refusal names, to be sent once more.

What a model does not take is told by the text of a 400 alone: there are no codes for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from adapters.base import NativeCall, ResponseFormat
from adapters.events import Json
from adapters.gemini.messages import closed, sign
from adapters.translation.instructions import instruction

PENALTIES: Mapping[str, str] = {
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
}
SAMPLING: Mapping[str, str] = {"temperature": "temperature", "topP": "top_p", "topK": "top_k"}
SAMPLING_WORDS = re.compile(r"temperature|top.?[pk]\b|sampling", re.IGNORECASE)
RANGE = re.compile(r"\brange\b|\bbetween\b|\bin \[|(less|greater) than", re.IGNORECASE)
ITEMS = re.compile(r"\bitems\b")
OWN_TOOLS = re.compile(r"server.?side.?tool|built.?in.?tool", re.IGNORECASE)
JSON_MODE = re.compile(r"\bjson mode\b", re.IGNORECASE)
SCHEMA = re.compile(r"schema|response.?mime", re.IGNORECASE)
TOOLS = re.compile(r"function.?(declaration|calling)|tools\[", re.IGNORECASE)
SIGNATURE = re.compile(r"thought.?signature", re.IGNORECASE)
RESOLUTION = re.compile(r"media.?resolution", re.IGNORECASE)
SYSTEM = re.compile(r"(developer|system).?instruction", re.IGNORECASE)

Mended = tuple[Json, list[str]]
"""A body, and the words for what it has lost."""


def amended(call: NativeCall, message: str) -> NativeCall | None:
    """The call to send instead, its new warnings behind the old; None if nothing can be mended."""
    body = {**call.body, "generationConfig": call.body.get("generationConfig") or {}}
    words: list[str] = []
    for mend in _MENDERS:
        if mended := mend(body, message):
            body, new = mended
            words += new
    if not words and body["contents"][-1]["role"] == "model":
        body, words = {**body, "contents": closed(body["contents"])}, ["emulated=prefill"]
    return call.but(body, *words) if words else None


def _penalties(body: Json, message: str) -> Mended | None:
    return _dropped(body, PENALTIES) if "penalt" in message.lower() else None


def _sampling(body: Json, message: str) -> Mended | None:
    """All of them at once: a model that has no use for one has none for the others."""
    is_refused = SAMPLING_WORDS.search(message) and not RANGE.search(message)
    return _dropped(body, SAMPLING) if is_refused else None


def _dropped(body: Json, names: Mapping[str, str]) -> Mended | None:
    gone = body["generationConfig"].keys() & names
    return (
        (_without(body, gone), [f"dropped={names[key]}" for key in sorted(gone)]) if gone else None
    )


def _items(body: Json, message: str) -> Mended | None:
    """Some servers want to be told what is in an array, where it may be anything."""
    if not ITEMS.search(message):
        return None
    told = _with_items(body)
    return None if told == body else (told, ["changed=schema.items"])


def _with_items(value: Any) -> Any:
    """The same, each array whose items may be anything an array of texts."""
    if isinstance(value, list):
        return [_with_items(one) for one in value]
    if not isinstance(value, dict):
        return value
    told = {key: _with_items(one) for key, one in value.items()}
    is_open = told.get("type") == "array" and not told.get("items")
    return {**told, "items": {"type": "string"}} if is_open else told


def _own_tools(body: Json, message: str) -> Mended | None:
    config = body.get("toolConfig") or {}
    told = beside_own_tools(config)
    if not OWN_TOOLS.search(message) or told == config:
        return None
    return {**body, "toolConfig": told}, ["changed=web_search_options"]


def beside_own_tools(config: Json) -> Json:
    """The `toolConfig` of functions beside Google's own tools, which must be said, and goes without
    the mode AUTO."""
    calling = config.get("functionCallingConfig") or {}
    kept = {} if calling.get("mode") in (None, "AUTO") else {"functionCallingConfig": calling}
    return {**kept, "includeServerSideToolInvocations": True}


def _thinking(body: Json, message: str) -> Mended | None:
    config = body["generationConfig"]
    if "thinking" not in message.lower() or "thinkingConfig" not in config:
        return None
    if config["thinkingConfig"].get("thinkingLevel") == "MINIMAL":
        thinking = {**config["thinkingConfig"], "thinkingLevel": "LOW"}
        config = {**config, "thinkingConfig": thinking}
        return {**body, "generationConfig": config}, ["changed=reasoning_effort"]
    return _without(body, {"thinkingConfig"}), ["dropped=reasoning_effort"]


def _schema(body: Json, message: str) -> Mended | None:
    config = body["generationConfig"]
    if "responseMimeType" not in config:
        return None
    if JSON_MODE.search(message):  # Gemma has none
        return in_words(body, keep_json_mode=False), ["emulated=response_format"]
    if not SCHEMA.search(message):
        return None
    about_tools = TOOLS.search(message) is not None
    if about_tools and "mime" not in message.lower():
        return None
    if "responseJsonSchema" not in config and not about_tools:
        return None
    return in_words(body, keep_json_mode=not about_tools), ["emulated=response_format"]


def _signatures(body: Json, message: str) -> Mended | None:
    """First what is missing is made up for; what is there already may be another's, or broken."""
    if not SIGNATURE.search(message):
        return None
    for contents in (sign(body["contents"]), sign(body["contents"], anew=True)):
        if contents != body["contents"]:
            return {**body, "contents": contents}, ["emulated=thought_signature"]
    return None


def _resolution(body: Json, message: str) -> Mended | None:
    """Only some versions of the API know of a resolution for a single part."""
    contents = [
        {**turn, "parts": [_less(part, {"mediaResolution"}) for part in turn["parts"]]}
        for turn in body["contents"]
    ]
    if not RESOLUTION.search(message) or contents == body["contents"]:
        return None
    return {**body, "contents": contents}, ["dropped=image_url.detail"]


def _system(body: Json, message: str) -> Mended | None:
    """Gemma has no place for instructions: they go before what the user says first."""
    system = body.get("systemInstruction")
    if not system or not SYSTEM.search(message):
        return None
    first, *others = body["contents"]
    first = {**first, "parts": [*system["parts"], *first["parts"]]}
    body = _less(body, {"systemInstruction"})
    return {**body, "contents": [first, *others]}, ["emulated=system"]


_MENDERS: tuple[Callable[[Json, str], Mended | None], ...] = (
    _penalties,
    _sampling,
    _items,
    _own_tools,
    _thinking,
    _schema,
    _signatures,
    _resolution,
    _system,
)


def in_words(body: Json, *, keep_json_mode: bool) -> Json:
    """The body with its answer's schema said in the instruction."""
    words = instruction(ResponseFormat(body["generationConfig"].get("responseJsonSchema")))
    gone = {"responseJsonSchema"} if keep_json_mode else {"responseJsonSchema", "responseMimeType"}
    system = body.get("systemInstruction") or {}
    parts = [*(system.get("parts") or ()), {"text": words}]
    return {**_without(body, gone), "systemInstruction": {**system, "parts": parts}}


def _without(body: Json, gone: set[str]) -> Json:
    return {**body, "generationConfig": _less(body["generationConfig"], gone)}


def _less(values: Json, gone: set[str]) -> Json:
    return {key: value for key, value in values.items() if key not in gone}
