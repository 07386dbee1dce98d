"""The `openai` Python SDK at its Responses, in whichever version runs this."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
from pydantic import BaseModel

from tests.clients import scenarios as s
from tests.clients.scenarios import Check, Models

TOOL: Any = {
    "type": "function",
    "name": "weather",
    "description": "Tells the weather",
    "parameters": s.WEATHER,
    "strict": True,
}


class Home(BaseModel):
    city: str


class Person(BaseModel):
    name: str
    age: int
    home: Home


def checks_of(client: openai.OpenAI) -> dict[str, Check]:
    """Every check, by name; each takes a provider's models and gives what the client saw."""
    responses: Any = client.responses
    return _plain_checks(responses) | _tool_checks(responses) | _kept_checks(client)


def _plain_checks(responses: Any) -> dict[str, Check]:
    def plain(models: Models) -> Any:
        answer = responses.create(model=models["chat"], input=s.PLAIN, instructions="Be brief.")
        assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
        assert (answer.status, answer.store, answer.instructions) == (
            *("completed", True, "Be brief."),
        )
        return answer.output_text

    def stream(models: Models) -> Any:
        with responses.stream(model=models["chat"], input=s.PLAIN) as events:
            text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
            assert events.get_final_response().output_text == text
        return text

    def image(models: Models) -> Any:
        parts = [
            {"type": "input_text", "text": "See?"},
            {"type": "input_image", "image_url": s.DATA_URI, "detail": "auto"},
        ]
        asked = [{"role": "user", "content": parts}]
        return responses.create(model=models["vision"], input=asked).output_text.rpartition(" of ")[
            2
        ]

    def structured(models: Models) -> Any:
        answer = responses.parse(model=models["schema"], input=s.PERSON, text_format=Person)
        return answer.output_parsed.model_dump()

    def structured_stream(models: Models) -> Any:
        ask = {"model": models["schema"], "input": s.PERSON, "text_format": Person}
        with responses.stream(**ask) as events:
            return events.get_final_response().output_parsed.model_dump()

    def reasoning(models: Models) -> Any:
        ask = {"model": models["thinking"], "input": s.PLAIN}
        answer = responses.create(reasoning={"effort": "low", "summary": "auto"}, **ask)
        assert answer.output_text == s.EXPECTED["plain"]
        found = [item for item in answer.output if item.type == "reasoning"]
        return "".join(part.text for item in found for part in item.summary)

    def cut(models: Models) -> Any:
        ask = {"model": models["chat"], "input": "one two three four"}
        answer = responses.create(max_output_tokens=3, **ask)
        return [answer.status, answer.incomplete_details.reason]

    return {
        "plain": plain,
        "stream": stream,
        "unicode": lambda models: (
            responses.create(model=models["chat"], input=s.UNICODE).output_text
        ),
        "image": image,
        "structured": structured,
        "structured_stream": structured_stream,
        "reasoning": reasoning,
        "cut": cut,
    }


# -- tools ------------------------------------------------------------------------------------


def _results(output: Any) -> list[Any]:
    calls = [item for item in output if item.type == "function_call"]
    assert len({call.call_id for call in calls}) == 2
    return [
        {
            "type": "function_call_output",
            "call_id": call.call_id,
            "output": s.weather(json.loads(call.arguments)["city"]),
        }
        for call in calls
    ]


