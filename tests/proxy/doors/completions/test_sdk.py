"""OpenAI's own client asks for completions of a real server."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from msgspec import structs

from adapters.base import Capabilities, ErrorKind, Finish, Text, Usage
from adapters.tasks import CompletionRequest
from tests.proxy.doors.serving.kit import Build, Station
from tests.proxy.kit import EVERYTHING, failure

ONE_AT_A_TIME = structs.replace(EVERYTHING, n=False, n_stream=False)


def answers(*texts: str) -> list[Any]:
    return [[[Text(text), Finish("stop"), Usage(2, 3)]] for text in texts]


def test_a_text_is_gone_on_with(station: Station) -> None:
    completion = station.sdk.completions.create(model="gpt-3.5-turbo-instruct", prompt="Hi")

    assert (completion.choices[0].text, completion.model) == ("Hello", "toy-1")
    assert completion.id.startswith("cmpl-") and completion.choices[0].finish_reason == "stop"
    assert completion.usage and completion.usage.total_tokens == 5
    assert [type(one) for one in station.north.requests] == [CompletionRequest]


def test_a_stream_is_read_to_its_end(station: Station) -> None:
    chunks = list(
        station.sdk.completions.create(
            model="m",
            prompt="Hi, ",
            echo=True,
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    *texts, end, last = chunks
    assert [one.choices[0].text for one in texts] == ["Hi, ", "Hel", "lo"]
    assert (end.choices[0].finish_reason, last.choices) == ("stop", [])
    assert last.usage and last.usage.completion_tokens == 2


@pytest.mark.parametrize("stream", [False, True])
def test_each_prompt_is_answered_by_itself_in_its_place(station: Station, stream: bool) -> None:
    station.north.abilities = ONE_AT_A_TIME
    station.north.play(*answers("A", "B", "C", "D"))
    answer = station.sdk.with_options(max_retries=0).completions.with_raw_response.create(
        model="m", prompt=["a", "b"], n=2, echo=True, seed=5, stream=stream
    )

    texts = dict.fromkeys(range(4), "")
    for part in answer.parse() if stream else [answer.parse()]:  # type: ignore[union-attr]
        for choice in part.choices:
            texts[choice.index] += choice.text
    assert sorted(texts.values()) == ["aA", "aB", "bC", "bD"]
    sent = station.north.requests
    assert [one.messages[0]["content"] for one in sent] == ["a", "a", "b", "b"]
    assert [(one.n, one.params["seed"]) for one in sent] == [(1, 5), (1, 6)] * 2
    assert "emulated=n" in answer.headers["x-pointsman-warnings"]
    assert answer.headers["x-pointsman-attempts"] == "north:200"


def test_several_prompts_alone_are_no_emulation(station: Station) -> None:
    station.north.play(*answers("A", "B"))
    answer = station.sdk.completions.with_raw_response.create(model="m", prompt=["a", "b"])

    assert "emulated" not in answer.headers["x-pointsman-warnings"]
    usage = answer.parse().usage
    assert usage and (usage.prompt_tokens, usage.completion_tokens) == (4, 6)


def test_what_is_behind_goes_to_who_can_fill_in(build: Build) -> None:
    station = build()
    station.south.abilities = Capabilities(insert=True)
    with_raw = station.sdk.completions.with_raw_response

    answer = with_raw.create(model="m", prompt="def f(", suffix="return 1")
    assert answer.headers["x-pointsman-provider"] == "south"
    assert station.south.requests[0].suffix == "return 1"  # type: ignore[attr-defined]

    station.south.abilities = Capabilities()
    with pytest.raises(openai.BadRequestError) as caught:
        station.sdk.completions.create(model="m", prompt="def f(", suffix="return 1")
    assert (caught.value.param, caught.value.code) == ("suffix", "unsupported_feature")
    assert len(station.north.requests) == 0


def test_what_is_refused_is_told_by_name(station: Station) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        station.sdk.completions.create(model="m", prompt="x", best_of=2)
    assert (caught.value.param, caught.value.code) == ("best_of", "unsupported_parameter")


def test_a_provider_that_fails_is_an_error_of_the_client(station: Station) -> None:
    for script in (station.north, station.south):
        script.play([failure(ErrorKind.AUTH)])
    with pytest.raises(openai.InternalServerError):
        station.sdk.completions.create(model="m", prompt="Hi")

    station.north.play([[Text("Hel")], failure(ErrorKind.BROKEN)])
    with pytest.raises(openai.APIError):
        list(station.sdk.completions.create(model="north", prompt="Hi", stream=True))
