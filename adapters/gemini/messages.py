"""OpenAI's messages -> Gemini's `systemInstruction` and `contents`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import orjson

from adapters.base import Memory, is_plain
from adapters.events import Json
from adapters.gemini.content import PartsTranslator
from adapters.gemini.errors import NAME
from adapters.gemini.names import function_name
from adapters.gemini.signatures import key_of_content
from adapters.translation.arguments import as_object
from adapters.translation.content import texts
from adapters.translation.results import paired
from adapters.wire.json_size import MAX_CONTAINERS, is_deeper_than, values_of
from adapters.wire.pieces import loads

SKIP_SIGNATURE = "skip_thought_signature_validator"  # literally, not as base64
MAX_JSON_DEPTH = 100
FEW_CHARS = 1000
GO_ON = "Go on."

T = TypeVar("T")


def own_id_key(call_id: str) -> str:
    """Where the memory says that an id is Gemini's and may be sent back to it."""
    return f"gemini-id:{call_id}"


def system_parts(messages: Sequence[Json]) -> list[Json]:
    """The texts of all system messages, in order."""
    return [
        {"text": text}
        for message in messages
        if message["role"] == "system"
        for text in texts(message.get("content"))
    ]


class ContentsTranslator:
    """Reads one conversation; `warnings` collects the words for what got lost or was added."""

    def __init__(self, parts: PartsTranslator, memory: Memory, warnings: list[str]) -> None:
        self._parts = parts
        self._memory = memory
        self._warnings = warnings
        self._left = MAX_CONTAINERS  # of values in results

    def contents(self, messages: Sequence[Json]) -> list[Json]:
        """The turns: the user's comes first, no turn or part is empty, and roles alternate; but the
        results of a turn's calls stand in a turn of their own.

        They follow the calls at once and in their order, wherever they stood: Gemini counts them,
        and from 3.6 on takes no text behind them.
        """
        turns: list[Json] = []
        shown: list[Json] = []
        for at, message in paired(messages, NAME, self._warnings):
            role = message["role"]
            if role == "tool":
                shown += self._add_result(turns, message, at)
                continue
            _add(turns, "user", shown)
            shown = []
            if role == "user":
                _add(turns, "user", self._parts.parts(message.get("content"), at))
            elif role == "assistant":
                _add(turns, "model", self._said(message, messages, at))
        _add(turns, "user", shown)
        if not turns or turns[0]["role"] != "user":
            turns.insert(0, {"role": "user", "parts": [{"text": " "}]})
        return turns

    def _said(self, message: Json, messages: Sequence[Json], at: int) -> list[Json]:
        if is_plain(message):
            return [{"text": message["content"]}]
        before = messages[:at]
        if native := _google(message, "parts", list):
            return self._natively(native, message.get("tool_calls") or (), before)
        parts = self._parts.parts(message.get("content"), at)
        if refusal := message.get("refusal"):
            parts.append({"text": refusal})
        if calls := message.get("tool_calls"):
            parts += [self._called(call, before) for call in calls]
        return parts

    def _natively(
        self, parts: Sequence[Json], calls: Sequence[Json], before: Sequence[Json]
    ) -> list[Json]:
        """A turn in Gemini's own parts, each call of them out of the message's."""
        made = iter([self._called(call, before) for call in calls])
        found = [next(made, part) if "functionCall" in part else part for part in parts]
        return [*found, *made]

    def _called(self, call: Json, before: Sequence[Json]) -> Json:
        named: Json = {
            "name": function_name(call["function"]["name"]),
            "args": self._arguments(call["function"].get("arguments")),
        }
        if self._memory.get(own_id_key(call["id"])) is not None:
            named["id"] = call["id"]
        part: Json = {"functionCall": named}
        signature = _carried_signature(call) or self._memory.get(call["id"])
        if signature is None:
            name, args = call["function"]["name"], named["args"]
            signature = self._memory.get(key_of_content(name, args, before))
        if signature:
            part["thoughtSignature"] = signature
        return part

    def _arguments(self, text: Any) -> Json:
        """The object that the arguments' text holds; what a model wrote wrongly is kept as text."""
        value = parsed(text) if isinstance(text, str) and text.strip() else None
        if value is UNREADABLE:
            self._warnings.append("changed=tool_calls.function.arguments")
            return {"_raw": text}
        return as_object(value)

    def _add_result(self, turns: list[Json], message: Json, at: int) -> list[Json]:
        """Add a functionResponse to those of its turn; gives the images and files in the result."""
        content = message.get("content")
        text = "".join(texts(content))
        value = _google(message, "response", dict) or self._read(text)
        response = value if isinstance(value, dict) and not _has_ref(value) else {"output": text}
        if message.get("is_error") is True:
            response = {"error": text}
        named: Json = {"name": function_name(message["name"]), "response": response}
        if self._memory.get(own_id_key(message["tool_call_id"])) is not None:
            named["id"] = message["tool_call_id"]
        if turns[-1]["role"] != "user":
            turns.append({"role": "user", "parts": []})
        turns[-1]["parts"].append({"functionResponse": named})
        return [part for part in self._parts.parts(content, at) if "text" not in part]

    def _read(self, text: str) -> Any:
        """What a result holds; beyond so many values of all of them, they stay the texts they are.

        Those of calls have been counted by who took the request.
        """
        if len(text) > FEW_CHARS:
            self._left -= values_of(text.encode("utf-8", "surrogatepass")).load
        return parsed(text) if self._left >= 0 else UNREADABLE


