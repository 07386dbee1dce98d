"""The `anthropic` Python SDK, in whichever version runs this."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
from pydantic import BaseModel

from tests.clients import scenarios as s
from tests.clients.scenarios import Check, Models

TOOL: Any = {"name": "weather", "description": "Tells the weather", "input_schema": s.WEATHER}
ASK: Any = {"max_tokens": 4000}
THINK: Any = {"type": "enabled", "budget_tokens": 2048}


class Home(BaseModel):
    city: str


class Person(BaseModel):
    name: str
    age: int
    home: Home


def user(content: Any) -> Any:
    return {"role": "user", "content": content}


def client_of(base_url: str) -> anthropic.Anthropic:
    url = base_url.removesuffix("/v1")
    return anthropic.Anthropic(base_url=url, api_key="app-tests", max_retries=0, timeout=20)


def checks_of(client: anthropic.Anthropic) -> dict[str, Check]:
    """Every check, by name; each takes a provider's models and gives what the client saw."""
    create: Callable[..., Any] = client.messages.create
    return _plain_checks(client, create) | _tool_checks(client, create) | _other_checks(client)


def _text(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def _streamed(client: anthropic.Anthropic, **asked: Any) -> Any:
    with client.messages.stream(**ASK, **asked) as stream:
        return stream.get_final_message()


def _plain_checks(client: anthropic.Anthropic, create: Callable[..., Any]) -> dict[str, Check]:
    def plain(models: Models) -> Any:
        answer = create(**ASK, model=models["chat"], messages=[user(s.PLAIN)])
        assert (answer.stop_reason, answer.model) == ("end_turn", models["chat"])
        assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0
        return _text(answer)

    def stream(models: Models) -> Any:
        answer = _streamed(client, model=models["chat"], messages=[user(s.PLAIN)])
        assert answer.stop_reason == "end_turn" and answer.usage.output_tokens > 0
        return _text(answer)

    def unicode(models: Models) -> Any:
        asked: Any = {"model": models["chat"], "messages": [user(s.UNICODE)]}
        whole = _text(create(**ASK, **asked))
        assert whole == _text(_streamed(client, **asked))
        return whole

    def image(models: Models) -> Any:
        source = {"type": "base64", "media_type": "image/png", "data": s.PNG}
        parts = [{"type": "text", "text": "See?"}, {"type": "image", "source": source}]
        answer = create(**ASK, model=models["vision"], messages=[user(parts)])
        return _text(answer).rpartition(" of ")[2]

    def limits(models: Models) -> Any:
        talk = [user("one"), {"role": "system", "content": "Be kind."}, user("two three four")]
        ask = {"model": models["chat"], "messages": talk, "system": "Be brief."}
        cut = create(max_tokens=3, extra_body={"temperature": 0.5, "top_k": 5}, **ask)
        stops = ["three", "a", "b", "c", "d", "e"]
        stopped = create(max_tokens=50, stop_sequences=stops, **ask)
        return [cut.stop_reason, stopped.stop_reason, "three" in _text(stopped)]

    return {"plain": plain, "stream": stream, "unicode": unicode, "image": image, "limits": limits}


def _tool_checks(client: anthropic.Anthropic, create: Callable[..., Any]) -> dict[str, Check]:
    def loop(models: Models, ask: Callable[..., Any], **more: Any) -> Any:
        talk = [user(s.CITIES)]
        first = ask(model=models["tools"], messages=talk, tools=[TOOL], **more)
        calls = [block for block in first.content if block.type == "tool_use"]
        assert first.stop_reason == "tool_use" and len({call.id for call in calls}) == len(calls)
        results = [
            {"type": "tool_result", "tool_use_id": one.id, "content": s.weather(**one.input)}
            for one in calls
        ]
        talk += [{"role": "assistant", "content": first.content}, user(results)]
        return _text(ask(model=models["tools"], messages=talk, tools=[TOOL], **more))

    def tools(models: Models) -> Any:
        return loop(models, lambda **asked: create(**ASK, **asked))

    def tools_stream(models: Models) -> Any:
        return loop(models, lambda **asked: _streamed(client, **asked))

    def tools_thinking(models: Models) -> Any:
        return loop(models, lambda **asked: _streamed(client, **asked), thinking=THINK)

    def runner(models: Models) -> Any:
        @anthropic.beta_tool
        def weather(city: str) -> str:
            """Tells the weather.

            Args:
                city: Its name in English
            """
            return s.weather(city)

        asked: Any = {"model": models["tools"], "messages": [user(s.CITIES)], "tools": [weather]}
        return _text(client.beta.messages.tool_runner(**ASK, **asked).until_done())

    def image_result(models: Models) -> Any:
        source = {"type": "base64", "media_type": "image/png", "data": s.PNG}
        call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
        seen = [{"type": "text", "text": "seen"}, {"type": "image", "source": source}]
        result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": seen}
        talk = [user("Look."), {"role": "assistant", "content": [call]}, user([result])]
        answer = create(**ASK, model=models["vision"], messages=talk)
        return _text(answer).rpartition(" of ")[2]

    return {
        "tools": tools,
        "tools_stream": tools_stream,
        "tools_thinking": tools_thinking,
        "runner": runner,
        "image_result": image_result,
    }


def _other_checks(client: anthropic.Anthropic) -> dict[str, Check]:
    def structured(models: Models) -> Any:
        asked: Any = {"model": models["schema"], "messages": [user(s.PERSON)]}
        parsed: Any = client.messages.parse(**ASK, **asked, output_format=Person)
        return parsed.parsed_output.model_dump()

    def reasoning(models: Models) -> Any:
        asked: Any = {"model": models["thinking"], "messages": [user(s.PLAIN)]}
        first, *rest = _streamed(client, **asked, thinking=THINK).content
        assert first.signature and [block.type for block in rest] == ["text"]
        assert [block.type for block in _streamed(client, **asked).content] == ["text"]
        return first.thinking

    def errors(models: Models) -> Any:
        seen = []
        asked: Any = {"messages": [user("x")], "max_tokens": 9}
        wrong: Any = ({"extra_body": {"temperature": s.HOT}}, {"model": models["unknown"]})
        for changed in wrong:
            try:
                client.messages.create(**({"model": models["chat"]} | asked | changed))
            except anthropic.APIStatusError as error:
                assert error.request_id
                seen.append([type(error).__name__, error.body["error"]["type"]])  # type: ignore[index] # its envelope
        return seen

    return {"structured": structured, "reasoning": reasoning, "errors": errors}


EXPECTED: dict[str, Any] = {
    **{name: s.EXPECTED[name] for name in ("plain", "stream", "unicode", "image", "tools")},
    "tools_stream": s.EXPECTED["tools"],
    "tools_thinking": s.EXPECTED["tools"],
    "runner": s.EXPECTED["tools"],
    "image_result": s.EXPECTED["image"],
    "limits": ["max_tokens", "end_turn", False],
    "structured": s.EXPECTED["structured"],
    "reasoning": s.EXPECTED["reasoning"],
    "errors": [
        ["BadRequestError", "invalid_request_error"],
        ["NotFoundError", "not_found_error"],
    ],
}
