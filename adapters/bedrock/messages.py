"""OpenAI's messages -> the turns of Converse.

Roles alternate, the user's comes first, and the results of a turn's calls follow it at once, in
their order, before anything else.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.base import Memory
from adapters.bedrock.content import Blocks
from adapters.bedrock.names import call_id
from adapters.bedrock.settings import KIND
from adapters.bedrock.thoughts import recalled
from adapters.events import Json
from adapters.translation.arguments import arguments_or_text
from adapters.translation.content import texts
from adapters.translation.functions import function_name
from adapters.translation.results import paired
from adapters.wire.writing import dumps_text

GO_ON = "Go on."
NO_OUTPUT = "(no output)"
ABOUT_DOCUMENT = "This is a document."


class Conversation:
    """Reads one conversation; `warnings` collects the words for what got lost or was added.

    Without tools at hand Bedrock takes no calls in the history either: they are told as text.
    """

    def __init__(
        self, model: str, memory: Memory, warnings: list[str], *, calls_are_text: bool
    ) -> None:
        self._model = model
        self._memory = memory
        self._warnings = warnings
        self._calls_are_text = calls_are_text
        self._blocks = Blocks()

    def turns(self, messages: Sequence[Json]) -> list[Json]:
        """The turns. Raises AdapterError for what they cannot say."""
        turns: list[Json] = []
        for at, message in paired(messages, KIND, self._warnings):
            if message["role"] == "user":
                _add(turns, "user", self._blocks.of(message.get("content"), at))
            elif message["role"] == "assistant":
                _add(turns, "assistant", self._said(message, at))
            elif message["role"] == "tool":
                _add(turns, "user", self._result(message, at))
        if not turns or turns[0]["role"] != "user":
            turns.insert(0, {"role": "user", "content": [{"text": GO_ON}]})
            self._warnings.append("changed=messages")
        for turn in turns:
            self._accompany(turn["content"])
        if turns[-1]["role"] == "assistant":
            _strip(turns[-1]["content"])
        return turns

    def _said(self, message: Json, at: int) -> list[Json]:
        blocks = self._blocks.of(message.get("content"), at)
        blocks += self._blocks.of(message.get("refusal"), at)
        calls = message.get("tool_calls") or ()
        if self._calls_are_text:
            return [*blocks, *({"text": _told(call)} for call in calls)]
        thoughts = recalled(self._memory, [call["id"] for call in calls], self._model)
        return [*thoughts, *blocks, *map(_called, calls)]

    def _result(self, message: Json, at: int) -> list[Json]:
        """One result, as a block; as blocks of text and images where calls are text."""
        blocks = self._blocks.of(message.get("content"), at)
        if self._calls_are_text:
            said = "\n".join(block["text"] for block in blocks if "text" in block)
            others = [block for block in blocks if "text" not in block]
            return [{"text": f"[{message['name']} gave: {said}]"}, *others]
        name = call_id(message["tool_call_id"])
        result = {"toolUseId": name, "content": blocks or [{"text": NO_OUTPUT}]}
        if message.get("is_error") is True:
            result["status"] = "error"
        return [{"toolResult": result}]

    def _accompany(self, blocks: list[Json]) -> None:
        """A document does not come without a text."""
        if any("document" in one for one in blocks) and not any("text" in one for one in blocks):
            blocks.append({"text": ABOUT_DOCUMENT})
            self._warnings.append("changed=messages.content")


def system_blocks(messages: Sequence[Json]) -> list[Json]:
    """The texts of all system messages, in order."""
    return [
        {"text": text}
        for message in messages
        if message["role"] == "system"
        for text in texts(message.get("content"))
        if text.strip()
    ]


def has_calls(messages: Sequence[Json]) -> bool:
    return any(message.get("tool_calls") for message in messages)


def is_unsigned(turns: Sequence[Json]) -> bool:
    """Whether the last turn with calls lacks the thoughts that led to them."""
    said = [turn["content"] for turn in turns if turn["role"] == "assistant"]
    if not said or not any("toolUse" in block for block in said[-1]):
        return False
    return "reasoningContent" not in said[-1][0]


def _called(call: Json) -> Json:
    function = call["function"]
    return {
        "toolUse": {
            "toolUseId": call_id(call["id"]),
            "name": function_name(function["name"]),
            "input": arguments_or_text(function.get("arguments") or ""),
        }
    }


def _told(call: Json) -> str:
    arguments = arguments_or_text(call["function"].get("arguments") or "")
    return f"[called {call['function']['name']} with {dumps_text(arguments)}]"


def _add(turns: list[Json], role: str, blocks: list[Json]) -> None:
    """Append to the last turn if it is the same role's, else as a new one; a blank one is none."""
    if not blocks:
        return
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"].extend(blocks)
    else:
        turns.append({"role": role, "content": list(blocks)})


def _strip(blocks: list[Json]) -> None:
    """A text that is to be gone on with may not end in spaces."""
    if "text" in blocks[-1]:
        blocks[-1] = {"text": blocks[-1]["text"].rstrip()}
