"""LangChain's models for Anthropic, Ollama and Gemini: one that is named when this is run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from langchain_core.messages import HumanMessage, ToolMessage
from pydantic import BaseModel

from tests.clients import scenarios as s
from tests.clients.scenarios import Check, Failing, Models

Chat = Callable[..., Any]


class Named(BaseModel):
    """A person's name and age: what is inside of an object, ChatOllama leaves out of a tool."""

    name: str
    age: int


TOOL: Any = {
    "type": "function",
    "function": {"name": "weather", "description": "Tells the weather", "parameters": s.WEATHER},
}


class Home(BaseModel):
    city: str


class Person(BaseModel):
    """A person."""

    name: str
    age: int
    home: Home


def anthropic(url: str, key: str, model: str, **more: Any) -> Any:
    from langchain_anthropic import ChatAnthropic

    if more.pop("thoughts", False):
        more |= {"thinking": {"type": "enabled", "budget_tokens": 2048}, "max_tokens": 4000}
    return ChatAnthropic(
        model_name=model, base_url=url, api_key=key, max_retries=0, **{"max_tokens": 4000, **more}
    )


def ollama(url: str, key: str, model: str, **more: Any) -> Any:
    from langchain_ollama import ChatOllama

    if more.pop("thoughts", False):
        more["reasoning"] = True
    headers = {"headers": {"authorization": f"Bearer {key}"}}
    return ChatOllama(model=model, base_url=url, client_kwargs=headers, **more)


def gemini(url: str, key: str, model: str, **more: Any) -> Any:
    from langchain_google_genai import ChatGoogleGenerativeAI

    more["include_thoughts"] = more.pop("thoughts", False)
    return ChatGoogleGenerativeAI(
        model=model, base_url=url, google_api_key=key, max_retries=1, **more
    )


KINDS: dict[str, Chat] = {"anthropic": anthropic, "ollama": ollama, "gemini": gemini}
WRONG: dict[str, Any] = {
    "anthropic": {"temperature": s.HOT},
    "ollama": {"options": {"temperature": "hot"}},
    "gemini": {"response_mime_type": "image/x-icon"},
}
"""What cannot be, and the client itself does not see."""


def checks_of(kind: str, url: str) -> dict[str, Check]:
    """Every check, by name."""

    def chat(model: str, **more: Any) -> Any:
        return KINDS[kind](url, "app-langchain", model, **more)

    return _text_checks(chat) | _tool_checks(chat) | _error_checks(kind, chat)


def _text_of(message: Any) -> str:
    blocks = message.content_blocks
    return "".join(block["text"] for block in blocks if block["type"] == "text")


def _thoughts_of(message: Any) -> str:
    blocks = message.content_blocks
    return "".join(block["reasoning"] for block in blocks if block["type"] == "reasoning")


def _text_checks(chat: Chat) -> dict[str, Check]:
    def stream(models: Models) -> Any:
        chunks = list(chat(models["chat"]).stream(s.PLAIN))
        total: Any = sum(chunks[1:], chunks[0])
        usage = total.usage_metadata
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
        return _text_of(total)

    def image(models: Models) -> Any:
        parts: Any = [
            {"type": "text", "text": "See?"},
            {"type": "image", "base64": s.PNG, "mime_type": "image/png"},
        ]
        return _text_of(chat(models["vision"]).invoke([HumanMessage(parts)])).rpartition(" of ")[2]

    def reasoning(models: Models) -> Any:
        thinking = chat(models["thinking"], thoughts=True)
        chunks = list(thinking.stream(s.PLAIN))
        whole = thinking.invoke(s.PLAIN)
        assert _thoughts_of(sum(chunks[1:], chunks[0])) == _thoughts_of(whole)
        return _thoughts_of(whole)

    return {
        "plain": lambda models: _text_of(chat(models["chat"]).invoke(s.PLAIN)),
        "stream": stream,
        "unicode": lambda models: _text_of(chat(models["chat"]).invoke(s.UNICODE)),
        "image": image,
        "reasoning": reasoning,
    }


def _tool_checks(chat: Chat) -> dict[str, Check]:
    def loop(models: Models, *, streamed: bool, **more: Any) -> Any:
        bound = chat(models["tools"], **more).bind_tools([TOOL])
        messages: list[Any] = [HumanMessage(s.CITIES)]
        chunks = list(bound.stream(messages)) if streamed else [bound.invoke(messages)]
        first: Any = sum(chunks[1:], chunks[0])
        messages.append(first)
        assert len(first.tool_calls) == 2
        for call in first.tool_calls:
            result = s.weather(call["args"]["city"])
            messages.append(ToolMessage(result, tool_call_id=call["id"]))
        return _text_of(bound.invoke(messages))

    def structured(model: str, kind: type[BaseModel], method: str) -> Any:
        made = chat(model).with_structured_output(kind, method=method).invoke(s.PERSON)
        return made.model_dump()

    return {
        "tools": lambda models: loop(models, streamed=False),
        "tools_stream": lambda models: loop(models, streamed=True),
        "tools_thinking": lambda models: loop(models, streamed=True, thoughts=True),
        "structured": lambda models: structured(models["schema"], Person, "json_schema"),
        "structured_by_tool": lambda models: structured(models["tools"], Named, "function_calling"),
    }


def refused(model: Any) -> list[Any]:
    """Whether it was refused, and with which status, wherever the client keeps that."""
    try:
        model.invoke(s.PLAIN)
    except Exception as error:
        found: BaseException | None = error
        while found is not None:
            for name in ("status_code", "code"):
                if isinstance(status := getattr(found, name, None), int):
                    return [True, status]
            found = found.__cause__
        return [True, type(error).__name__, str(error)[:200]]
    return [False]


def _error_checks(kind: str, chat: Chat) -> dict[str, Check]:
    def unknown_model(models: Models) -> Any:
        return refused(chat(s.UNKNOWN_MODEL[models["chat"].partition("/")[0]]))

    return {
        "bad_request": lambda models: refused(chat(models["chat"]).bind(**WRONG[kind])),
        "unknown_model": unknown_model,
    }


def failing_of(kind: str) -> dict[str, Failing]:
    """Every check at a server whose models fail."""
    make = KINDS[kind]

    def cut(url: str, models: Models) -> Any:
        said = ""
        try:
            for chunk in make(url, s.KEY, models["cut"]).stream(s.PLAIN):
                said += _text_of(chunk)
        except Exception:
            return [bool(said), True]
        return [bool(said), False]

    def held(url: str, models: Models) -> Any:
        stream = make(url, s.KEY, models["held"]).stream(s.PLAIN)
        for chunk in stream:
            if _text_of(chunk):
                break
        stream.close()
        return "left"

    return {
        "unauthorized": lambda url, models: refused(make(url, "wrong", models["limited"])),
        "limited": lambda url, models: refused(make(url, s.KEY, models["limited"])),
        "overloaded": lambda url, models: refused(make(url, s.KEY, models["overloaded"])),
        "cut": cut,
        "held": held,
    }


if __name__ == "__main__":
    name, address = sys.argv[3], sys.argv[1].removesuffix("/v1")
    s.report(checks_of(name, address), failing_of(name))
