"""Messages, before a provider's own words: a result behind each call, names of users. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.base import MISSING_RESULT
from adapters.contents import contents_of
from adapters.errors import ErrorKind, unsent
from adapters.events import Json

Placed = tuple[int, Json]
"""A message's place in the request, by which errors name it, and the message."""


def paired(
    messages: Sequence[Json], provider: str, warnings: list[str], *, names: bool = False
) -> list[Placed]:
    """The messages, with one result behind each call, in the order of the calls.

    A result belongs to the nearest call of its id before it, wherever it stood; of several the last
    counts. Each has the `name` of its function. A call without any gets one that says so, as an
    error. Users' `names` stay where there is a field for them, else are put before their words.
    Raises AdapterError (BAD_REQUEST) for a result that nothing has called for.
    """
    placed: list[Placed] = []
    results: dict[str, int] = {}
    missing: set[int] = set()
    are_several: bool | None = None  # users with a name
    for at, message in enumerate(messages):
        if message["role"] == "tool":
            if (where := results.get(message["tool_call_id"])) is None:
                raise unsent(
                    provider,
                    ErrorKind.BAD_REQUEST,
                    "no message of the assistant before this one holds the tool call",
                    param=f"messages[{at}].tool_call_id",
                )
            named = {**message, "name": placed[where][1]["name"]}
            placed[where] = at, named
            missing.discard(where)
            continue
        if "name" in message and not names:
            if are_several is None:
                are_several = len(contents_of(messages).names) > 1
            message = _unnamed(message, are_several, warnings)
        placed.append((at, message))
        if "tool_calls" not in message:
            continue
        for call in message["tool_calls"] or ():
            results[call["id"]] = len(placed)
            missing.add(len(placed))
            placed.append((at, _made_up(call)))
    if missing:
        warnings.append("emulated=tool_result")
    return placed


def _unnamed(message: Json, are_several: bool, warnings: list[str]) -> Json:
    """A message without its `name`; that of one among several users stands before the words."""
    name = message["name"]
    plain = {key: value for key, value in message.items() if key != "name"}
    if not name:
        return plain
    if not (are_several and message["role"] == "user"):
        warnings.append("dropped=messages.name")
        return plain
    warnings.append("changed=messages.name")
    content = message.get("content") or ""
    if isinstance(content, str):
        return {**plain, "content": f"{name}: {content}"}
    return {**plain, "content": [{"type": "text", "text": f"{name}:"}, *content]}


def _made_up(call: Json) -> Json:
    return {
        "role": "tool",
        "tool_call_id": call["id"],
        "name": call["function"]["name"],
        "content": MISSING_RESULT,
        "is_error": True,
    }


def own_id(call_id: str) -> str:
    """The id of a call without a thought's signature that another gateway has hung on to it."""
    return call_id.partition("__sig__")[0] or call_id
