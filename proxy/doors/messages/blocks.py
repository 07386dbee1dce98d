"""Anthropic's content blocks -> chat's parts. Pure. Every refusal is a 400 that names the place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.base import Json
from adapters.wire.writing import dumps_text
from proxy.doors.reading.checks import json_list, json_object, string
from proxy.errors import ApiError, bad_request


def blocks_of(path: str, content: Any) -> Sequence[Json]:
    """A `content` as a list of blocks: a string is one of text. Raises ApiError."""
    if isinstance(content, str):
        return ({"type": "text", "text": content},)
    for i, block in enumerate(found := json_list(path, content)):
        if type(block) is not dict or type(block.get("type")) is not str:
            string(f"{path}.{i}.type", json_object(f"{path}.{i}", block).get("type"))
    return found


def parts_of(path: str, content: Any) -> list[Json]:
    """The parts of a user's words, or of a result; of blocks that nobody knows, their JSON."""
    parts: list[Json] = []
    for i, block in enumerate(blocks_of(path, content)):
        parts += part_of(f"{path}.{i}", block)
    return parts


def part_of(path: str, block: Json) -> list[Json]:
    """The parts that one block becomes, none for an empty text."""
    match block["type"]:
        case "text":
            text = string(f"{path}.text", block.get("text"))
            return [_text(text)] if text else []
        case "image":
            return [_image(path, _source(path, block))]
        case "document":
            return _document(path, block)
        case "search_result":
            return [_text(_search_result(path, block))]
        case "tool_reference":
            return [_text(f"The tool {block.get('tool_name')} can be used.")]
        case "container_upload" | "thinking" | "redacted_thinking" | "mid_conv_system":
            return []
        case "tool_addition" | "tool_removal":
            return []  # said by the list of tools
        case _:
            return [_text(as_note(block))]


def asks_citations(messages: Sequence[Json]) -> bool:
    """Whether places in a document are to be cited, which only Claude can."""
    for message in messages:
        content = message.get("content")
        for block in content if isinstance(content, list) else ():
            inner = block.get("content") if block["type"] == "tool_result" else None
            for one in (block, *(inner if isinstance(inner, list) else ())):
                if "citations" in one and _is_enabled(one["citations"]):
                    return True
    return False


def _is_enabled(citations: Any) -> bool:
    return isinstance(citations, dict) and citations.get("enabled") is True


def as_note(block: Json) -> str:
    """A block for which there are no words elsewhere, as it is."""
    kept = {name: value for name, value in block.items() if name != "cache_control"}
    return dumps_text(kept)


def text_of(parts: Sequence[Json]) -> str:
    return "\n".join(part["text"] for part in parts if part["type"] == "text")


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _source(path: str, block: Json) -> Json:
    return json_object(f"{path}.source", block.get("source"))


def _image(path: str, source: Json) -> Json:
    match source:
        case {"type": "base64", "media_type": str(kind), "data": str(data)}:
            return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}
        case {"type": "url", "url": str(url)}:
            return {"type": "image_url", "image_url": {"url": url}}
        case _:
            raise _no_source(path, source, "'base64' with media_type and data, or 'url'")


def _no_source(path: str, source: Json, expected: str) -> ApiError:
    if source.get("type") == "file":
        return bad_request(
            f"'{path}.source.file_id': files are not kept here; send what is in it.",
            param=f"{path}.source.file_id",
            code="unsupported_parameter",
        )
    return bad_request(f"'{path}.source' must be of type {expected}.", param=f"{path}.source")


def _document(path: str, block: Json) -> list[Json]:
    """A file, or the text of it under its title."""
    source = _source(path, block)
    title = block.get("title")
    title = title if isinstance(title, str) and title else None
    about = [text for text in (title, block.get("context")) if isinstance(text, str) and text]
    match source:
        case {"type": "base64", "media_type": str(kind), "data": str(data)}:
            return [_file(f"data:{kind};base64,{data}", title or "document.pdf")]
        case {"type": "url", "url": str(url)}:
            return [{"type": "file", "file": {"file_url": url, "filename": title}}]
        case {"type": "text", "data": str(data)}:
            return [_text("\n".join([*about, data]))]
        case {"type": "content", "content": str() | list() as content}:
            head = [_text("\n".join(about))] if about else []
            return [*head, *parts_of(f"{path}.source.content", content)]
        case _:
            raise _no_source(path, source, "'base64', 'url', 'text' or 'content'")


def _file(data: str, name: str) -> Json:
    return {"type": "file", "file": {"file_data": data, "filename": name}}


def _search_result(path: str, block: Json) -> str:
    texts = text_of(parts_of(f"{path}.content", block.get("content", [])))
    heads = (block.get("title"), block.get("source"))
    return "\n".join([*(head for head in heads if isinstance(head, str) and head), texts])
