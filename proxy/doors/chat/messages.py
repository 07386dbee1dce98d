"""The `messages` of a request: checked, and OpenAI's older roles made new. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from adapters.base import Json
from proxy.doors.chat.spellings import content_of, of_call, parted, thoughts_of
from proxy.doors.reading.checks import out_of_range, string, wrong_type
from proxy.doors.reading.pairing import OpenCalls
from proxy.errors import bad_request

MAX_MESSAGES = 2000
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


def parse_messages(value: Any) -> list[Json]:
    """The messages with roles system, user, assistant and tool only. Raises ApiError.

    A `function` message becomes a `tool` message that answers the last `function_call` of its
    name; both get the same made-up id, as do calls that came without one and their results. What
    a tool has shown, and a result cannot hold, is a user's message behind it, as is a result that
    nothing before it has called for. The client's own objects stay as they are.
    """
    if value is None:
        raise bad_request("You must provide a messages parameter.", param="messages")
    if not isinstance(value, list):
        raise wrong_type("messages", "a list of messages")
    if not value:
        what = "'messages' must be a list of at least one message."
        raise bad_request(what, param="messages", code="empty_array")
    if len(value) > MAX_MESSAGES:
        raise out_of_range("messages", f"a list of at most {MAX_MESSAGES} messages")
    plain = list(takewhile(_is_ready, value))  # which is all that most have
    if len(plain) == len(value):
        return plain
    history = _History(plain)
    for i, message in enumerate(value[len(plain) :], len(plain)):
        if _is_ready(message):
            history.add(message)
        else:
            _take(history, i, message)
    return history.end()


class _History:
    """The messages so far, and what those that follow refer to."""

    def __init__(self, messages: list[Json]) -> None:
        self.legacy_ids: dict[str, str] = {}
        self.calls = OpenCalls()
        self._messages = messages
        self._shown: list[Json] = []

    def add(self, message: Json) -> None:
        if self._shown and message["role"] != "tool":
            self._show()
        if message["role"] == "user":
            self.calls.asked()
        self._messages.append(message)

    def show(self, parts: Sequence[Json]) -> None:
        """What the results of tools hold beside text: to be seen behind the last of them."""
        if parts and not self._shown:
            self._shown.append({"type": "text", "text": "What the tools have shown:"})
        self._shown += parts

    def tell(self, name: str | None, result: Any) -> None:
        """A result whose call was cut off, with the beginning of the talk: told by the user."""
        self._shown.append({"type": "text", "text": f"Result of {name or 'a tool'}:"})
        is_parts = isinstance(result, list)
        self._shown += result if is_parts else [{"type": "text", "text": result or ""}]

    def end(self) -> list[Json]:
        if self._shown:
            self._show()
        return self._messages

    def _show(self) -> None:
        self._messages.append({"role": "user", "content": self._shown})
        self._shown = []


def _is_ready(message: Any) -> bool:
    if type(message) is not dict or message.get("role") not in ("user", "assistant", "system"):
        return False
    return type(message.get("content")) is str and message["content"] != "" and len(message) == 2


def _take(history: _History, i: int, message: Any) -> None:
    param = f"messages[{i}]"
    if not isinstance(message, dict):
        raise wrong_type(param, "an object")
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise out_of_range(f"{param}.role", "one of " + ", ".join(sorted(ROLES)))
    content = message.get("content")
    if content is None and role not in ("assistant", "tool", "function"):
        raise wrong_type(f"{param}.content", "a string or a list of parts")
    if not isinstance(content, str | None):
        message = {**message, "content": content_of(f"{param}.content", role, content)}
        if role == "assistant" and (thoughts := thoughts_of(content)):
            message.setdefault("reasoning", thoughts)
    if "name" in message and not isinstance(message["name"], str | None):
        raise wrong_type(f"{param}.name", "a string")
    name = message.get("name")
    message = _of_role(history, i, message)
    text, shown = parted(message)
    if message["role"] == "tool" and not history.calls.holds(message["tool_call_id"]):
        history.tell(name, message.get("content"))
        return
    history.add(text)
    history.show(shown)


def _of_role(history: _History, i: int, message: Json) -> Json:
    param = f"messages[{i}]"
    if message["role"] == "assistant":
        return _assistant(history, i, message)
    # Nobody else calls tools: there it would have no meaning, and has not been checked.
    kept: Json = message
    if "tool_calls" in message:
        kept = {name: value for name, value in message.items() if name != "tool_calls"}
    match message["role"]:
        case "developer":
            return kept | {"role": "system"}
        case "tool":
            return _result(history, param, kept)
        case "function":
            return _function_result(history, param, message)
    return kept


def _result(history: _History, param: str, message: Json) -> Json:
    """A tool's result with the id of its call, which some clients do not keep."""
    call_id = message.get("tool_call_id")
    if call_id:
        history.calls.closed(string(f"{param}.tool_call_id", call_id))
        return message
    found = history.calls.answered(message.get("name"))
    if found is None:
        found = string(f"{param}.tool_call_id", call_id)
    return {**message, "tool_call_id": found}


def _assistant(history: _History, i: int, message: Json) -> Json:
    param = f"messages[{i}]"
    calls = message.get("tool_calls")
    if calls is not None:
        if not isinstance(calls, list):
            raise wrong_type(f"{param}.tool_calls", "a list")
        calls = [
            _call(history.calls, f"{param}.tool_calls[{j}]", call) for j, call in enumerate(calls)
        ]
        message = {**message, "tool_calls": calls}
    legacy = message.get("function_call")
    if not legacy:
        return message
    _check_function(f"{param}.function_call", legacy)
    call_id = history.calls.called(legacy["name"], f"call_legacy_{i}")
    history.legacy_ids[legacy["name"]] = call_id
    call = {"id": call_id, "type": "function", "function": legacy}
    kept = {name: value for name, value in message.items() if name != "function_call"}
    return kept | {"tool_calls": [*(calls or ()), call]}


def _call(open_calls: OpenCalls, param: str, call: Any) -> Json:
    call = of_call(call)
    if not isinstance(call, dict):
        raise wrong_type(param, "an object")
    call_id = call.get("id") or None
    if call_id is not None:
        string(f"{param}.id", call_id)
    _check_function(f"{param}.function", call.get("function"))
    made = open_calls.called(call["function"]["name"], call_id)
    return call if call_id is not None else {**call, "id": made}


def _check_function(param: str, function: Any) -> None:
    if not isinstance(function, dict):
        raise wrong_type(param, "an object")
    string(f"{param}.name", function.get("name"))
    string(f"{param}.arguments", function.get("arguments"))


def _function_result(history: _History, param: str, message: Json) -> Json:
    name = string(f"{param}.name", message.get("name"))
    call_id = history.legacy_ids.get(name, "")
    history.calls.closed(call_id)
    return {"role": "tool", "tool_call_id": call_id, "content": message.get("content") or ""}
