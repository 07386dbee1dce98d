"""Google's own client at its door, over each of the providers."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from tests.clients import scenarios as s
from tests.clients.conftest import Fakes
from tests.fakes.gemini_config import KEPT

pytestmark = pytest.mark.clients

EACH = pytest.mark.parametrize("models", s.MODELS.values(), ids=s.MODELS)


class Home(BaseModel):
    city: str


class Person(BaseModel):
    name: str
    age: int
    home: Home


def weather(city: str) -> str:
    """Tells the weather."""
    return s.weather(city)


@pytest.fixture
def client(base_url: str) -> Iterator[genai.Client]:
    options = types.HttpOptions(
        base_url=base_url.removesuffix("/v1"), client_args={"trust_env": False}
    )
    with genai.Client(api_key="app-tests", http_options=options) as made:
        yield made


def said(pieces: Any, *, thought: bool = False) -> str:
    parts = [part for piece in pieces for part in piece.candidates[0].content.parts or ()]
    return "".join(part.text or "" for part in parts if bool(part.thought) is thought)


@EACH
def test_text(client: genai.Client, models: s.Models) -> None:
    asked: Any = {"model": models["chat"], "contents": s.UNICODE}
    whole = client.models.generate_content(**asked)
    *_, last = pieces = list(client.models.generate_content_stream(**asked))

    assert whole.text == said(pieces) == s.EXPECTED["unicode"]
    for one in (whole, last):
        assert one.candidates and one.candidates[0].finish_reason == types.FinishReason.STOP
        assert one.usage_metadata and one.usage_metadata.candidates_token_count
    counted = client.models.count_tokens(**asked)
    assert counted.total_tokens and 5 < counted.total_tokens < 60


@EACH
@pytest.mark.parametrize("stream", [False, True])
def test_a_loop_that_the_client_runs(
    client: genai.Client, models: s.Models, fakes: Fakes, stream: bool
) -> None:
    chat = client.chats.create(model=models["tools"], config={"tools": [weather]})
    if stream:
        text = said(chat.send_message_stream(s.CITIES))
    else:
        text = chat.send_message(s.CITIES).text or ""

    # Gemini gets a result as this client wraps it; the others get what is in it.
    assert text.replace('{"result": "', "").replace('"}', "") == s.EXPECTED["tools"]
    if models["tools"].startswith("gemini/"):
        parts = json.loads(fakes.gemini.requests[-1].body)["contents"][1]["parts"]
        signatures = [part.get("thoughtSignature") for part in parts if "functionCall" in part]
        assert signatures[0] and not signatures[0].startswith("skip_")


@EACH
@pytest.mark.parametrize("stream", [False, True])
def test_a_loop_by_hand(client: genai.Client, models: s.Models, stream: bool) -> None:
    schema: Any = {"name": "weather", "parameters_json_schema": s.WEATHER}
    config: Any = {
        "tools": [{"function_declarations": [schema]}],
        "thinking_config": {"include_thoughts": True},
    }
    talk: list[Any] = [types.UserContent(s.CITIES)]
    ask = client.models.generate_content_stream if stream else client.models.generate_content
    answer: Any = ask(model=models["tools"], contents=talk, config=config)
    talk += [piece.candidates[0].content for piece in (answer if stream else [answer])]
    calls = [part.function_call for content in talk[1:] for part in content.parts or ()
             if part.function_call]  # fmt: skip
    assert [call.args for call in calls] == [{"city": "Paris"}, {"city": "Rome"}]
    results: Any = [
        types.Part.from_function_response(name=call.name, response={"output": weather(**call.args)})
        for call in calls
    ]
    talk.append(types.UserContent(results))

    last = client.models.generate_content(model=models["tools"], contents=talk, config=config)
    assert last.text == s.EXPECTED["tools"]


@EACH
def test_thoughts(client: genai.Client, models: s.Models) -> None:
    asked: Any = {"model": models["thinking"], "contents": s.PLAIN}
    config: Any = {"thinking_config": {"include_thoughts": True}}
    whole = client.models.generate_content(**asked, config=config)
    pieces = list(client.models.generate_content_stream(**asked, config=config))

    for answer in ([whole], pieces):
        assert said(answer, thought=True) == s.EXPECTED["reasoning"]
        assert said(answer) == s.EXPECTED["plain"]
    assert said([client.models.generate_content(**asked)], thought=True) == ""


@EACH
def test_an_image(client: genai.Client, models: s.Models) -> None:
    image = types.Part.from_bytes(data=base64.b64decode(s.PNG), mime_type="image/png")
    asked: Any = {"model": models["vision"], "contents": ["What is it?", image]}

    assert s.EXPECTED["image"] in (client.models.generate_content(**asked).text or "")


@EACH
@pytest.mark.parametrize("stream", [False, True])
def test_a_schema(client: genai.Client, models: s.Models, stream: bool) -> None:
    config: Any = {"response_mime_type": "application/json", "response_schema": Person}
    asked: Any = {"model": models["schema"], "contents": s.PERSON, "config": config}
    if stream:
        assert (
            json.loads(said(client.models.generate_content_stream(**asked)))
            == (s.EXPECTED["structured"])
        )
        return
    parsed: Any = client.models.generate_content(**asked).parsed
    assert parsed.model_dump() == s.EXPECTED["structured"]


def test_refusals(client: genai.Client) -> None:
    hot: Any = {"temperature": s.HOT}
    for provider, models in s.MODELS.items():
        for asked, told in (
            ({"model": models["chat"], "config": hot}, (400, "INVALID_ARGUMENT")),
            ({"model": s.UNKNOWN_MODEL[provider]}, (404, "NOT_FOUND")),
        ):
            for ask in (client.models.generate_content, client.models.generate_content_stream):
                with pytest.raises(errors.ClientError) as caught:
                    list(ask(contents=s.PLAIN, **asked))  # type: ignore[operator]
                assert (caught.value.code, caught.value.status) == told


def test_kept_contents_are_for_google_alone(client: genai.Client, fakes: Fakes) -> None:
    kept: Any = {"cached_content": KEPT}
    for model in (s.MODELS["gemini"]["chat"], "any-model"):  # the preferred one is another
        answer = client.models.generate_content(model=model, contents=s.PLAIN, config=kept)
        assert answer.text == s.EXPECTED["plain"]
        sent = [told for told in fakes.gemini.requests if told.method == "POST"][-1]
        assert sent.json["cachedContent"] == KEPT

    gone: Any = {"cached_content": "cachedContents/gone"}
    for model, config, words in (
        (s.MODELS["groq"]["chat"], kept, "gemini could"),
        (s.MODELS["gemini"]["chat"], gone, "CachedContent not found"),
    ):
        with pytest.raises(errors.ClientError, match=words) as caught:
            client.models.generate_content(model=model, contents=s.PLAIN, config=config)
        assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
    client.models.generate_content(model=s.MODELS["gemini"]["chat"], contents=s.PLAIN)


def test_models_are_listed_and_shown(client: genai.Client) -> None:
    names = [model.name or "" for model in client.models.list()]

    assert len(names) > 3
    for name in names:
        assert client.models.get(model=name).name == name
