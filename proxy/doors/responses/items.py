"""The `input` of a Responses request -> chat messages: every type of item. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import orjson
from msgspec import Struct

from adapters.base import Json
from adapters.wire.writing import dumps_text
from proxy.doors.reading.checks import (
    json_list,
    json_object,
    member,
    out_of_range,
    string,
    wrong_type,
)
from proxy.doors.responses.objects import new_id
from proxy.doors.responses.tools import FINDER, Toolbox, arguments_of, by_client
from proxy.errors import ApiError, bad_request

MAX_ITEMS = 4000
ROLES: Mapping[str, str] = {
    "user": "user",
    "system": "system",
    "developer": "system",
    "assistant": "assistant",
}
CALLS: Mapping[str, str] = {
    "function_call": "function",
    "custom_tool_call": "custom",
    "local_shell_call": "local_shell",
    "shell_call": "shell",
    "apply_patch_call": "apply_patch",
    "tool_search_call": FINDER,
}
SILENT = frozenset(
    {
        *("web_search_call", "file_search_call", "computer_call", "computer_call_output"),
        *("code_interpreter_call", "image_generation_call", "mcp_call", "mcp_list_tools"),
        *("mcp_approval_request", "mcp_approval_response", "program", "program_output"),
    }
)
"""What hosted tools left in a history: what came of them is in the message that follows."""


REFERENCE = "item_reference"
TRIGGER = "compaction_trigger"
"""Asks, as the last item, for a summary in place of an answer; further up it has had its one."""
ASKED = (
    "Summarize this conversation for yourself, so that it can go on from your summary alone. Keep"
    " what was asked and decided, facts, names, numbers, what tools have told, and what is still"
    " to be done. Answer with the summary and nothing else."
)
BEFORE = "What was said before, in short:\n\n"


def kind_of(item: Json) -> Any:
    """The type of an item, which some leave out."""
    return item.get("type") or ("message" if "role" in item else REFERENCE)


class Thought(Struct):
    """What a reasoning item keeps for the provider that goes on: its text, and its signature."""

    text: str = ""
    extra: Json | None = None


def sealed(thought: Thought) -> str:
    """The `encrypted_content` that brings a thought back. It is not secret, only opaque."""
    kept = {"v": 1, "text": thought.text, "extra": thought.extra}
    return base64.b64encode(orjson.dumps(kept)).decode("ascii")


def unsealed(content: object) -> Thought:
    """The thought in an `encrypted_content`; an empty one where another server has made it."""
    try:
        kept = orjson.loads(base64.b64decode(str(content), validate=True))
    except (ValueError, binascii.Error):
        return Thought()
    match kept:
        case {"v": 1, "text": str(text), "extra": dict() | None as extra}:
            return Thought(text, extra)
        case _:
            return Thought()


def compaction(summary: str) -> Json:
    """The item that stands for all that a summary tells."""
    content = sealed(Thought(BEFORE + summary))
    return {"id": new_id("cmp"), "type": "compaction", "encrypted_content": content}


class Conversation:
    """Items in, messages out. `resolve` gives the item that an `item_reference` names.

    `calls` are the ids of those that are known from elsewhere. `places` tells where messages stood
    that have parts, by their number: the path of the item, or that of each part.
    """

    def __init__(
        self,
        box: Toolbox,
        resolve: Callable[[str, str], Json] | None = None,
        calls: Iterable[str] = (),
    ) -> None:
        self.messages: list[Json] = []
        self.places: dict[int, str | Sequence[str]] = {}
        self._box = box
        self._resolve = resolve
        self._calls = set(calls)
        self._thought = Thought()
        self._shown: list[tuple[str, Json]] = []

    def add(self, path: str, items: Sequence[Any], but: Collection[str] = ()) -> None:
        """Take in the items that stand at `path`, `but` those of some ids. Raises ApiError."""
        if len(items) > MAX_ITEMS:
            raise wrong_type(path, f"a list of at most {MAX_ITEMS} items")
        for i, item in enumerate(items):
            if not but or item["id"] not in but:
                self._take(f"{path}[{i}]", json_object(f"{path}[{i}]", item))
        self._show()

    def say(self, role: str, content: str | list[Json]) -> None:
        self.messages.append({"role": role, "content": content})

    def _take(self, path: str, item: Json) -> None:
        kind = kind_of(item)
        if not str(kind).endswith("_output"):
            self._show()
        match kind:
            case "message":
                self._message(path, item)
            case "reasoning":
                self._reasoning(path, item)
            case "tool_search_call" | "tool_search_output" if not by_client(item):
                return
            case "tool_search_output":
                self._found(path, item)
            case str() if kind in CALLS:
                self._call(path, kind, item)
            case str() if kind.removesuffix("_output") in CALLS:
                self._output(path, item)
            case _:
                self._rarer(path, kind, item)

    def _rarer(self, path: str, kind: Any, item: Json) -> None:
        match kind:
            case "item_reference":  # REFERENCE; what it names is none
                self._take(path, self._referred(path, string(f"{path}.id", item.get("id"))))
            case "additional_tools":
                self._box.add(f"{path}.tools", json_list(f"{path}.tools", item.get("tools", [])))
            case "compaction" | "context_compaction":
                if text := unsealed(item.get("encrypted_content")).text:
                    self.say("system", text)
            case str() if kind in SILENT or kind == TRIGGER:
                return
            case _:
                raise bad_request(
                    f"'{path}.type' is not a type of item that is known.",
                    param=f"{path}.type",
                    code="invalid_value",
                )

    def _referred(self, path: str, name: str) -> Json:
        if self._resolve is None:
            raise not_found(name)
        return self._resolve(path, name)

    def _message(self, path: str, item: Json) -> None:
        role = ROLES.get(string(f"{path}.role", item.get("role")))
        if role is None:
            raise out_of_range(f"{path}.role", f"one of {', '.join(ROLES)}")
        content = item.get("content")
        if not isinstance(content, str):
            if not isinstance(content, list):
                raise wrong_type(f"{path}.content", "a string or a list of parts")
            content = [part_of(f"{path}.content[{j}]", part) for j, part in enumerate(content)]
            self.places[len(self.messages)] = path
        if role == "assistant":
            self._assistant(content)
            return
        self._thought = Thought()
        if role == "system" and not isinstance(content, str):
            content = text_of(content)
        self.say(role, content)

    def _assistant(self, content: str | list[Json]) -> None:
        text = content if isinstance(content, str) else text_of(content)
        message: Json = {"role": "assistant", "content": text}
        self._think(message)
        self.messages.append(message)

    def _reasoning(self, path: str, item: Json) -> None:
        thought = unsealed(item.get("encrypted_content"))
        told = [member(item, path, name, json_list) or [] for name in ("summary", "content")]
        if not thought.text:
            parts = [part for parts in told for part in parts]
            texts = [part.get("text") for part in parts if isinstance(part, dict)]
            thought.text = "\n\n".join(text for text in texts if isinstance(text, str))
        if self._thought.text:
            thought.text = "\n\n".join(filter(None, (self._thought.text, thought.text)))
        self._thought = thought

    def _think(self, message: Json) -> None:
        """Give what was thought before to the message that came of it."""
        if self._thought.text:
            message["reasoning"] = self._thought.text
        self._thought.text = ""

    def _call(self, path: str, kind: str, item: Json) -> None:
        call_id = string(f"{path}.call_id", item.get("call_id") or item.get("id"))
        name = item.get("name") if kind in ("function_call", "custom_tool_call") else CALLS[kind]
        namespace = item.get("namespace")
        if not isinstance(namespace, str | None):
            raise wrong_type(f"{path}.namespace", "a string")
        function = self._box.function_of(CALLS[kind], string(f"{path}.name", name), namespace)
        try:
            arguments = arguments_of(item)
        except ValueError:
            raise wrong_type(f"{path}.arguments", "what a call of this type has") from None
        if not self.messages or self.messages[-1]["role"] != "assistant":
            message: Json = {"role": "assistant", "content": None}
            self._think(message)
            self.messages.append(message)
        call: Json = {
            "id": call_id,
            "type": "function",
            "function": {"name": function, "arguments": arguments},
            **(self._thought.extra or {}),
        }
        self._thought = Thought()
        self.messages[-1].setdefault("tool_calls", []).append(call)
        self._calls.add(call_id)

    def _found(self, path: str, item: Json) -> None:
        """Show the tools that the client has found, and tell the model which they are."""
        found = Toolbox()
        for box in (found, self._box):
            box.add(f"{path}.tools", json_list(f"{path}.tools", item.get("tools", [])))
        names = [one["function"]["name"] for one in found.functions]
        text = f"There are now: {', '.join(names)}" if names else "Nothing was found."
        self._output(path, {**item, "output": text})

    def _output(self, path: str, item: Json) -> None:
        call_id = string(f"{path}.call_id", item.get("call_id") or item.get("id"))
        if call_id not in self._calls:
            raise bad_request(
                f"No tool call found for function call output with call_id {call_id[:80]}.",
                param="input",
            )
        self._thought = Thought()
        output = item.get("output")
        parts: list[Json] = []
        if isinstance(output, list) and item["type"] != "shell_call_output":
            parts = [part_of(f"{path}.output[{j}]", part) for j, part in enumerate(output)]
            text = text_of(parts)
        elif isinstance(output, str):
            text = output
        else:
            text = dumps_text(output if output is not None else item.get("status"))
        self.messages.append({"role": "tool", "tool_call_id": call_id, "content": text})
        seen = [
            (f"{path}.output[{j}]", part) for j, part in enumerate(parts) if part["type"] != "text"
        ]
        if seen:
            words = {"type": "text", "text": f"What the call {call_id} has shown:"}
            self._shown += [(f"{path}.output", words), *seen]

    def _show(self) -> None:
        """A user's turn with what results of tools cannot hold, behind all of them."""
        if self._shown:
            self.places[len(self.messages)] = [path for path, _ in self._shown]
            self.say("user", [part for _, part in self._shown])
            self._shown = []


