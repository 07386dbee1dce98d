"""What of a request's fields becomes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.base import Json, ResponseFormat, Thinking
from adapters.tasks import CompletionRequest
from proxy.doors.door import Call
from proxy.doors.ollama import OllamaChat, OllamaGenerate
from proxy.errors import ApiError
from proxy.reply import Reply
from tests.proxy.doors.ollama.kit import PNG, asked, chat, generate

USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "f"}}


def test_a_request_streams_unless_it_says_otherwise() -> None:
    assert [asked(stream=told).stream for told in (None, True, False)] == [True, True, False]


def test_the_name_is_kept_as_it_was_sent_and_asked_for_without_latest() -> None:
    for name in ("llama3.2:latest", "llama3.2", "groq/openai/gpt-oss-20b", "hf.co/a/b:Q4_K_M"):
        found = chat(model=name, messages=[USER])
        assert (found.name, found.request.model) == (name, name.removesuffix(":latest"))


def test_options_become_parameters_and_go_to_a_real_server_as_they_came() -> None:
    options: Json = {"temperature": 3, "top_p": 0.5, "seed": 42.0, "frequency_penalty": -9}
    options |= {"top_k": 7, "num_predict": 5, "stop": "x", "num_gpu": 3, "repeat_penalty": 1.2}
    options["min_p"] = None
    request = asked(options=options)

    assert (request.max_tokens, request.stop) == (5, ("x",))
    assert request.params == {
        "temperature": 2,
        "top_p": 0.5,
        "frequency_penalty": -2,
        "seed": 42,
    }
    given = {**options, "stop": ["x"]}
    del given["min_p"]
    assert request.extensions == {
        "top_k": 7,
        "repeat_penalty": 1.2,
        "ollama": {"options": given},
    }


def test_no_limit_is_none() -> None:
    for most in (-1, -2, 0):
        assert asked(options={"num_predict": most}).max_tokens is None


def test_nulls_and_empty_things_stand_for_nothing() -> None:
    nulls = {"options": {}, "think": None, "format": None, "keep_alive": None, "tools": None}
    assert asked(**nulls) == asked()
    assert asked(format="", think="", tools=[]) == asked()


def test_thinking_is_what_the_client_says() -> None:
    expected: dict[Any, Thinking] = {
        True: Thinking(include=True),
        False: Thinking(effort="none", include=False),
        "high": Thinking(effort="high", include=True),
        "max": Thinking(effort="max", include=True),
    }
    for told, thinking in expected.items():
        request = asked(think=told)
        assert (request.thinking, request.extensions["think"]) == (thinking, told)
    assert asked().thinking == Thinking()


def test_formats_are_json_or_a_schema() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}

    assert asked(format="json").response_format == ResponseFormat()
    assert asked(format=schema).response_format == ResponseFormat(schema=schema)


def test_tools_are_taken_as_they_are() -> None:
    bare: Any = {"function": {"name": "f", "description": None, "parameters": {"type": None}}}
    request = asked(tools=[bare, TOOL])

    assert request.tools == [
        {"type": "function", "function": {"name": "f", "parameters": {"type": None}}},
        TOOL,
    ]


def test_what_only_a_real_server_knows_goes_along() -> None:
    request = asked(keep_alive="5m", truncate=False, shift=True, logprobs=True, top_logprobs=3)

    assert request.extensions == {"keep_alive": "5m", "truncate": False, "shift": True}
    assert request.params == {"logprobs": True, "top_logprobs": 3}


def test_a_prompt_is_a_chat() -> None:
    request = generate(system="Be short.", images=[PNG]).request

    assert request.messages[0] == {"role": "system", "content": "Be short."}
    kinds = [part["type"] for part in request.messages[1]["content"]]
    assert kinds == ["text", "image_url"]


def test_what_was_said_comes_back_by_the_numbers_of_its_context() -> None:
    from proxy.doors.ollama.context import numbers_of

    numbers = numbers_of([("user", "My cat is Tom."), ("assistant", "Noted é😀.")])
    found = generate(prompt="Who is it?", context=numbers)

    assert [message["content"] for message in found.request.messages] == [
        "My cat is Tom.",
        "Noted é😀.",
        "Who is it?",
    ]
    assert found.said and found.said[-1] == ("user", "Who is it?")
    assert "context" not in found.request.extensions


def test_a_context_of_a_real_server_goes_back_to_one() -> None:
    foreign: list[list[int]] = [[1, 2, 3], [2**60, -4], [0, *b"pmn1", 999], [0, *b"pmn1", 5]]
    for numbers in foreign:
        assert generate(context=numbers).request.extensions["context"] == numbers


def test_what_no_cloud_has_is_told_as_it_came() -> None:
    found = generate(template="{{ .Prompt }}", system="Be short.").request.extensions
    filled = generate(suffix="end", system="Be short.").request
    raw = generate(raw=True)

    assert found == {"template": "{{ .Prompt }}"}
    assert isinstance(filled, CompletionRequest)
    assert (filled.suffix, filled.prompts, len(filled.messages)) == ("end", ("Hi",), 2)
    assert raw.request.extensions == {"raw": True}
    assert raw.said is None  # no context then


@pytest.mark.parametrize(
    ("door", "data", "reason"),
    [
        (OllamaChat(), {"messages": []}, "load"),
        (OllamaChat(), {}, "load"),
        (OllamaChat(), {"messages": [], "keep_alive": 0}, "unload"),
        (OllamaChat(), {"messages": [], "keep_alive": "0s"}, "unload"),
        (OllamaGenerate(), {"prompt": ""}, "load"),
        (OllamaGenerate(), {"keep_alive": "10m"}, "load"),
        (OllamaGenerate(), {"keep_alive": 0}, "unload"),
    ],
)
def test_loading_asks_nobody(door: Any, data: dict[str, Any], reason: str) -> None:
    told = door.read(Call(json.dumps({"model": "m:latest", **data}).encode()))

    assert isinstance(told, Reply) and told.status == 200
    body = json.loads(told.body)
    assert (body["done"], body["done_reason"], body["model"]) == (True, reason, "m:latest")
    assert body.get("response", body.get("message", {}).get("content")) == ""


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"model": None}, "model is required"),
        ({"model": "../etc"}, "model '../etc' not found"),
        ({"options": {"temperature": "hot"}}, 'option "temperature" must be of type float32'),
        ({"options": {"num_ctx": True}}, 'option "num_ctx" must be of type integer'),
        ({"options": {"stop": 1}}, 'option "stop" must be of type array'),
        ({"format": "yaml"}, "invalid format: 'yaml'; expected"),
        ({"think": "hard"}, "invalid think value"),
        ({"keep_alive": "soon"}, 'time: invalid duration "soon"'),
        ({"raw": True, "system": "Be."}, "raw mode does not support template, system, or context"),
        ({"context": ["a"]}, "'context' must be a list of integers."),
        ({"images": ["no image"]}, "'images[0]' is no image"),
        ({"stream": "yes"}, "'stream' must be true or false."),
    ],
)
def test_refusals_are_in_the_servers_words(data: dict[str, Any], words: str) -> None:
    with pytest.raises(ApiError) as caught:
        generate(**data)

    assert words in caught.value.message
    assert caught.value.status == (404 if "not found" in words else 400)
