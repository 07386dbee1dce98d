"""What stands in a message beside plain text: parts, thoughts, pictures. Pure."""

from __future__ import annotations

from typing import Any

from adapters.base import Event, Json, Media, Reasoning, Text
from adapters.events import url_citation
from adapters.wire.bounds import items
from adapters.wire.writing import dumps_text


def objects(value: Any) -> list[Json]:
    """Those of a list, or the only one; what is no object has nothing to tell."""
    listed = [value] if type(value) is dict and value else value
    return [each for each in items(listed) if type(each) is dict] if type(listed) is list else []


def detailed(delta: Json) -> str:
    """Thoughts that stand where Copilot has them, or only in OpenRouter's list of them."""
    if "reasoning_details" not in delta:
        return text_in(delta.get("reasoning_text") or "")
    details = objects(delta["reasoning_details"])
    return "".join(text_in(each.get("text") or each.get("summary") or "") for each in details)


def take_parts(content: Any, index: int, events: list[Event]) -> None:
    """A content that is no text: a list of texts, and of thoughts as Mistral has them, or a value.

    JSON that was asked for may come as the object that it is.
    """
    parts = content if type(content) is list else [content]
    for part in items(parts):
        match part:
            case {"type": "thinking", "thinking": [*thoughts]}:
                texts = [text_in(each.get("text") or "") for each in thoughts]
                events.append(Reasoning("".join(texts), index))
            case {"type": "thinking", "thinking": str(said)} | {
                "type": "thinking" | "reasoning",
                "text": str(said),
            }:
                events += [Reasoning(said, index)] if said else []
            case str(said) | {"text": str(said)} | {"text": {"value": str(said)}}:
                events += [Text(said, index)] if said else []
            case _ if parts is not content:
                events.append(Text(dumps_text(part), index))


def media(image: Any, index: int) -> list[Event]:
    """An image in an answer, which comes as a data URL."""
    told = image.get("image_url") or ""
    head, _, data = text_in(told.get("url") if type(told) is dict else told).partition(",")
    kind, mark, _ = head.removeprefix("data:").partition(";base64")
    return [Media(kind, data, index)] if mark and head.startswith("data:") and data else []


def pages(answer: Json) -> list[Event]:
    """What the first choice rests on, as Perplexity and xAI tell it beside the choices."""
    found = objects(answer.get("search_results"))
    if not found and type(cited := answer.get("citations")) is list:
        found = [{"url": each} if type(each) is str else each for each in items(cited)]
    urls = [(each.get("url"), each.get("title")) for each in objects(found)]
    return [url_citation(url, title) for url, title in urls if url and type(url) is str]


def text_in(value: Any) -> str:
    """The value, if it is a text. Raises TypeError."""
    if type(value) is not str:
        raise TypeError
    return value
