"""What is at fault, by the names of a Responses client."""

from __future__ import annotations

import pytest

from proxy.doors.responses.places import in_own_words, place_of
from proxy.errors import ApiError

PLACES = {1: "input[4]", 2: ["input[5].output", "input[5].output[1]"], 3: "previous[0]"}


@pytest.mark.parametrize(
    ("param", "place"),
    [
        ("messages[1].content[2].image_url.url", "input[4].content[2].image_url"),
        ("messages[1].content[0]", "input[4].content[0]"),
        ("messages[2].content[1].file.file_url", "input[5].output[1].file_url"),
        ("messages[2].content[7]", "input"),
        ("messages[3].content[0]", "input"),
        ("messages[9].content[0]", "input"),
        ("messages", "input"),
        ("max_tokens", "max_output_tokens"),
        ("response_format", "text.format"),
        ("web_search_options", "tools"),
        ("temperature", "temperature"),
    ],
)
def test_a_place_is_where_the_client_has_it(param: str, place: str) -> None:
    assert place_of(param, PLACES) == place


def test_the_sentence_names_the_same_place() -> None:
    error = ApiError(
        400, "m cannot see images (messages[1].content[0]).", param="messages[1].content[0]"
    )
    told = in_own_words(error, PLACES)

    assert (told.param, told.message) == (
        "input[4].content[0]",
        "m cannot see images (input[4].content[0]).",
    )
    assert in_own_words(ApiError(500, "No."), PLACES).param is None
