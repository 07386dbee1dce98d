"""What a completion asks, and what of it is refused by name."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from openai.types import completion_create_params as openai_params

from adapters.base import Json, Thinking
from adapters.tasks import CompletionRequest
from proxy.doors.completions.read import Parsed, parse_request
from proxy.doors.reading.checks import MAX_STOPS
from proxy.errors import ApiError


def parsed(**fields: Any) -> Parsed:
    return parse_request({"model": "zoo", "prompt": "Once", **fields})


def request(**fields: Any) -> CompletionRequest:
    found = parsed(**fields).request
    assert type(found) is CompletionRequest
    return found


def refusal(**fields: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parsed(**fields)
    assert caught.value.status == 400
    return caught.value


def test_a_text_is_the_turn_of_a_user() -> None:
    asked = request()

    assert asked == CompletionRequest(
        "zoo",
        [{"role": "user", "content": "Once"}],
        thinking=Thinking("none", include=False),
        prompts=("Once",),
    )
    assert asked.messages is not request().messages


def test_several_texts_are_kept_in_their_order() -> None:
    asked = request(prompt=["a", "b"], n=2)

    assert (asked.prompts, asked.n, asked.messages[0]["content"]) == (("a", "b"), 2, "a")
    assert len(request(prompt=["x"] * 16).prompts) == 16


def test_tokens_are_the_text_that_they_are_of() -> None:
    assert request(prompt=[9906, 1917]).prompts == ("Hello world",)
    assert request(prompt=[[9906], [1917]]).prompts == ("Hello", " world")


def test_every_parameter_has_its_place() -> None:
    sampling = {
        "temperature": 0.5,
        "top_p": 0.25,
        "frequency_penalty": 1,
        "presence_penalty": -1,
        "seed": 7,
        "logit_bias": {"50256": -100},
        "user": "u",
    }
    asked = parsed(
        **sampling,
        max_tokens=9,
        stop=["a", ""],
        suffix="the end",
        echo=True,
        logprobs=3,
        best_of=1,
        stream=True,
        stream_options={"include_usage": True},
        pointsman={"fallback": False},
        top_k=4,
    )
    found = asked.request

    assert found.params == {**sampling, "logprobs": True, "top_logprobs": 3}
    assert (found.max_tokens, found.stop, found.suffix, found.stream) == (
        9,
        ("a",),
        "the end",
        True,
    )
    assert found.extensions == {"top_k": 4}
    assert (asked.stream, asked.include_usage, asked.echo) == (True, True, ("Once",))
    assert asked.own == {"fallback": False}
    assert request(logprobs=0).params == {"logprobs": True}
    assert request(suffix="").suffix is None
    assert parsed(stream_options={"include_usage": True}).include_usage is False


def test_nothing_that_openai_takes_is_unknown() -> None:
    names = get_type_hints(openai_params.CompletionCreateParamsBase)
    values: Json = {"n": 1, "best_of": 1, "logprobs": 1, "max_tokens": 1, "stop": "x", "echo": True}
    values |= {"suffix": "x", "user": "x", "logit_bias": {}, "seed": 1, "stream_options": {}}
    others = {name: values.get(name, 1) for name in names if name not in ("model", "prompt")}

    assert request(**others).extensions == {}


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("prompt", None, None),
        ("prompt", "", "invalid_value"),
        ("prompt", [], "invalid_value"),
        ("prompt", ["a", ""], "invalid_value"),
        ("prompt", ["a", 1], "invalid_type"),
        ("prompt", {"text": "a"}, "invalid_type"),
        ("prompt", ["a"] * 17, "invalid_value"),
        ("prompt", [1, -2], "invalid_value"),
        ("prompt", [1, "a"], "invalid_type"),
        ("prompt", [[1], []], "invalid_value"),
        ("prompt", [[1], "a"], "invalid_type"),
        ("prompt", [10**6], "invalid_value"),
        ("n", 5, "invalid_value"),
        ("n", 0, "invalid_value"),
        ("best_of", 2, "unsupported_parameter"),
        ("best_of", "2", "invalid_type"),
        ("logprobs", 6, "invalid_value"),
        ("logprobs", True, "invalid_type"),
        ("max_tokens", 0, "invalid_value"),
        ("suffix", 1, "invalid_type"),
        ("echo", "yes", "invalid_type"),
        ("stop", ["a"] * (MAX_STOPS + 1), "invalid_value"),
        ("temperature", 3, "invalid_value"),
        ("stream_options", [], "invalid_type"),
        ("model", None, None),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(field: str, value: Any, code: str | None) -> None:
    error = refusal(**{field: value})

    assert (error.param, error.code) == (field, code)


def test_choices_count_for_each_prompt() -> None:
    assert refusal(prompt=["a"] * 5, n=4).param == "prompt"
    assert refusal(n=3, best_of=4).param == "best_of"
    assert request(n=3, best_of=3).n == 3
