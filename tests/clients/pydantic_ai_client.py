"""pydantic-ai over its models for OpenAI's chat and Responses."""

from __future__ import annotations

import asyncio
import base64
import sys
from typing import Any

from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, NativeOutput
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ThinkingPart
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.clients import scenarios as s
from tests.clients.scenarios import Check, Models


class Home(BaseModel):
    city: str


class Person(BaseModel):
    name: str
    age: int
    home: Home


def checks_of(base_url: str, kind: Any) -> dict[str, Check]:
    """Every check, by name; `kind` is the class of the model."""
    provider = OpenAIProvider(base_url=base_url, api_key="app-pydantic-ai")

    def agent(model: str, **more: Any) -> Any:
        return Agent(kind(model, provider=provider), **more)

    async def streamed(model: str, prompt: str, **more: Any) -> Any:
        async with agent(model, **more).run_stream(prompt) as run:
            return await run.get_output()

    def image(models: Models) -> Any:
        parts = ["See?", BinaryContent(base64.b64decode(s.PNG), media_type="image/png")]
        return agent(models["vision"]).run_sync(parts).output.rpartition(" of ")[2]

    def reasoning(models: Models) -> Any:
        settings: Any = {"openai_reasoning_effort": "low", "openai_reasoning_summary": "auto"}
        run = agent(models["thinking"]).run_sync(s.PLAIN, model_settings=settings)
        parts = [part for message in run.all_messages() for part in message.parts]
        return "".join(part.content for part in parts if isinstance(part, ThinkingPart))

    def refused(model: str, **settings: Any) -> Any:
        try:
            agent(model).run_sync(s.PLAIN, model_settings=settings)
        except ModelHTTPError as error:
            return error.status_code
        return None

    def unknown_model(models: Models) -> Any:
        return refused(s.UNKNOWN_MODEL[models["chat"].partition("/")[0]])

    tools = {"tools": [s.weather]}
    return {
        "plain": lambda models: agent(models["chat"]).run_sync(s.PLAIN).output,
        "stream": lambda models: asyncio.run(streamed(models["chat"], s.PLAIN)),
        "unicode": lambda models: agent(models["chat"]).run_sync(s.UNICODE).output,
        "image": image,
        "tools": lambda models: agent(models["tools"], **tools).run_sync(s.CITIES).output,
        "tools_stream": lambda models: asyncio.run(streamed(models["tools"], s.CITIES, **tools)),
        "structured": lambda models: (
            agent(models["schema"], output_type=NativeOutput(Person))
            .run_sync(s.PERSON)
            .output.model_dump()
        ),
        "structured_by_tool": lambda models: (
            agent(models["tools"], output_type=Person).run_sync(s.PERSON).output.model_dump()
        ),
        "reasoning": reasoning,
        "bad_request": lambda models: refused(models["chat"], temperature=s.HOT),
        "unknown_model": unknown_model,
    }


if __name__ == "__main__":
    by_responses = s.by_responses(checks_of(sys.argv[1], OpenAIResponsesModel))
    s.report(checks_of(sys.argv[1], OpenAIChatModel) | by_responses)
