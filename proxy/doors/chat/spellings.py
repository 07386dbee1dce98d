"""Content and calls of messages, in whatever form apps write them -> OpenAI's form, checked. Pure.

These are the words of MCP, Anthropic, LangChain, Ollama and the Responses API, which histories
carry from one provider's SDK into another's. What has no such word is left for the checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.base import Json
from adapters.wire.writing import dumps_text
from proxy.doors.reading.checks import out_of_range, string, wrong_type

THOUGHTS = ("thinking", "reasoning", "redacted_thinking")
"""What the types of parts begin with that are no words of an answer."""


def content_of(param: str, role: str, content: Any) -> Any:
    """What a message of this role holds, if it is no text yet. Raises ApiError."""
    if isinstance(content, dict) and isinstance(content.get("type"), str):
        content = [content]
    if role == "tool" and not isinstance(content, list):
        return dumps_text(content)
    if not isinstance(content, list):
        raise wrong_type(param, "a string or a list of parts")
    found = []
    for j, part in enumerate(content):
        if not _is_thought(role, part):
            found.append(one := _part(role, part))
            _check_part(f"{param}[{j}]", role, one)
    return found


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


_PARTS = ("text", "refusal", "image_url", "input_audio", "file")
"""Types of parts; each holds a field of that name."""


def _check_part(param: str, role: str, part: Any) -> None:
    may_show = role in ("user", "tool")  # what a tool has shown will be seen in a user's message
    match part:
        case {"type": "text", "text": str()} | {"type": "refusal", "refusal": str()}:
            return
        case {"type": "image_url", "image_url": {"url": str()} as image} if may_show:
            _optional_strings(f"{param}.image_url", image, "detail")
        case {"type": "input_audio", "input_audio": {"data": str(), "format": str()}} if may_show:
            return
        case {"type": "file", "file": dict(file)} if may_show:
            _optional_strings(f"{param}.file", file, "file_data", "file_id", "filename")
            if not file.get("file_data") and not file.get("file_id"):
                raise out_of_range(f"{param}.file", "an object with 'file_data' or 'file_id'")
        case {"type": str(kind)} if kind in _PARTS:
            is_allowed = may_show or kind in ("text", "refusal")
            allowed = f"an object with a valid '{kind}'" if is_allowed else "text"
            raise out_of_range(f"{param}.{kind}", allowed)
        case {"type": str()}:
            raise out_of_range(f"{param}.type", "one of " + ", ".join(_PARTS))
        case _:
            raise wrong_type(param, "an object with a 'type'")


def _optional_strings(param: str, value: Json, *names: str) -> None:
    for name in names:
        if value.get(name) is not None:
            string(f"{param}.{name}", value[name])


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
