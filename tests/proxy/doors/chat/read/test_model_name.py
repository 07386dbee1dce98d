"""The model's name: one that can be a model's, and the 404 of any other."""

from __future__ import annotations

import pytest

from tests.proxy.doors.chat.read.kit import refusal, request


@pytest.mark.parametrize("model", ["gpt-4o", "groq/a/b", "llama3.2:1b", "x@y", "m+1", "a" * 128])
def test_a_name_that_can_be_a_models_is_kept(model: str) -> None:
    assert request(model=model).model == model


@pytest.mark.parametrize("model", [" gpt-4o ", "gpt-4o\n", "\tgpt-4o\r\n"])
def test_blanks_that_a_file_or_a_shell_leaves_around_a_name_are_no_part_of_it(model: str) -> None:
    assert request(model=model).model == "gpt-4o"


@pytest.mark.parametrize(
    "model",
    [
        "x#frag",
        "../x",
        "a/../b",
        "a//b",
        "a\r\nHost: evil",
        "\n",
        "a b",
        "a?b",
        "a%2e%2e",
        "/a",
        "http://evil",
        "\u202egpt",
        "gpt-\uff14",
        "a" * 129,
        "",
        "a\x00",
        "<img src=x>",
    ],
    ids=ascii,
)
def test_a_name_that_cannot_be_a_models_is_404(model: str) -> None:
    error = refusal(model=model)

    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    assert "\n" not in error.message and "\u202e" not in error.message