def _is_result(part: Json) -> bool:
    return "functionResponse" in part


def closed(contents: list[Json]) -> list[Json]:
    """The same turns with one of the user's behind them, which some models want to come last."""
    return [*contents, {"role": "user", "parts": [{"text": GO_ON}]}]


def sign(contents: list[Json], *, anew: bool = False) -> list[Json]:
    """The same turns, with the placeholder where a model's turn lacks its first call's signature.

    `anew` takes away all signatures first. Source: Google's documents on thought signatures, on
    history that came from other models.
    """
    gone = "thoughtSignature" if anew else None
    return [_signed(turn, gone) if turn["role"] == "model" else turn for turn in contents]


def _signed(turn: Json, gone: str | None) -> Json:
    parts = [{key: part[key] for key in part if key != gone} for part in turn["parts"]]
    for at, part in enumerate(parts):
        if "functionCall" in part:
            parts[at] = {"thoughtSignature": SKIP_SIGNATURE, **part}
            break
    return {**turn, "parts": parts}


def _add(turns: list[Json], role: str, parts: list[Json]) -> None:
    """Append to the last turn if it is the same role's and holds no results, else as a new one."""
    if not parts:
        return
    if turns and turns[-1]["role"] == role and not _is_result(turns[-1]["parts"][0]):
        turns[-1]["parts"].extend(parts)
    else:
        turns.append({"role": role, "parts": parts})


def _google(said: Json, key: str, kind: type[T]) -> T | None:
    """What is said in Gemini's own words, where Google's OpenAI layer has a place for it."""
    match said.get("extra_content"):
        case {"google": {**own}} if isinstance(found := own.get(key), kind):
            return found
    return None


def _carried_signature(call: Json) -> str | None:
    """The signature where Google's own OpenAI layer puts it, or where some gateways do."""
    if found := _google(call, "thought_signature", str):
        return found
    return call["id"].partition("__sig__")[2] or None


UNREADABLE = object()


def parsed(text: str) -> Any:
    """What the JSON `text` holds; UNREADABLE if it is none, or nested too deeply to be sent on."""
    try:
        value = loads(text)
    except orjson.JSONDecodeError:
        return UNREADABLE
    return UNREADABLE if is_deeper_than(MAX_JSON_DEPTH - 1, value) else value


def _has_ref(value: Any) -> bool:
    """Whether a key anywhere says `$ref`: Gemini would take the text for a reference, and fail."""
    level = [value]
    while level:
        if any(isinstance(one, dict) and "$ref" in one for one in level):
            return True
        level = [part for one in level for part in _members(one)]
    return False


def _members(value: Any) -> Iterator[Any]:
    match value:
        case dict():
            yield from value.values()
        case list():
            yield from value
