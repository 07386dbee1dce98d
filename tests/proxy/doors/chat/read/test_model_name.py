"""The model's name: one that can be a model's, and the 404 of any other."""

from __future__ import annotations

import pytest

from tests.proxy.doors.chat.read.kit import refusal, request


@pytest.mark.parametrize("model", ["gpt-4o", "groq/a/b", "llama3.2:1b", "x@y", "m+1", "a" * 128])
def test_a_name_that_can_be_a_models_is_kept(model: str) -> None:
    assert request(model=model).model == model


@pytest.mark.parametrize(
    "model",
    [
        "x#frag",
        "../x",
        "a/../b",
        "a//b",
        "a\r\nHost: evil",
        "a\n",
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
