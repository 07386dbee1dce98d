"""What an answer can say: for each feature the events, and what they mean in neutral words."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from adapters.base import (
    Annotation,
    Event,
    Finish,
    Json,
    Logprobs,
    Media,
    RateLimits,
    Reasoning,
    Refusal,
    Signature,
    Start,
    Text,
    ToolCall,
    Usage,
    Warn,
)

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n a pixel").decode()
SOUND = base64.b64encode(b"RIFF a sound").decode()
SITE = "https://example.org/news"


@dataclass(frozen=True)
class Meaning:
    """What a client knows after an answer; `finish` in OpenAI's words, `usage` as `Usage` has it.

    `calls` are names and arguments, `others` the texts of further choices, `tokens` those whose
    probabilities are told.
    """

    text: str = ""
    thoughts: str = ""
    calls: list[tuple[str, Json]] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    sounds: list[str] = field(default_factory=list)
    citations: list[str] = field(default_factory=list)
    refusal: str = ""
    tokens: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    finish: str = "stop"
    usage: Usage = field(default_factory=lambda: USAGE)

    def but(self, **changed: object) -> Meaning:
        """The same with some fields changed."""
        return replace(self, **changed)  # type: ignore[arg-type] # the fields are those above


@dataclass(frozen=True)
class Feature:
    """A row. Each of `batches` is what one network read has brought."""

    batches: Sequence[Sequence[Event]]
    meaning: Meaning


USAGE = Usage(prompt=11, completion=7)
BEGIN: Sequence[Event] = (Start(model="toy-1"), RateLimits(limit_requests=5))


def _answer(
    *batches: Sequence[Event], finish: str = "stop", usage: Usage = USAGE
) -> list[list[Event]]:
    return [[*BEGIN], *map(list, batches), [Finish(finish), usage]]


CITED: Json = {
    "type": "url_citation",
    "url_citation": {"url": SITE, "title": "News", "start_index": 0, "end_index": 2},
}
LIKELY: Json = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}
ROME, OSLO = {"city": "Rome"}, {"city": "Oslo"}

FEATURES: Mapping[str, Feature] = {
    "text": Feature(
        _answer([Text("Hel")], [Text("lo "), Text("€ 😀")]), Meaning(text="Hello € 😀")
    ),
    "nothing at all": Feature(_answer(), Meaning()),
    "thoughts": Feature(
        _answer([Reasoning("Let me ")], [Reasoning("see.")], [Text("42")]),
        Meaning(thoughts="Let me see.", text="42"),
    ),
    "a call, whole": Feature(
        _answer([ToolCall(0, "weather", '{"city":"Rome"}', id="c-1")], finish="tool_calls"),
        Meaning(calls=[("weather", ROME)], finish="tool_calls"),
    ),
    "a call in pieces": Feature(
        _answer(
            [ToolCall("a", "weather", '{"ci')],
            [ToolCall("a", arguments='ty":"Ro'), ToolCall("a", arguments='me"}')],
            finish="tool_calls",
        ),
        Meaning(calls=[("weather", ROME)], finish="tool_calls"),
    ),
    "a call without arguments": Feature(
        _answer([ToolCall(0, "now", "{}")], finish="tool_calls"),
        Meaning(calls=[("now", {})], finish="tool_calls"),
    ),
    "parallel calls": Feature(
        _answer(
            [ToolCall(0, "weather", '{"city":"Rome"}', id="same:0")],
            [ToolCall(1, "weather", '{"city":"Oslo"}', id="same:1")],
            finish="tool_calls",
        ),
        Meaning(calls=[("weather", ROME), ("weather", OSLO)], finish="tool_calls"),
    ),
    "calls whose pieces mingle": Feature(
        _answer(
            [ToolCall(0, "weather", '{"city"'), ToolCall(1, "weather", '{"city":')],
            [ToolCall(0, arguments=':"Rome"}'), ToolCall(1, arguments='"Oslo"}')],
            finish="tool_calls",
        ),
        Meaning(calls=[("weather", ROME), ("weather", OSLO)], finish="tool_calls"),
    ),
    "thoughts, text and a call": Feature(
        _answer(
            [Reasoning("Hm."), Text("I look.")],
            [ToolCall(0, "weather", '{"city":"Rome"}')],
            finish="tool_calls",
        ),
        Meaning(thoughts="Hm.", text="I look.", calls=[("weather", ROME)], finish="tool_calls"),
    ),
    "an image": Feature(
        _answer([Text("Here:")], [Media("image/png", PIXEL)]),
        Meaning(text="Here:", images=[PIXEL]),
    ),
    "sound": Feature(_answer([Media("audio/wav", SOUND)]), Meaning(sounds=[SOUND])),
    "a citation": Feature(
        _answer([Text("Hi")], [Annotation(CITED)]), Meaning(text="Hi", citations=[SITE])
    ),
    "a refusal": Feature(
        _answer([Refusal("I will "), Refusal("not.")], finish="content_filter"),
        Meaning(refusal="I will not.", finish="content_filter"),
    ),
    "a filtered answer": Feature(
        _answer([Text("Well")], finish="content_filter"),
        Meaning(text="Well", finish="content_filter"),
    ),
    "cut by length": Feature(
        _answer([Text("Once upon")], finish="length"), Meaning(text="Once upon", finish="length")
    ),
    "probabilities of tokens": Feature(
        _answer([Text("Hi"), Logprobs([LIKELY])]), Meaning(text="Hi", tokens=["Hi"])
    ),
    "several choices": Feature(
        _answer([Text("one"), Text("two", index=1), Finish("stop", index=1)]),
        Meaning(text="one", others=["two"]),
    ),
    "a signed text": Feature(_answer([Text("Hi"), Signature("c2lnbmVk")]), Meaning(text="Hi")),
    "tokens of thoughts and of the cache": Feature(
        _answer([Text("Hi"), Warn("dropped=seed")], usage=Usage(100, 30, reasoning=20, cached=64)),
        Meaning(text="Hi", usage=Usage(100, 30, reasoning=20, cached=64)),
    ),
}