def _tool_checks(responses: Any) -> dict[str, Check]:
    def turn(streamed: bool, **ask: Any) -> Any:
        if not streamed:
            return responses.create(tools=[TOOL], **ask)
        with responses.stream(tools=[TOOL], **ask) as events:
            return events.get_final_response()

    def by_input(models: Models, *, streamed: bool) -> Any:
        talk: list[Any] = [{"role": "user", "content": s.CITIES}]
        first = turn(streamed, model=models["tools"], input=talk, store=False)
        # The client's own objects, with all that came in them.
        talk += [*first.output, *_results(first.output)]
        return turn(streamed, model=models["tools"], input=talk, store=False).output_text

    def by_id(models: Models, *, streamed: bool) -> Any:
        first = turn(streamed, model=models["tools"], input=s.CITIES)
        ask = {"input": _results(first.output), "previous_response_id": first.id}
        return turn(streamed, model=models["tools"], **ask).output_text

    def sealed(models: Models) -> Any:
        """Thoughts go along in `encrypted_content`, with what the provider must have back."""
        ask: Any = {
            "model": models["tools"],
            "tools": [TOOL],
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "reasoning": {"summary": "auto"},
        }
        talk: list[Any] = [{"role": "user", "content": s.CITIES}]
        first = responses.create(input=talk, **ask)
        thoughts = [item for item in first.output if item.type == "reasoning"]
        assert all(item.encrypted_content for item in thoughts) and thoughts
        talk += [*first.output, *_results(first.output)]
        return responses.create(input=talk, **ask).output_text

    def searched(models: Models, *, streamed: bool) -> Any:
        """A search beside functions, which is left out where there is none."""
        tools = [TOOL, {"type": "web_search"}]
        ask = {"model": models["tools"], "input": s.WEB, "tools": tools}
        if streamed:
            with responses.stream(**ask) as events:
                answer = events.get_final_response()
        else:
            answer = responses.create(**ask)
        texts = [item for item in answer.output if item.type == "message"]
        cited = [one.url for one in texts[0].content[0].annotations]
        return [*cited, *(item.status for item in answer.output if item.type == "web_search_call")]

    return {
        "searched": lambda models: searched(models, streamed=False),
        "searched_stream": lambda models: searched(models, streamed=True),
        "tools": lambda models: by_input(models, streamed=False),
        "tools_stream": lambda models: by_input(models, streamed=True),
        "tools_by_id": lambda models: by_id(models, streamed=False),
        "tools_by_id_stream": lambda models: by_id(models, streamed=True),
        "tools_sealed": sealed,
    }


# -- what is kept -----------------------------------------------------------------------------


def _kept_checks(client: openai.OpenAI) -> dict[str, Check]:
    responses: Any = client.responses

    def kept(models: Models) -> Any:
        first = responses.create(model=models["chat"], input=s.PLAIN)
        assert responses.retrieve(first.id).output_text == first.output_text
        [item] = responses.input_items.list(first.id)
        responses.delete(first.id)
        return [item.content[0].text, _refused(lambda: responses.retrieve(first.id))]

    def not_kept(models: Models) -> Any:
        first = responses.create(model=models["chat"], input=s.PLAIN, store=False)
        ask = {"model": models["chat"], "input": "b", "previous_response_id": first.id}
        return _refused(lambda: responses.create(**ask))

    def counted(models: Models) -> Any:
        return responses.input_tokens.count(model=models["chat"], input=s.PLAIN).input_tokens > 0

    def bad_request(models: Models) -> Any:
        return _refused(
            lambda: responses.create(model=models["chat"], input=s.PLAIN, temperature=s.HOT)
        )

    def unknown_model(models: Models) -> Any:
        name = s.UNKNOWN_MODEL[models["chat"].partition("/")[0]]
        return _refused(lambda: responses.create(model=name, input=s.PLAIN))

    return {
        "kept": kept,
        "not_kept": not_kept,
        "counted": counted,
        "bad_request": bad_request,
        "unknown_model": unknown_model,
    }


def _refused(ask: Callable[[], Any]) -> Any:
    try:
        ask()
    except openai.APIStatusError as error:
        return [error.status_code, error.code]
    return None


TOOLS = s.EXPECTED["tools"]
SEARCHED = ["https://news.example/today", "completed"]
EXPECTED: dict[str, Any] = {
    "searched": {"groq": SEARCHED, "gemini": SEARCHED, "ollama": []},
    "searched_stream": {"groq": SEARCHED, "gemini": SEARCHED, "ollama": []},
    **{name: s.EXPECTED[name] for name in ("plain", "stream", "unicode", "image", "reasoning")},
    "structured": s.EXPECTED["structured"],
    "structured_stream": s.EXPECTED["structured"],
    "cut": ["incomplete", "max_output_tokens"],
    "tools": TOOLS,
    "tools_stream": TOOLS,
    "tools_by_id": TOOLS,
    "tools_by_id_stream": TOOLS,
    "tools_sealed": TOOLS,
    "kept": [s.PLAIN, [404, None]],
    "not_kept": [400, "previous_response_not_found"],
    "counted": True,
    "bad_request": [400, "invalid_value"],
    "unknown_model": [404, "model_not_found"],
}
