"""Content and calls of messages that apps write in other forms -> OpenAI's form. Pure.

These are the words of MCP, Anthropic, LangChain, Ollama and the Responses API, which histories
carry from one provider's SDK into another's. What has no such word is left for the checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import is_
from typing import Any

from adapters.base import Json
from adapters.wire.writing import dumps_text

THOUGHTS = ("thinking", "reasoning", "redacted_thinking")
"""What the types of parts begin with that are no words of an answer."""


def content_of(role: str, content: Any) -> Any:
    """A message's content as OpenAI has it, where it means anything; the client's stays as is."""
    if isinstance(content, dict) and isinstance(content.get("type"), str):
        content = [content]
    if role == "tool" and not isinstance(content, str | list | None):
        return dumps_text(content)
    if not isinstance(content, list):
        return content
    parts = [_part(role, part) for part in content if not _is_thought(role, part)]
    return content if _are_same(parts, content) else parts


def thoughts_of(content: Any) -> str:
    if not isinstance(content, list):
        return ""
    found = [_thought(part) for part in content if _is_thought("assistant", part)]
    return "\n\n".join(filter(None, found))


def arguments_of(function: Json) -> Any:
    """The arguments of a call as a text: some send back the object that they have read."""
    arguments = function.get("arguments")
    if arguments is None:
        return "{}"
    return dumps_text(arguments) if isinstance(arguments, dict) else arguments


def parted(message: Json) -> tuple[Json, Sequence[Json]]:
    """A message, and apart from it what a tool's result cannot hold: all that is no text."""
    content = message.get("content")
    if message["role"] != "tool" or not isinstance(content, list):
        return message, ()
    shown = [part for part in content if part["type"] in _SHOWN]
    if not shown:
        return message, ()
    return {**message, "content": [one for one in content if one["type"] not in _SHOWN]}, shown


_SHOWN = frozenset({"image_url", "input_audio", "file"})
_TEXTS = ("input_text", "output_text", None)  # a type may be anything, so this is no set


def _are_same(parts: Sequence[Any], content: Sequence[Any]) -> bool:
    return len(parts) == len(content) and all(map(is_, parts, content))


def _is_thought(role: str, part: Any) -> bool:
    kind = part.get("type") if role == "assistant" and isinstance(part, dict) else None
    return isinstance(kind, str) and kind.startswith(THOUGHTS)


def _thought(part: Json) -> str:
    for name in ("thinking", "reasoning", "text"):
        if isinstance(text := part.get(name), str):
            return text
    return ""


def _part(role: str, part: Any) -> Any:
    match part:
        case str():
            return {"type": "text", "text": part}
        case {"text": str(text)} if part.get("type") in _TEXTS:
            return {"type": "text", "text": text}
        case {"type": "input_image", "image_url": str(url) | {"url": str(url)}}:
            return _image(url, part.get("detail"))
        case {"type": "image_url", "image_url": str(url)}:
            return {**part, "image_url": {"url": url}}
        case {"type": "image"}:
            return _other_image(part)
        case {"type": "input_file", "file_data": str(data)}:
            return {"type": "file", "file": {"file_data": data, "filename": part.get("filename")}}
        case {"type": "text" | "refusal" | "image_url" | "input_audio" | "file"}:
            return part
        case _ if role == "tool":
            return {"type": "text", "text": dumps_text(part)}
        case _:
            return part


def _image(url: str, detail: object = None) -> Json:
    held = {"url": url, "detail": detail} if isinstance(detail, str) else {"url": url}
    return {"type": "image_url", "image_url": held}


def _other_image(part: Json) -> Json:
    """An image as Anthropic, MCP, LangChain or the AI SDK has it."""
    match part:
        case {"source": {"type": "base64", "media_type": str(kind), "data": str(data)}}:
            return _image(f"data:{kind};base64,{data}")
        case {"source": {"type": "url", "url": str(url)}}:
            return _image(url)
        case (
            {"data": str(data), "mimeType": str(kind)}
            | {"data": str(data), "mime_type": str(kind)}
            | {"base64": str(data), "mime_type": str(kind)}
        ):
            return _image(f"data:{kind};base64,{data}")
        case {"image": str(url)} | {"url": str(url)}:
            return _image(url, part.get("detail"))
        case _:
            return part


def of_call(call: Any) -> Any:
    """A call in the history; Anthropic's and a custom tool's are functions' here."""
    match call:
        case {"type": "custom", "custom": {"name": str(name), "input": str(text)}}:
            function: Mapping[str, Any] = {"name": name, "arguments": dumps_text({"input": text})}
        case {"function": dict(function)}:
            arguments = arguments_of(function)
            if arguments is function.get("arguments"):
                return call
            function = {**function, "arguments": arguments}
        case _:
            return call
    return {**call, "type": "function", "function": function}