def text_of(parts: Sequence[Json]) -> str:
    found = (part.get("text") or part.get("refusal") for part in parts)
    return "\n".join(text for text in found if text)


def part_of(path: str, part: Any) -> Json:
    """One part of a message in chat's words. Raises ApiError."""
    match json_object(path, part):
        case {"type": "input_text" | "text" | "output_text", "text": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "refusal", "refusal": str(text)}:
            return {"type": "refusal", "refusal": text}
        case {"type": "input_image", "image_url": str(url)}:
            detail = part.get("detail")
            image = {"url": url, "detail": detail} if isinstance(detail, str) else {"url": url}
            return {"type": "image_url", "image_url": image}
        case {"type": "input_image" | "image_url", "image_url": {"url": str(url)}}:
            return {"type": "image_url", "image_url": {"url": url}}
        case {"type": "input_file", "file_data": str(data)}:
            name = part.get("filename")
            named = {"filename": name} if isinstance(name, str) else {}
            return {"type": "file", "file": {"file_data": data, **named}}
        case {"type": "input_file", "file_url": str(url)}:
            return {"type": "file", "file": {"file_url": url, "filename": part.get("filename")}}
        case {"type": "input_audio", "input_audio": {"data": str(), "format": str()} as audio}:
            return {"type": "input_audio", "input_audio": audio}
        case {"type": "input_image" | "input_file" as kind}:
            raise _without_content(path, kind, part)
        case _:
            raise bad_request(
                f"'{path}' is not a part of a message that is known.",
                param=f"{path}.type",
                code="invalid_value",
            )


def _without_content(path: str, kind: str, part: Json) -> ApiError:
    """400 for a part that names nothing, or a file that would have to be kept here."""
    names = ("image_url",) if kind == "input_image" else ("file_data", "file_url")
    name = "file_id" if "file_id" in part else names[0]
    wanted = " or ".join(f"'{one}'" for one in names)
    return bad_request(
        f"'{path}' must hold {wanted}, a text: files are not kept here.",
        param=f"{path}.{name}",
        code="unsupported_parameter",
    )


def not_found(name: str) -> ApiError:
    return ApiError(
        404,
        f"Item with id '{name[:80]}' not found. Items are not persisted when `store` is set to"
        " false.",
        param="input",
    )
