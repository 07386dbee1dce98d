"""What the tests of Responses share: a reader of streams that takes nothing but the grammar."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from adapters.base import ChatRequest, Event, Json
from proxy.doors.responses.read import Parsed
from proxy.doors.responses.tools import Toolbox
from proxy.doors.responses.write import Answer, ResponseStream
from proxy.doors.writing.blocks import BlockFold

KEYS = frozenset(
    [
        "id",
        "object",
        "created_at",
        "completed_at",
        "status",
        "incomplete_details",
        "model",
        "previous_response_id",
        "instructions",
        "output",
        "error",
        "tools",
        "tool_choice",
        "truncation",
        "parallel_tool_calls",
        "text",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "top_logprobs",
        "temperature",
        "reasoning",
        "usage",
        "max_output_tokens",
        "max_tool_calls",
        "store",
        "background",
        "service_tier",
        "metadata",
        "safety_identifier",
        "prompt_cache_key",
    ]
)
"""That a response has, null where there is nothing."""


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Grammar:
    """Reads a stream; what the specification does not allow is an AssertionError.

    `output` are the items as they ended, `response` is the last one, `errors` what failed.
    """

    def __init__(self, data: bytes) -> None:
        self.output: list[Json] = []
        self.errors: list[Json] = []
        self.deltas: dict[str, int] = {}
        self.response: Json = {}
        self._item: Json | None = None
        self._part: Json | None = None
        self._texts: dict[str, str] = {}
        *frames, last, rest = data.decode().split("\n\n")
        assert (last, rest) == ("data: [DONE]", "")
        events = [self._read(number, frame) for number, frame in enumerate(frames)]
        assert [event["type"] for event in events[:2]] == [
            "response.created",
            "response.in_progress",
        ]
        self.id = events[0]["response"]["id"]
        for event in events[:2]:
            self._check_begun(event["response"])
        for event in events[2:]:
            assert not self.response, "something follows the end"
            self._take(event)
        assert self.response and self._item is None
        assert self.response["output"] == self.output

    def _read(self, number: int, frame: str) -> Json:
        name, data = frame.split("\n")
        event: Json = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert event["sequence_number"] == number
        return event

    def _check_begun(self, response: Json) -> None:
        assert set(response) >= KEYS
        assert response["id"] == self.id
        assert (response["status"], response["output"], response["usage"]) == (
            "in_progress",
            [],
            None,
        )

    def _take(self, event: Json) -> None:
        kind = event["type"]
        self.deltas[kind] = self.deltas.get(kind, 0) + 1
        match kind.split(".")[1:]:
            case ["output_item", "added"]:
                assert self._item is None and event["output_index"] == len(self.output)
                self._item = event["item"]
                assert self._item["type"] == "reasoning" or self._item["status"] == "in_progress"
                self._texts = {}
            case ["output_item", "done"]:
                self._end_item(event)
            case ["completed" | "incomplete" | "failed" as status]:
                assert event["response"]["status"] == status
                assert set(event["response"]) >= KEYS and event["response"]["id"] == self.id
                self.response = event["response"]
            case []:
                assert kind == "error" and event["error"]["message"] == event["message"]
                self.errors.append(event)
            case _:
                self._within(kind, event)

    def _within(self, kind: str, event: Json) -> None:
        """Something of the open item."""
        assert self._item is not None
        assert event["item_id"] == self._item["id"]
        assert event["output_index"] == len(self.output)
        if kind.endswith("part.added"):
            assert self._part is None
            self._part = event["part"]
            self._texts = {}
        elif kind.endswith("part.done"):
            assert self._part is not None and self._part["type"] == event["part"]["type"]
            text = event["part"].get("text", event["part"].get("refusal"))
            assert text == self._texts.get("delta", "") == self._texts.get("done")
            self._part = None
        elif kind.endswith(".delta"):
            self._texts["delta"] = self._texts.get("delta", "") + event["delta"]
            assert kind != "response.output_text.delta" or event["logprobs"] == []
        elif kind.endswith("annotation.added"):
            assert self._part is not None
        else:
            assert kind.endswith(".done"), kind
            names = ("text", "refusal", "arguments", "input")
            [self._texts["done"]] = [event[name] for name in names if name in event]

    def _end_item(self, event: Json) -> None:
        begun, item = self._item, event["item"]
        assert begun is not None and self._part is None
        assert event["output_index"] == len(self.output)
        for name in ("id", "type", "call_id", "name"):
            assert begun.get(name) == item.get(name)
        for name in ("arguments", "input"):
            if name in item and isinstance(item[name], str):  # what is none comes at once
                assert item[name] == self._texts.get("delta") == self._texts.get("done")
        self.output.append(item)
        self._item = None


def form(box: Toolbox | None = None, *, seals: bool = False) -> Answer:
    return Answer(Parsed(ChatRequest("asked", []), box=box, seals=seals), 1_790_000_000)


def box_of(*tools: Json) -> Toolbox:
    box = Toolbox()
    box.add("tools", tools)
    return box


def streamed(events: Iterable[Event], made: Answer | None = None) -> Grammar:
    """The events as a stream, fed one by one and read by its grammar."""
    stream = ResponseStream(made or form())
    return Grammar(b"".join([*(stream.feed([event]) for event in events), stream.end()]))


def folded(events: Sequence[Event], made: Answer | None = None) -> Json:
    """The events as one object."""
    fold = BlockFold(made or form())
    fold.feed(events)
    response: Json = json.loads(fold.end())
    assert set(response) >= KEYS
    return response


def alike(value: Any) -> Any:
    """The value without the ids that are made anew each time."""
    if isinstance(value, dict):
        kept = {name: alike(inner) for name, inner in value.items() if name != "id"}
        if str(kept.get("call_id", "")).startswith("call_"):
            kept["call_id"] = "call_"
        return kept
    return [alike(inner) for inner in value] if isinstance(value, list) else value
