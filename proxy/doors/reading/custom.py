"""OpenAI's custom tools, whose input is a text, as functions with one argument. Pure."""

from __future__ import annotations

from typing import Any

import orjson

from adapters.base import Json
from adapters.wire.pieces import loads
from proxy.doors.reading.checks import json_object, member, string


def custom_function(path: str, tool: Json) -> Json:
    """Description and parameters; what the text must be like is said in words. Raises ApiError."""
    description = member(tool, path, "description", string)
    words = [description, "The argument 'input' is the tool's whole input."]
    form = member(tool, path, "format", json_object) or {}
    if form.get("type") == "grammar":
        form = member(form, f"{path}.format", "grammar", json_object) or form
        definition = string(f"{path}.format.definition", form.get("definition"))
        syntax = string(f"{path}.format.syntax", form.get("syntax", "lark"))
        words.append(f"It must match this {syntax} grammar:\n{definition}")
    return {
        "description": "\n\n".join(filter(None, words)),
        "parameters": {
            "type": "object",
            "properties": {"input": {"type": "string"}},
            "required": ["input"],
        },
    }


def input_of(arguments: str) -> str:
    """The text in a call's arguments; what is no JSON is taken as the text itself."""
    try:
        value: Any = loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
    text = value.get("input") if isinstance(value, dict) else None
    return text if isinstance(text, str) else arguments
