"""LangChain's ChatOpenAI. It keeps no reasoning of other worlds, so that is not asked here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from tests.clients import scenarios as s
from tests.clients.scenarios import Check, Models


class Home(BaseModel):
    city: str


class Person(BaseModel):
    """A person."""

    name: str
    age: int
    home: Home


TOOL: Any = {"name": "weather", "description": "Tells the weather", "parameters": s.WEATHER}


def checks_of(base_url: str) -> dict[str, Check]:
    """Every check, by name."""

    def chat(model: str, **more: Any) -> Any:
        return ChatOpenAI(
            model=model, base_url=base_url, api_key="app-langchain", max_retries=0, **more
        )

    return _text_checks(chat) | _tool_checks(chat) | _error_checks(chat)


def _text_checks(chat: Callable[..., Any]) -> dict[str, Check]:
    def stream(models: Models) -> Any:
        chunks = list(chat(models["chat"], stream_usage=True).stream(s.PLAIN))
        total: Any = sum(chunks[1:], chunks[0])
        assert total.usage_metadata["total_tokens"] > 0
        return total.content

    def image(models: Models) -> Any:
        parts: Any = [
            {"type": "text", "text": "See?"},
            {"type": "image", "base64": s.PNG, "mime_type": "image/png"},
        ]
        answer = chat(models["vision"]).invoke([HumanMessage(parts)])
        return answer.content.rpartition(" of ")[2]

    return {
        "plain": lambda models: chat(models["chat"]).invoke(s.PLAIN).content,
        "stream": stream,
        "unicode": lambda models: chat(models["chat"]).invoke(s.UNICODE).content,
        "image": image,
    }


def _tool_checks(chat: Callable[..., Any]) -> dict[str, Check]:
    def loop(models: Models, *, streamed: bool) -> Any:
        bound = chat(models["tools"]).bind_tools([TOOL])
        messages: list[Any] = [HumanMessage(s.CITIES)]
        chunks = list(bound.stream(messages)) if streamed else [bound.invoke(messages)]
        first: Any = sum(chunks[1:], chunks[0])
        messages.append(first)
        assert len(first.tool_calls) == 2
        for call in first.tool_calls:
            result = s.weather(call["args"]["city"])
            messages.append(ToolMessage(result, tool_call_id=call["id"]))
        return bound.invoke(messages).content

    def structured(model: str, method: str) -> Any:
        return chat(model).with_structured_output(Person, method=method).invoke(s.PERSON)

    return {
        "tools": lambda models: loop(models, streamed=False),
        "tools_stream": lambda models: loop(models, streamed=True),
        "structured": lambda models: structured(models["schema"], "json_schema").model_dump(),
        "structured_by_tool": lambda models: structured(
            models["tools"], "function_calling"
        ).model_dump(),
    }


def _error_checks(chat: Callable[..., Any]) -> dict[str, Check]:
    def refused(model: str, **more: Any) -> list[str]:
        try:
            chat(model, **more).invoke(s.PLAIN)
        except Exception as error:
            return [kind.__name__ for kind in type(error).__mro__]
        return []

    def unknown_model(models: Models) -> Any:
        provider = models["chat"].partition("/")[0]
        return "NotFoundError" in refused(s.UNKNOWN_MODEL[provider])

    return {
        "bad_request": lambda models: (
            "BadRequestError" in refused(models["chat"], temperature=s.HOT)
        ),
        "unknown_model": unknown_model,
    }


if __name__ == "__main__":
    s.report(checks_of(sys.argv[1]))
