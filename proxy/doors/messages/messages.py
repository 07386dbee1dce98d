"""Anthropic's `system` and `messages` -> chat's messages. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.base import Json
from adapters.wire.writing import dumps_text
from proxy.doors.messages.blocks import as_note, blocks_of, part_of, parts_of, text_of
from proxy.doors.messages.objects import own_id
from proxy.doors.reading.checks import json_list, json_object, string
from proxy.errors import ApiError, bad_request

MAX_MESSAGES = 100_000
ROLES = ("user", "assistant", "system")
BILLING = "x-anthropic-billing-header:"
"""So a block of `system` begins that speaks to the vendor alone, and differs each time."""
DROPPED = ("thinking", "redacted_thinking", "compaction", "fallback")


def system_of(value: Any) -> list[Json]:
    """The message that `system` is; none where it says nothing. Raises ApiError."""
    if value is None:
        return []
    for i, block in enumerate(blocks_of("system", value)):
        if block["type"] != "text":
            raise bad_request(f"'system.{i}.type' must be 'text'.", param=f"system.{i}.type")
    texts = [
        text for part in parts_of("system", value) if not (text := part["text"]).startswith(BILLING)
    ]
    return [{"role": "system", "content": "\n\n".join(texts)}] if texts else []


def messages_of(value: Any) -> list[Json]:
    """The messages as chat has them: results are messages of their own, before what follows them.

    Raises ApiError.
    """
    if value is None:
        raise bad_request("'messages' is required.", param="messages")
    given = json_list("messages", value, MAX_MESSAGES)
    if not given:
        raise bad_request("'messages' must hold at least one message.", param="messages")
    talk = _Talk()
    for i, message in enumerate(given):
        talk.take(f"messages.{i}", json_object(f"messages.{i}", message))
    if not talk.messages:
        raise bad_request("'messages' must hold something to answer.", param="messages")
    return talk.messages


class _Talk:
    """One conversation on its way; the calls so far are known by the ids that were shown."""

    def __init__(self) -> None:
        self.messages: list[Json] = []
        self._called: set[str] = set()

    def take(self, path: str, message: Json) -> None:
        role, content = message.get("role"), message.get("content")
        if role not in ROLES:
            raise bad_request(f"'{path}.role' must be 'user' or 'assistant'.", param=f"{path}.role")
        if isinstance(content, str):
            if content:
                self._say(role, content)
        elif role == "assistant":
            self._assistant(f"{path}.content", blocks_of(f"{path}.content", content))
        elif role == "system":
            if text := text_of(parts_of(f"{path}.content", content)):
                self._say(role, text)
        else:
            self._user(f"{path}.content", blocks_of(f"{path}.content", content))

    def _say(self, role: str, content: str | list[Json]) -> None:
        self.messages.append({"role": role, "content": content})

    def _user(self, path: str, blocks: Sequence[Json]) -> None:
        """The results first, wherever they stood; images in them are shown behind them all."""
        shown: list[Json] = []
        said: list[Json] = []
        for i, block in enumerate(blocks):
            if block["type"] == "tool_result":
                shown += self._result(f"{path}.{i}", block)
            else:
                said += part_of(f"{path}.{i}", block)
        if shown or said:
            self._say("user", _simple([*shown, *said]))

    def _result(self, path: str, block: Json) -> list[Json]:
        """Add the result of a call; what no result can hold is given back."""
        shown_id = string(f"{path}.tool_use_id", block.get("tool_use_id"))
        if shown_id not in self._called:
            raise _nobody_called(path, shown_id)
        content = block.get("content")
        parts = parts_of(f"{path}.content", [] if content is None else content)
        result: Json = {
            "role": "tool",
            "tool_call_id": own_id(shown_id),
            "content": text_of(parts),
        }
        if block.get("is_error") is True:
            result["is_error"] = True
        self.messages.append(result)
        others = [part for part in parts if part["type"] != "text"]
        words = f"What the call {shown_id} has shown:"
        return [{"type": "text", "text": words}, *others] if others else []

    def _assistant(self, path: str, blocks: Sequence[Json]) -> None:
        texts: list[str] = []
        thoughts: list[str] = []
        calls: list[Json] = []
        for i, block in enumerate(blocks):
            match block["type"]:
                case "thinking" if isinstance(thought := block.get("thinking"), str) and thought:
                    thoughts.append(thought)
                case "tool_use":
                    calls.append(self._call(f"{path}.{i}", block))
                case "text":
                    texts.append(string(f"{path}.{i}.text", block.get("text")))
                case kind if kind in DROPPED or kind.endswith(("_tool_result", "tool_use")):
                    continue  # what came of a search is in the text that follows
                case _:
                    texts.append(as_note(block))
        message: Json = {"role": "assistant", "content": "\n".join(filter(None, texts)) or None}
        if thoughts:
            message["reasoning"] = "\n".join(thoughts)
        if calls:
            message["tool_calls"] = calls
        if calls or message["content"]:
            self.messages.append(message)

    def _call(self, path: str, block: Json) -> Json:
        shown_id = string(f"{path}.id", block.get("id"))
        name = string(f"{path}.name", block.get("name"))
        given = json_object(f"{path}.input", block.get("input", {}))
        self._called.add(shown_id)
        return {
            "id": own_id(shown_id),
            "type": "function",
            "function": {"name": name, "arguments": dumps_text(given)},
        }


def _simple(parts: list[Json]) -> str | list[Json]:
    """One text is a string, as nearly all messages are."""
    return parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _nobody_called(path: str, shown_id: str) -> ApiError:
    return bad_request(
        f"{path}: unexpected `tool_use_id` found in `tool_result` blocks: {shown_id[:80]}. Each"
        " `tool_result` block must have a corresponding `tool_use` block in the previous message.",
        param=f"{path}.tool_use_id",
    )
