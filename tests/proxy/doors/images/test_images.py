"""Pictures: what may be asked, and what comes of it."""

from __future__ import annotations

import base64
from typing import Any

import openai
import pytest

from proxy.doors.frames.multipart import Form
from proxy.doors.images.edits import fields_of, sources_of
from proxy.doors.images.read import parse_request
from proxy.errors import ApiError
from tests.fakes.gemini_media import PIXEL
from tests.security.kit import Fakes


@pytest.mark.parametrize(
    ("size", "aspect"),
    [
        (None, None),
        ("auto", None),
        ("1024x1024", "1:1"),
        ("1536x1024", "3:2"),
        ("1024x1792", "9:16"),
        ("1792x1024", "16:9"),
    ],
)
def test_a_size_is_a_form(size: str | None, aspect: str | None) -> None:
    asked = parse_request({"prompt": "A cat.", "size": size, "quality": "hd", "user": "u"})

    assert (asked.request.aspect, asked.request.model) == (aspect, "default")
    assert asked.request.dropped == ("quality",)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": "x" * 32_001}, "prompt"),
        ({"n": 11}, "n"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"size": "large"}, "size"),
        ({"size": 5}, "size"),
        ({"response_format": "url"}, "response_format"),
        ({"stream": True}, "stream"),
        ({"model": 5}, "model"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_request({"prompt": "A cat.", **fields})

    assert (caught.value.status, caught.value.param) == (400, param)


def test_a_picture_comes_as_it_is_painted(client: openai.OpenAI, fakes: Fakes) -> None:
    found = client.images.generate(model="gpt-image-1", prompt="A cat.", size="1536x1024")

    assert found.data and found.usage
    assert base64.b64decode(found.data[0].b64_json or "") == base64.b64decode(PIXEL)
    assert found.usage.total_tokens == 2 + 9
    assert not [request for request in fakes.groq.requests if request.body]


def test_several_pictures_are_as_many_calls(client: openai.OpenAI, fakes: Fakes) -> None:
    found = client.images.generate(model="gpt-image-1", prompt="A cat.", n=3)

    assert found.data and found.usage and len(found.data) == 3
    assert found.usage.total_tokens == 3 * (2 + 9)
    asked = [one for one in fakes.gemini.requests if one.path.endswith(":generateContent")]
    assert [one.body for one in asked] == [asked[0].body] * 3


def test_a_picture_that_is_refused_says_why(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="I cannot paint that") as caught:
        client.images.generate(model="gemini", prompt="refuse it")

    assert caught.value.param == "prompt"


PICTURE = ("a.png", base64.b64decode(PIXEL))


def test_pictures_are_made_of_others(client: openai.OpenAI, fakes: Fakes) -> None:
    for image in (PICTURE, [PICTURE, PICTURE]):
        found = client.images.edit(
            model="gpt-image-1", prompt="A hat on it.", image=image, n=1, size="1024x1024"
        )
        assert found.data and found.data[0].b64_json
    asked = [one for one in fakes.gemini.requests if one.path.endswith(":generateContent")]
    said = [one.json["contents"][0]["parts"] for one in asked]
    shown = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
    assert said == [[*[shown] * count, {"text": "A hat on it."}] for count in (1, 2)]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"image": ("a.txt", b"words")}, "image"),
        ({"image": [PICTURE, ("a.txt", b"words")]}, "image[1]"),
        ({"image": [PICTURE] * 17}, "image"),
        ({"mask": PICTURE}, "mask"),
        ({"prompt": ""}, "prompt"),
        ({"n": 11}, "n"),
        ({"response_format": "url"}, "response_format"),
        ({"stream": True}, "stream"),
    ],
)
def test_what_is_wrong_with_an_edit_is_named(
    client: openai.OpenAI, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.edit(**{"model": "m", "prompt": "A hat.", "image": PICTURE, **fields})

    assert caught.value.param == param


def test_an_edit_needs_a_picture() -> None:
    with pytest.raises(ApiError) as caught:
        list(sources_of(Form([("prompt", "A hat.")], {})))
    assert caught.value.param == "image"
    with pytest.raises(ApiError) as caught:
        fields_of(Form([("n", "1"), ("n", "2")], {}))
    assert caught.value.param == "n"
