"""The `messages` of a request: checked, and OpenAI's older roles made new. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.base import Json, is_plain
from proxy.errors import ApiError, bad_request

MAX_MESSAGES = 2000
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


def parse_messages(value: Any) -> list[Json]:
    """The messages with roles system, user, assistant and tool only. Raises ApiError.

    A `function` message becomes a `tool` message that answers the last `function_call` of its
    name; both get the same made-up id. The client's own objects stay as they are.
    """
    if value is None:
        raise bad_request("You must provide a messages parameter.", param="messages")
    if not isinstance(value, list):
        raise _invalid("messages", "a list of messages", code="invalid_type")
    if not value:
        raise _invalid("messages", "a list of at least one message", code="empty_array")
    if len(value) > MAX_MESSAGES:
        raise _invalid("messages", f"a list of at most {MAX_MESSAGES} messages")
    legacy_ids: dict[str, str] = {}
    return [
        message if _is_ready(message) else _message(i, message, legacy_ids)
        for i, message in enumerate(value)
    ]


def _is_ready(message: Any) -> bool:
    is_known = isinstance(message, dict) and message.get("role") in ("user", "assistant", "system")
    return is_known and is_plain(message)


def _invalid(param: str, expected: str, *, code: str = "invalid_value") -> ApiError:
    return bad_request(f"'{param}' must be {expected}.", param=param, code=code)


def _message(i: int, message: Any, legacy_ids: dict[str, str]) -> Json:
    param = f"messages[{i}]"
    if not isinstance(message, dict):
        raise _invalid(param, "an object", code="invalid_type")
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise _invalid(f"{param}.role", "one of " + ", ".join(sorted(ROLES)))
    content = message.get("content")
    if type(content) is not str:
        message = _with_plain_images(message, content)
        _check_content(f"{param}.content", role, message.get("content"))
    if "name" in message and not isinstance(message["name"], str | None):
        raise _invalid(f"{param}.name", "a string", code="invalid_type")
    if role == "assistant":
        return _assistant(i, message, legacy_ids)
    # Nobody else calls tools: there it would have no meaning, and has not been checked.
    kept: Json = message
    if "tool_calls" in message:
        kept = {name: value for name, value in message.items() if name != "tool_calls"}
    match role:
        case "developer":
            return kept | {"role": "system"}
        case "tool":
            _string(f"{param}.tool_call_id", message.get("tool_call_id"))
        case "function":
            return _function_result(param, message, legacy_ids)
    return kept


def _string(param: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _invalid(param, "a string", code="invalid_type")
    return value


def _with_plain_images(message: Json, content: Any) -> Json:
    """Some clients write an image's address where OpenAI has an object that holds it."""
    if not isinstance(content, list) or not any(map(_is_plain_image, content)):
        return message
    parts = [
        {**part, "image_url": {"url": part["image_url"]}} if _is_plain_image(part) else part
        for part in content
    ]
    return {**message, "content": parts}


def _is_plain_image(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("image_url"), str)


def _check_content(param: str, role: str, content: Any) -> None:
    if content is None:
        if role in ("assistant", "tool", "function"):
            return
        raise _invalid(param, "a string or a list of parts", code="invalid_type")
    if not isinstance(content, list):
        raise _invalid(param, "a string or a list of parts", code="invalid_type")
    for j, part in enumerate(content):
        _check_part(f"{param}[{j}]", role, part)


def _check_part(param: str, role: str, part: Any) -> None:
    match part:
        case {"type": "text", "text": str()} | {"type": "refusal", "refusal": str()}:
            return
        case {"type": "image_url", "image_url": {"url": str()} as image} if role == "user":
            _optional_strings(f"{param}.image_url", image, "detail")
        case {"type": "input_audio", "input_audio": {"data": str(), "format": str()}} if (
            role == "user"
        ):
            return
        case {"type": "file", "file": dict(file)} if role == "user":
            _optional_strings(f"{param}.file", file, "file_data", "file_id", "filename")
            if not file.get("file_data") and not file.get("file_id"):
                raise _invalid(f"{param}.file", "an object with 'file_data' or 'file_id'")
        case {"type": str(kind)} if kind in _PART_FIELDS:
            field = _PART_FIELDS[kind]
            allowed = f"an object with a valid '{field}'" if _may_hold(role, kind) else "text"
            raise _invalid(f"{param}.{field}", allowed)
        case {"type": str()}:
            raise _invalid(f"{param}.type", "one of " + ", ".join(_PART_FIELDS))
        case _:
            raise _invalid(param, "an object with a 'type'", code="invalid_type")


def _optional_strings(param: str, value: Json, *names: str) -> None:
    for name in names:
        if value.get(name) is not None:
            _string(f"{param}.{name}", value[name])


_PART_FIELDS: Mapping[str, str] = {
    "text": "text",
    "refusal": "refusal",
    "image_url": "image_url",
    "input_audio": "input_audio",
    "file": "file",
}


def _may_hold(role: str, kind: str) -> bool:
    return role == "user" or kind in ("text", "refusal")


def _assistant(i: int, message: Json, legacy_ids: dict[str, str]) -> Json:
    param = f"messages[{i}]"
    calls = message.get("tool_calls")
    if calls is not None:
        if not isinstance(calls, list):
            raise _invalid(f"{param}.tool_calls", "a list", code="invalid_type")
        for j, call in enumerate(calls):
            _check_call(f"{param}.tool_calls[{j}]", call)
    legacy = message.get("function_call")
    if legacy is None:
        return message
    _check_function(f"{param}.function_call", legacy)
    call_id = legacy_ids[legacy["name"]] = f"call_legacy_{i}"
    call = {"id": call_id, "type": "function", "function": legacy}
    kept = {name: value for name, value in message.items() if name != "function_call"}
    return kept | {"tool_calls": [*(calls or ()), call]}


def _check_call(param: str, call: Any) -> None:
    if not isinstance(call, dict):
        raise _invalid(param, "an object", code="invalid_type")
    _string(f"{param}.id", call.get("id"))
    _check_function(f"{param}.function", call.get("function"))


def _check_function(param: str, function: Any) -> None:
    if not isinstance(function, dict):
        raise _invalid(param, "an object", code="invalid_type")
    _string(f"{param}.name", function.get("name"))
    _string(f"{param}.arguments", function.get("arguments"))


def _function_result(param: str, message: Json, legacy_ids: Mapping[str, str]) -> Json:
    name = _string(f"{param}.name", message.get("name"))
    call_id = legacy_ids.get(name, f"call_legacy_{name}")
    return {"role": "tool", "tool_call_id": call_id, "content": message.get("content") or ""}
