"""A call that Gemini refused -> the same without what the refusal names, to be sent once more.

What a model does not take is told by the text of a 400 alone: there are no codes for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import orjson

from adapters.base import Json, NativeCall
from adapters.gemini_contents import sign

PENALTIES: Mapping[str, str] = {
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
}
SCHEMA = re.compile(r"schema|response.?mime", re.IGNORECASE)
TOOLS = re.compile(r"function.?(declaration|calling)|tools\[", re.IGNORECASE)
SIGNATURE = re.compile(r"thought.?signature", re.IGNORECASE)


def amended(call: NativeCall, message: str) -> NativeCall | None:
    """The call to send instead, its new warnings behind the old; None if nothing can be mended."""
    body, words = call.body, []
    config: Json = body.get("generationConfig") or {}
    if "penalt" in message.lower() and (dropped := config.keys() & PENALTIES):
        config = _without(config, dropped)
        words += [f"dropped={PENALTIES[key]}" for key in sorted(dropped)]
    if "thinking" in message.lower() and "thinkingConfig" in config:
        config = _without(config, {"thinkingConfig"})
        words.append("dropped=reasoning_effort")
    body = {**body, "generationConfig": config}
    if SCHEMA.search(message) and "responseMimeType" in config:
        mended = _in_words(body, message)
        words += ["emulated=response_format"] if mended else []
        body = mended or body
    if SIGNATURE.search(message) and (signed := sign(body["contents"])) != body["contents"]:
        body = {**body, "contents": signed}
        words.append("emulated=thought_signature")
    return replace(call, body=body, warnings=(*call.warnings, *words)) if words else None


def _in_words(body: Json, message: str) -> Json | None:
    """The body with its answer's schema said in the instruction; JSON alone stays a demand.

    Older models take no JSON mode beside functions: then that goes into the words as well.
    """
    config = body["generationConfig"]
    schema = config.get("responseJsonSchema")
    about_tools = TOOLS.search(message) is not None
    if about_tools and "mime" not in message.lower():
        return None
    if schema is None and not about_tools:
        return None
    words = "Answer with JSON only."
    if schema is not None:
        words = f"Answer with JSON only, as this JSON Schema says: {orjson.dumps(schema).decode()}"
    gone = {"responseJsonSchema", "responseMimeType"} if about_tools else {"responseJsonSchema"}
    system = body.get("systemInstruction") or {}
    parts = [*(system.get("parts") or ()), {"text": words}]
    return {
        **body,
        "systemInstruction": {**system, "parts": parts},
        "generationConfig": _without(config, gone),
    }


def _without(config: Mapping[str, object], gone: set[str]) -> Json:
    return {key: value for key, value in config.items() if key not in gone}
