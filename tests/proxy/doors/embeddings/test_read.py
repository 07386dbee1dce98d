"""What a client may ask of /v1/embeddings, and by which name each fault is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from proxy.doors.embeddings.read import MAX_INPUTS, parse_request
from proxy.errors import ApiError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def refused(**fields: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parse_request({"model": "m", "input": "x", **fields})
    assert caught.value.status == 400
    return caught.value


def test_a_text_and_a_list_of_texts_are_read() -> None:
    for told, texts in (("x", ("x",)), (["x", "y"], ("x", "y")), (["x"] * MAX_INPUTS, None)):
        parsed = parse_request({"model": "m", "input": told})

        assert parsed.request.texts == (texts or tuple(told))
        assert not parsed.stream and not parsed.in_base64


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ([15339, 1917], "hello world"),
        ([42, 3029, 2312, 13], "Köln."),
        ([9468, 99, 232], "🦊"),
    ],
)
def test_tokens_are_read_as_the_text_that_they_are_of(tokens: list[int], text: str) -> None:
    for told in (tokens, [tokens], [tokens, "x"]):
        assert parse_request({"model": "m", "input": told}).request.texts[0] == text


def test_the_rest_of_the_body_is_read() -> None:
    parsed = parse_request(
        {
            "model": "text-embedding-3-small",
            "input": "x",
            "dimensions": 64,
            "encoding_format": "base64",
            "user": "u",
            "task_type": "CLUSTERING",
            "pointsman": {"fallback": False},
        }
    )
    request = parsed.request

    assert (request.dimensions, request.expected, parsed.in_base64) == (64, 1536, True)
    assert request.extensions["task_type"] == "CLUSTERING" and "user" not in request.extensions
    assert parsed.own == {"fallback": False}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": ""}, "input[0]"),
        ({"input": []}, "input"),
        ({"input": {}}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["x", ""]}, "input[1]"),
        ({"input": ["x", 5]}, "input[1]"),
        ({"input": [True]}, "input[0]"),
        ({"input": ["x"] * (MAX_INPUTS + 1)}, "input"),
        ({"input": [1, -2]}, "input[0]"),
        ({"input": [1, True]}, "input[0]"),
        ({"input": [1, "x"]}, "input[0]"),
        ({"input": ["x", [100_256]]}, "input[1]"),
        ({"input": [[2**70]]}, "input[0]"),
        ({"input": [[]]}, "input[0]"),
        ({"input": [[1.5]]}, "input[0]"),
        ({"input": [[[1]]]}, "input[0]"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": 1.5}, "dimensions"),
        ({"dimensions": True}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"encoding_format": 5}, "encoding_format"),
        ({"user": 5}, "user"),
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).param == param


@given(st.dictionaries(st.sampled_from(["input", "dimensions", "encoding_format"]), VALUES))
def test_nothing_but_a_refusal_comes_of_any_body(fields: dict[str, Any]) -> None:
    try:
        parse_request({"model": "m", **fields})
    except ApiError as error:
        assert error.status == 400 and error.param
