"""What a refusal of Groq's may mean, and the call without what it names. Pure.

Which families take a reasoning parameter or a schema changes more often than our lists.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapters.base import SEARCH, NativeCall
from adapters.compatible.request import without, without_schema
from adapters.errors import AdapterError, ErrorKind
from adapters.refusals.lessons import MENDABLE, Lesson, Reading


def readings(call: NativeCall, error: AdapterError) -> Iterator[Reading]:
    """One thing each."""
    if error.kind not in MENDABLE:
        return
    if "browser_search" in error.message:
        yield [Lesson(_without_search)]
    match error.param:
        case "reasoning_effort" | "reasoning_format" | "include_reasoning" as param:
            is_of_value = str(call.body.get(param)) in error.message
            is_of_model = error.kind is ErrorKind.UNSUPPORTED and not is_of_value
            yield [Lesson(without, (param, f"dropped={param}"), lasts=is_of_model)]
        case "response_format" if "json_schema" in call.body.get("response_format", {}):
            yield [Lesson(without_schema)]
        case "response_format" if call.stream:
            yield [Lesson(without, ("stream", "emulated=stream"))]


def _without_search(call: NativeCall) -> NativeCall:
    """The call without a search that stands beside functions."""
    tools = call.body.get("tools", [])
    left = [tool for tool in tools if tool["type"] == "function"]
    if not left or len(left) == len(tools):
        return call
    return call.but({**call.body, "tools": left}, f"dropped={SEARCH}")
