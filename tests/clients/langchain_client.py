"""LangChain's ChatOpenAI, by chat and by Responses.

By chat it keeps no reasoning of other worlds, so that is not asked there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
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


def checks_of(base_url: str, **told: Any) -> dict[str, Check]:
    """Every check, by name; `told` is what the models are made with."""

    def chat(model: str, **more: Any) -> Any:
        told_all = {"base_url": base_url, "api_key": "app-langchain", "max_retries": 0}
        return ChatOpenAI(model=model, **told_all, **told, **more)

    checks = _text_checks(chat) | _tool_checks(chat) | _error_checks(chat)
    return checks | _own_checks(chat) if told else checks


def _text_checks(chat: Callable[..., Any]) -> dict[str, Check]:
    def stream(models: Models) -> Any:
        total = _sum(chat(models["chat"], stream_usage=True).stream(s.PLAIN))
        assert total.usage_metadata["total_tokens"] > 0
        return total.text

    def image(models: Models) -> Any:
        parts: Any = [
            {"type": "text", "text": "See?"},
            {"type": "image", "base64": s.PNG, "mime_type": "image/png"},
        ]
        return chat(models["vision"]).invoke([HumanMessage(parts)]).text.rpartition(" of ")[2]

    return {
        "plain": lambda models: chat(models["chat"]).invoke(s.PLAIN).text,
        "stream": stream,
        "unicode": lambda models: chat(models["chat"]).invoke(s.UNICODE).text,
        "image": image,
    }


def _loop(chat: Callable[..., Any], models: Models, *, streamed: bool = False, **more: Any) -> Any:
    bound = chat(models["tools"], **more).bind_tools([TOOL])

    def turn(messages: list[Any]) -> Any:
        return _sum(bound.stream(messages)) if streamed else bound.invoke(messages)

    messages: list[Any] = [HumanMessage(s.CITIES)]
    first = turn(messages)
    messages.append(first)
    assert len(first.tool_calls) == 2
    messages += [
        ToolMessage(s.weather(call["args"]["city"]), tool_call_id=call["id"])
        for call in first.tool_calls
    ]
    return turn(messages).text


def _sum(chunks: Any) -> Any:
    total: Any = AIMessageChunk("")
    for chunk in chunks:
        total += chunk
    return total


def _tool_checks(chat: Callable[..., Any]) -> dict[str, Check]:
    def structured(model: str, method: str) -> Any:
        return chat(model).with_structured_output(Person, method=method).invoke(s.PERSON)

    return {
        "tools": lambda models: _loop(chat, models),
        "tools_stream": lambda models: _loop(chat, models, streamed=True),
        "structured": lambda models: structured(models["schema"], "json_schema").model_dump(),
        "structured_by_tool": lambda models: structured(
            models["tools"], "function_calling"
        ).model_dump(),
    }


def _own_checks(chat: Callable[..., Any]) -> dict[str, Check]:
    """What can be asked by Responses alone."""

    def reasoning(models: Models, *, streamed: bool) -> Any:
        asked = chat(models["thinking"], reasoning={"effort": "low", "summary": "auto"})
        answer = _sum(asked.stream(s.PLAIN)) if streamed else asked.invoke(s.PLAIN)
        found = [block for block in answer.content_blocks if block["type"] == "reasoning"]
        return "".join(block["reasoning"] for block in found)

    def by_id(models: Models, *, streamed: bool) -> Any:
        return _loop(chat, models, streamed=streamed, use_previous_response_id=True)

    def sealed(models: Models) -> Any:
        sealing = ["reasoning.encrypted_content"]
        return _loop(chat, models, reasoning={"summary": "auto"}, include=sealing, store=False)

    return {
        "reasoning": lambda models: reasoning(models, streamed=False),
        "reasoning_stream": lambda models: reasoning(models, streamed=True),
        "tools_by_id": lambda models: by_id(models, streamed=False),
        "tools_by_id_stream": lambda models: by_id(models, streamed=True),
        "tools_sealed": sealed,
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
    by_responses = s.by_responses(checks_of(sys.argv[1], use_responses_api=True))
    s.report(checks_of(sys.argv[1]) | by_responses)
