"""The items of a response, and what a stream says of each. No I/O."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping

from adapters.base import Json, Logprobs, Media, Reasoning, Refusal, Text, ToolCall
from proxy.doors.responses.items import Thought, sealed
from proxy.doors.responses.objects import new_id
from proxy.doors.responses.tools import FINDER, Tool, call_fields

Said = tuple[str, Json]
"""A type of event, and its members except `type` and `sequence_number`."""

COMPLETED, INCOMPLETE, IN_PROGRESS = "completed", "incomplete", "in_progress"


class Message:
    """Text and refusals, a part each; a change between them begins another part.

    `pieces` are those of the last part.
    """

    kind = "message"
    status = COMPLETED

    def __init__(self, index: int) -> None:
        self.id = new_id("msg")
        self.index = index
        self.parts: list[Json] = []
        self.pieces: list[str] = []

    @property
    def place(self) -> Json:
        return {
            "item_id": self.id,
            "output_index": self.index,
            "content_index": len(self.parts) - 1,
        }

    @property
    def is_text(self) -> bool:
        """Whether a text is what would go on."""
        return bool(self.parts) and self.parts[-1]["type"] == "output_text"

    def begin(self) -> Iterator[Said]:
        yield _added(self.index, self._object(IN_PROGRESS, []))

    def say(self, event: Text | Refusal) -> Iterator[Said]:
        kind, name = ("output_text", "text") if type(event) is Text else ("refusal", "refusal")
        if not self.parts or self.parts[-1]["type"] != kind:
            yield from self._end_part()
            part: Json = {"type": kind, name: ""}
            if kind == "output_text":
                part |= {"annotations": [], "logprobs": []}
            self.parts.append(part)
            # A copy, as the part itself is filled when it ends.
            yield "response.content_part.added", {**self.place, "part": dict(part)}
        self.pieces.append(event.text)
        delta: Json = {**self.place, "delta": event.text}
        if kind == "output_text":
            delta["logprobs"] = []
        yield f"response.{kind}.delta", delta

    def annotate(self, annotation: Json) -> Iterator[Said]:
        if not self.parts or self.parts[-1]["type"] != "output_text":
            yield from self.say(Text(""))
        found = self.parts[-1]["annotations"]
        found.append(annotation)
        yield (
            "response.output_text.annotation.added",
            {**self.place, "annotation_index": len(found) - 1, "annotation": annotation},
        )

    def weigh(self, event: Logprobs) -> None:
        if self.parts and self.parts[-1]["type"] == "output_text":
            self.parts[-1]["logprobs"].extend(event.content)

    def end(self) -> Generator[Said, None, Json]:
        yield from self._end_part()
        return (yield from _done(self.index, self._object(self.status, self.parts)))

    def _end_part(self) -> Iterator[Said]:
        if not self.parts:
            return
        part, text = self.parts[-1], "".join(self.pieces)
        self.pieces = []
        if part["type"] == "output_text":
            part["text"] = text
            said = {**self.place, "text": text, "logprobs": part["logprobs"]}
            yield "response.output_text.done", said
        else:
            part["refusal"] = text
            yield "response.refusal.done", {**self.place, "refusal": text}
        yield "response.content_part.done", {**self.place, "part": part}

    def _object(self, status: str, parts: list[Json]) -> Json:
        return {
            "id": self.id,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": parts,
        }


class Thinking:
    """What was thought, as one part of a summary: the form that all clients show."""

    kind = "reasoning"
    status = COMPLETED

    def __init__(self, index: int, *, seals: bool) -> None:
        self.id = new_id("rs")
        self.index = index
        self.extra: Json | None = None
        self._seals = seals
        self.pieces: list[str] = []

    def begin(self) -> Iterator[Said]:
        yield _added(self.index, {"id": self.id, "type": "reasoning", "summary": []})

    def say(self, event: Reasoning) -> Iterator[Said]:
        if not self.pieces:
            part = {"type": "summary_text", "text": ""}
            yield "response.reasoning_summary_part.added", {**self._place, "part": part}
        self.pieces.append(event.text)
        yield "response.reasoning_summary_text.delta", {**self._place, "delta": event.text}

    def end(self) -> Generator[Said, None, Json]:
        text = "".join(self.pieces)
        part = {"type": "summary_text", "text": text}
        if self.pieces:
            yield "response.reasoning_summary_text.done", {**self._place, "text": text}
            yield "response.reasoning_summary_part.done", {**self._place, "part": part}
        item: Json = {
            "id": self.id,
            "type": "reasoning",
            "summary": [part] if self.pieces else [],
            "status": self.status,
        }
        if self._seals:
            item["encrypted_content"] = sealed(Thought(text, self.extra))
        return (yield from _done(self.index, item))

    @property
    def _place(self) -> Json:
        return {"item_id": self.id, "output_index": self.index, "summary_index": 0}


class Called:
    """A call of a tool, in the form of the tool that its function stands for."""

    kind = "call"
    status = COMPLETED

    def __init__(self, index: int, tool: Tool, call: ToolCall) -> None:
        self.id = new_id(_PREFIXES[tool.kind])
        self.index = index
        self.call_id = call.id or new_id("call")
        self._tool = tool
        self.pieces: list[str] = []

    def begin(self) -> Iterator[Said]:
        yield _added(self.index, self._object(IN_PROGRESS, self._empty()))

    def say(self, arguments: str) -> Iterator[Said]:
        """A piece of its arguments; those of other tools than functions come as a whole."""
        if arguments:
            self.pieces.append(arguments)
            if self._tool.kind == "function":
                yield _ARGUMENTS + ".delta", {**self._place, "delta": arguments}

    def end(self) -> Generator[Said, None, Json]:
        fields = call_fields(self._tool, "".join(self.pieces))
        if self._tool.kind == "function":
            if not self.pieces:
                yield _ARGUMENTS + ".delta", {**self._place, "delta": fields["arguments"]}
            yield _ARGUMENTS + ".done", {**self._place, **fields}
        elif self._tool.kind == "custom":
            text = fields["input"]
            yield "response.custom_tool_call_input.delta", {**self._place, "delta": text}
            yield "response.custom_tool_call_input.done", {**self._place, "input": text}
        return (yield from _done(self.index, self._object(self.status, fields)))

    @property
    def _place(self) -> Json:
        return {"item_id": self.id, "output_index": self.index}

    def _empty(self) -> Json:
        match self._tool.kind:
            case "function":
                return {"name": self._tool.name, "arguments": ""}
            case "custom":
                return {"name": self._tool.name, "input": ""}
            case _:
                return call_fields(self._tool, "")

    def _object(self, status: str, fields: Json) -> Json:
        kind = "function_call" if self._tool.kind == "function" else f"{self._tool.kind}_call"
        if self._tool.kind == "custom":
            kind = "custom_tool_call"
        item = {"id": self.id, "type": kind, "status": status, "call_id": self.call_id, **fields}
        if self._tool.namespace:
            item["namespace"] = self._tool.namespace
        return item


_ARGUMENTS = "response.function_call_arguments"
_PREFIXES: Mapping[str, str] = {
    "function": "fc",
    "custom": "ctc",
    "local_shell": "lsh",
    "shell": "sh",
    "apply_patch": "apc",
    FINDER: "tsc",
}


def picture(media: Media) -> Json:
    form = media.mime_type.partition("/")[2]
    item = {"id": new_id("ig"), "type": "image_generation_call", "result": media.data}
    return {**item, "output_format": form}


def search(urls: Iterable[str]) -> Json:
    """That the web was searched, and what was found; only the citations show it."""
    sources = [{"type": "url", "url": url} for url in urls]
    action = {"type": "search", "query": "", "queries": [], "sources": sources}
    return {"id": new_id("ws"), "type": "web_search_call", "action": action}


def at_once(index: int, item: Json) -> Generator[Said, None, Json]:
    """An item that is there as a whole: a picture, a search."""
    yield _added(index, {**item, "status": IN_PROGRESS})
    return (yield from _done(index, {**item, "status": COMPLETED}))


def _added(index: int, item: Json) -> Said:
    return "response.output_item.added", {"output_index": index, "item": item}


def _done(index: int, item: Json) -> Generator[Said, None, Json]:
    yield "response.output_item.done", {"output_index": index, "item": item}
    return item
