"""Chunks and the object of a completion say the same, as OpenAI's own types read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, get_args

import pytest
from openai.types import Completion

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
from adapters.wire.bounds import MAX_CHOICES, OutOfBoundsError
from proxy.doors.completions.write import CompletionFold, CompletionStream, Form
from proxy.doors.openai import Head


def entry(token: str, logprob: float, **others: float) -> Json:
    tops = [{"token": one, "logprob": value, "bytes": None} for one, value in others.items()]
    return {"token": token, "logprob": logprob, "bytes": None, "top_logprobs": tops}


ANSWER: Sequence[Event] = (
    Start(id="chatcmpl-1", model="toy-1", created=5, service_tier="auto"),
    RateLimits(),
    Reasoning("Hm."),
    Text("Hel"),
    Logprobs([entry("Hel", -0.5, Hel=-0.5, Ho=-1.5)]),
    Text("lo"),
    Logprobs([entry("lo", -0.25)]),
    Text("Other", 1),
    Warn("w"),
    Finish("length"),
    Finish("stop", 1),
    Usage(3, 4),
)


def form(**fields: Any) -> Form:
    return Form(Head("cmpl-1", 1, "asked"), **fields)


def folded(events: Sequence[Event], made: Form | None = None) -> Completion:
    fold = CompletionFold(made or form())
    fold.feed(events)
    return Completion.model_validate_json(fold.end(), strict=True)


def streamed(
    events: Sequence[Event], made: Form | None = None, *, include_usage: bool = True
) -> Completion:
    """The chunks added up as a client does it."""
    stream = CompletionStream(made or form(), include_usage=include_usage)
    data = b"".join([*(stream.feed([event]) for event in events), stream.end()])
    *frames, last, rest = data.decode().split("\n\n")
    assert (last, rest) == ("data: [DONE]", "")
    whole: Json = {}
    choices: dict[int, Json] = {}
    for frame in frames:
        chunk = json.loads(frame.removeprefix("data: "))
        Completion.model_validate(chunk | {"choices": []})
        whole = {**chunk, "usage": chunk.get("usage")}
        for one in chunk["choices"]:
            choice = choices.setdefault(one["index"], one | {"text": ""})
            choice["text"] += one["text"]
            choice["finish_reason"] = choice["finish_reason"] or one["finish_reason"]
            if one["logprobs"] and choice["logprobs"] is not one["logprobs"]:
                told = choice["logprobs"] or {name: [] for name in one["logprobs"]}
                choice["logprobs"] = {name: told[name] + one["logprobs"][name] for name in told}
    whole["choices"] = [choices[index] for index in sorted(choices)]
    return Completion.model_validate(whole)


@pytest.mark.parametrize("echo", [(), ("Say ",), ("One: ", "Two: ")])
def test_stream_and_object_are_the_same(echo: Sequence[str]) -> None:
    made = {"echo": echo, "choices": 2 if len(echo) == 1 else 1}
    whole = folded(ANSWER, form(**made))

    assert streamed(ANSWER, form(**made)) == whole
    first, second = whole.choices
    begins = [*echo, *echo, "", ""] if len(echo) < 2 else echo
    assert (first.text, second.text) == (f"{begins[0]}Hello", f"{begins[1]}Other")
    assert (first.finish_reason, second.finish_reason) == ("length", "stop")
    assert (whole.id, whole.model, whole.object) == ("cmpl-1", "toy-1", "text_completion")
    assert whole.usage and whole.usage.total_tokens == 7
    probabilities = first.logprobs
    assert probabilities is not None and second.logprobs is None
    assert probabilities.tokens == ["Hel", "lo"]
    assert probabilities.token_logprobs == [-0.5, -0.25]
    assert probabilities.top_logprobs == [{"Hel": -0.5, "Ho": -1.5}, {"lo": -0.25}]
    at = len(begins[0])
    assert probabilities.text_offset == [at, at + 3]
    assert [first.text[at : at + 3], first.text[at + 3 :]] == ["Hel", "lo"]


def test_usage_comes_in_a_stream_only_if_asked_for() -> None:
    assert streamed(ANSWER, include_usage=False).usage is None


def test_every_event_is_said_or_known_to_be_unsaid() -> None:
    said = {Text, Refusal, Logprobs, Finish, Usage, Start, RateLimits, Warn, Signature}

    assert {Reasoning, ToolCall, Media, Annotation} == set(get_args(Event)) - said
    unsaid: list[Event] = [
        Reasoning("x"),
        ToolCall(0, "f"),
        Media("image/png", ""),
        Annotation({"type": "x"}),
    ]
    end: list[Event] = [Text("x"), Finish("tool_calls")]
    for events in (end, [*unsaid, *end]):
        assert folded(events) == streamed(events, include_usage=False)
        assert [choice.text for choice in folded(events).choices] == ["x"]
        assert folded(events).choices[0].finish_reason == "stop"


def test_a_refusal_is_its_text() -> None:
    events = [Refusal("I will not."), Finish("content_filter")]

    assert folded(events) == streamed(events, include_usage=False)
    assert folded(events).choices[0].text == "I will not."
    assert folded(events).choices[0].finish_reason == "content_filter"


def test_an_answer_that_is_cut_is_told_as_far_as_it_has_come() -> None:
    fold = CompletionFold(form(echo=("Once ",)))
    fold.feed([Logprobs([])])
    assert not fold.cut()
    fold.feed([Text("upon")])
    assert fold.cut()
    assert json.loads(fold.end())["choices"][0] == {
        "text": "Once upon",
        "index": 0,
        "logprobs": None,
        "finish_reason": "length",
    }


def test_no_number_of_a_choice_is_believed() -> None:
    for index in (MAX_CHOICES, -1):
        with pytest.raises(OutOfBoundsError):
            CompletionStream(form(), include_usage=False).feed([Text("x", index)])
        with pytest.raises(OutOfBoundsError):
            CompletionFold(form()).feed([Text("x", index)])
