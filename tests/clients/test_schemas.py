"""Schemas as apps write them: no provider refuses one, and the answers fit them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal

import openai
import pytest
from pydantic import BaseModel, ConfigDict, Field

from tests.clients import scenarios


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    good: Literal[True] = True


class Zoo(BaseModel):
    """Unions, enums, limits, defaults, nulls, dates, maps: what pydantic writes for them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "x"}]})

    name: Annotated[str, Field(min_length=1, max_length=50, pattern=r"^\w+$", examples=["a"])]
    pet: Annotated[Cat | Dog, Field(discriminator="kind", description="The animal")]
    colour: Colour = Colour.BLUE
    level: Level
    born: date | None = None
    size: Annotated[float, Field(gt=0, le=100, multiple_of=0.5)]
    tags: Annotated[list[str], Field(min_length=1, max_length=3)] = ["x"]
    extra: dict[str, int] = {}
    pair: tuple[int, str] | None = None


class Node(BaseModel):
    """A schema that refers to itself."""

    name: str
    children: list[Node] = []
    parent: Node | None = None


SCHEMAS: dict[str, dict[str, Any]] = {
    "zoo": Zoo.model_json_schema(),
    "cyclic": Node.model_json_schema(),
    "empty": {"type": "object"},
    "no type": {"properties": {"a": {"description": "anything"}}},
    "old words": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "definitions": {"Name": {"type": "string"}},
        "properties": {
            "name": {"$ref": "#/definitions/Name", "description": "beside a reference"},
            "either": {"type": ["string", "integer", "null"], "default": None},
            "all": {"allOf": [{"type": "object", "properties": {"x": {"type": "integer"}}}]},
            "never": {"not": {"type": "string"}, "type": "integer", "exclusiveMinimum": 0},
            "mixed": {"enum": ["a", 1, None, True]},
            "const": {"const": "fixed"},
            "if": {"type": "string", "if": {"minLength": 1}, "then": {"maxLength": 9}},
        },
        "patternProperties": {"^x-": {"type": "string"}},
        "dependentRequired": {"either": ["all"]},
        "required": ["name", "missing"],
        "additionalProperties": {"type": "string"},
    },
}


@pytest.fixture
def client(base_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=base_url, api_key="app-x", max_retries=0, timeout=20) as client:
        yield client


@pytest.mark.parametrize("provider", scenarios.MODELS)
@pytest.mark.parametrize("name", SCHEMAS)
def test_a_tool_may_have_the_schema(client: openai.OpenAI, provider: str, name: str) -> None:
    function: Any = {"name": "keep.it-1", "parameters": SCHEMAS[name]}
    messages: list[Any] = [{"role": "user", "content": 'Keep "Ada".'}]
    ask: Any = {
        "model": scenarios.MODELS[provider]["tools"],
        "tools": [{"type": "function", "function": {**function, "strict": True}}],
        "tool_choice": "required",
    }
    create = client.chat.completions.create
    message = create(messages=messages, **ask).choices[0].message
    [call] = message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "keep.it-1"
    assert isinstance(json.loads(call.function.arguments), dict)
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": '{"$ref": "#/x"}'}]
    answer = create(messages=messages, **{**ask, "tool_choice": "none"})
    assert answer.choices[0].message.tool_calls is None


@pytest.mark.parametrize("provider", scenarios.MODELS)
@pytest.mark.parametrize("role", ["schema", "chat"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("strict", [False, True])
def test_an_answer_may_have_to_fit_the_zoo(
    client: openai.OpenAI, provider: str, role: str, stream: bool, strict: bool
) -> None:
    described = {"name": "zoo", "schema": SCHEMAS["zoo"], "strict": strict}
    create: Any = client.chat.completions.create
    answer = create(
        model=scenarios.MODELS[provider][role],
        messages=[{"role": "user", "content": 'Describe "Ada".'}],
        response_format={"type": "json_schema", "json_schema": described},
        stream=stream,
    )
    if stream:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in answer)
    else:
        text = answer.choices[0].message.content
    value = json.loads(text)
    assert (value["name"], value["pet"]["kind"], value["level"]) == ("Ada", "cat", 1)


@pytest.mark.parametrize("provider", scenarios.MODELS)
def test_tools_and_a_structured_answer_go_together(client: openai.OpenAI, provider: str) -> None:
    tool: Any = {"name": "weather", "parameters": scenarios.WEATHER}
    person = {"name": "person", "schema": Node.model_json_schema()}
    create: Any = client.chat.completions.create
    for role in ("schema", "tools"):
        answer = create(
            model=scenarios.MODELS[provider][role],
            messages=[{"role": "user", "content": "Describe Ada."}],
            tools=[{"type": "function", "function": tool}],
            response_format={"type": "json_schema", "json_schema": person},
        )
        assert set(json.loads(answer.choices[0].message.content or "")) >= {"name"}
