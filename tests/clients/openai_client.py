"""The `openai` Python SDK, in whichever version runs this."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable
from typing import Any

import openai
from pydantic import BaseModel

from tests.clients import responses_client, scenarios as s
from tests.clients.scenarios import Check, Models

TOOL: Any = {
    "type": "function",
    "function": {"name": "weather", "description": "Tells the weather", "parameters": s.WEATHER},
}


class Home(BaseModel):
    city: str


class Person(BaseModel):
    name: str
    age: int
    home: Home


def user(content: Any) -> Any:
    return [{"role": "user", "content": content}]


def checks_of(client: openai.OpenAI) -> dict[str, Check]:
    """Every check, by name; each takes a provider's models and gives what the client saw."""
    base_url = str(client.base_url)
    create: Callable[..., Any] = client.chat.completions.create
    checks = _plain_checks(create) | _tool_checks(client, create) | _function_checks(create)
    checks |= _structured_checks(client) | _reasoning_checks(create)
    checks |= _error_checks(create) | _model_checks(client)
    checks["async_plain"] = lambda models: asyncio.run(_async_plain(base_url, models))
    checks["async_stream"] = lambda models: asyncio.run(_async_stream(base_url, models))
    return checks


# -- text -------------------------------------------------------------------------------------


def _plain_checks(create: Callable[..., Any]) -> dict[str, Check]:
    def plain(models: Models) -> Any:
        answer = create(model=models["chat"], messages=user(s.PLAIN))
        usage, choice = answer.usage, answer.choices[0]
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0
        assert (choice.finish_reason, choice.message.refusal) == ("stop", None)
        assert (answer.object, choice.message.role) == ("chat.completion", "assistant")
        return choice.message.content

    def stream(models: Models) -> Any:
        options = {"include_usage": True}
        chunks = list(
            create(
                model=models["chat"], messages=user(s.PLAIN), stream=True, stream_options=options
            )
        )
        *deltas, end = chunks
        assert (end.choices, end.usage.total_tokens > 0) == ([], True)
        assert [c.choices[0].delta.role for c in deltas].count("assistant") == 1
        assert [c.choices[0].finish_reason for c in deltas if c.choices[0].finish_reason] == [
            "stop"
        ]
        assert len({(c.id, c.created, c.model, c.object) for c in chunks}) == 1
        return "".join(c.choices[0].delta.content or "" for c in deltas)

    def unicode(models: Models) -> Any:
        whole = create(model=models["chat"], messages=user(s.UNICODE)).choices[0].message.content
        chunks = create(model=models["chat"], messages=user(s.UNICODE), stream=True)
        assert whole == "".join(c.choices[0].delta.content or "" for c in chunks)
        return whole

    def image(models: Models) -> Any:
        url = {"url": s.DATA_URI, "detail": "low"}
        parts = [{"type": "text", "text": "See?"}, {"type": "image_url", "image_url": url}]
        answer = create(model=models["vision"], messages=user(parts))
        return answer.choices[0].message.content.rpartition(" of ")[2]

    def system_and_limits(models: Models) -> Any:
        messages = [
            {"role": "developer", "content": "Be brief."},
            {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "user", "name": "ann", "content": "one two three"},
        ]
        ask = {"model": models["chat"], "messages": messages, "seed": 5, "temperature": 0.5}
        cut = create(max_tokens=3, top_p=0.9, **ask).choices[0]
        stopped = create(max_completion_tokens=50, stop="two", user="me", **ask).choices[0]
        return [cut.finish_reason, stopped.finish_reason, "two" in (stopped.message.content or "")]

    def two_choices(models: Models) -> Any:
        answer = create(model=models["chat"], messages=user(s.PLAIN), n=2)
        return [(choice.index, choice.message.content) for choice in answer.choices]

    return {
        "plain": plain,
        "stream": stream,
        "unicode": unicode,
        "image": image,
        "system_and_limits": system_and_limits,
        "two_choices": two_choices,
    }


async def _async_plain(base_url: str, models: Models) -> Any:
    async with openai.AsyncOpenAI(base_url=base_url, api_key="app-tests", max_retries=0) as client:
        create: Any = client.chat.completions.create
        answers = await asyncio.gather(
            *(create(model=models["chat"], messages=user(f"{i}")) for i in range(8))
        )
    return [answer.choices[0].message.content for answer in answers]


async def _async_stream(base_url: str, models: Models) -> Any:
    async with openai.AsyncOpenAI(base_url=base_url, api_key="app-tests", max_retries=0) as client:
        create: Any = client.chat.completions.create
        chunks = await create(model=models["chat"], messages=user(s.PLAIN), stream=True)
        return "".join([c.choices[0].delta.content or "" async for c in chunks])


# -- tools ------------------------------------------------------------------------------------


def _tool_checks(client: openai.OpenAI, create: Callable[..., Any]) -> dict[str, Check]:
    def finish(messages: list[Any], calls: Any, ask: Any) -> Any:
        for call in calls:
            city = json.loads(call.function.arguments)["city"]
            result = {"role": "tool", "tool_call_id": call.id, "content": s.weather(city)}
            messages.append(result)
        return create(messages=messages, **ask).choices[0].message.content

    def tools(models: Models) -> Any:
        messages = user(s.CITIES)
        ask = {"model": models["tools"], "tools": [TOOL]}
        choice = create(messages=messages, **ask).choices[0]
        assert choice.finish_reason == "tool_calls"
        assert len({call.id for call in choice.message.tool_calls}) == 2
        messages.append(choice.message)  # the client's own object, with all that came in it
        return finish(messages, choice.message.tool_calls, ask)

    def tools_stream(models: Models) -> Any:
        messages = user(s.CITIES)
        ask: Any = {"model": models["tools"], "tools": [TOOL]}
        with client.chat.completions.stream(messages=messages, **ask) as stream:
            stream.until_done()
            choice = stream.get_final_completion().choices[0]
        calls = choice.message.tool_calls or []
        assert (choice.finish_reason, len(calls)) == ("tool_calls", 2)
        named = [
            {
                "id": c.id,
                "type": "function",
                "function": {"name": c.function.name, "arguments": c.function.arguments},
            }
            for c in calls
        ]
        messages.append({"role": "assistant", "content": None, "tool_calls": named})
        return finish(messages, calls, ask)

    return {"tools": tools, "tools_stream": tools_stream}


def _function_checks(create: Callable[..., Any]) -> dict[str, Check]:
    """Which function is called, how many, and the older way to name them."""

    def forced(models: Models) -> Any:
        choice = {"type": "function", "function": {"name": "weather"}}
        tools = [{**TOOL, "function": {**TOOL["function"], "name": "other"}}, TOOL]
        answer = create(
            model=models["tools"], messages=user(s.PERSON), tools=tools, tool_choice=choice
        )
        return [call.function.name for call in answer.choices[0].message.tool_calls]

    def one_call(models: Models) -> Any:
        answer = create(
            model=models["tools"],
            messages=user(s.CITIES),
            tools=[TOOL],
            parallel_tool_calls=False,
        )
        return len(answer.choices[0].message.tool_calls)

    def functions(models: Models) -> Any:
        messages = user('Weather in "Paris"?')
        ask = {"model": models["tools"], "functions": [TOOL["function"]]}
        choice = create(messages=messages, **ask).choices[0]
        assert choice.finish_reason == "function_call"
        called = choice.message.function_call
        city = json.loads(called.arguments)["city"]
        messages.append(choice.message)
        messages.append({"role": "function", "name": called.name, "content": s.weather(city)})
        return create(messages=messages, **ask).choices[0].message.content

    return {"forced_tool": forced, "one_call": one_call, "functions": functions}


# -- structure and reasoning ------------------------------------------------------------------


def _structured_checks(client: openai.OpenAI) -> dict[str, Check]:
    completions: Any = client.chat.completions

    def structured(models: Models) -> Any:
        answer = completions.parse(
            model=models["schema"], messages=user(s.PERSON), response_format=Person
        )
        return answer.choices[0].message.parsed.model_dump()

    def structured_stream(models: Models) -> Any:
        ask = {"model": models["schema"], "messages": user(s.PERSON), "response_format": Person}
        with completions.stream(**ask) as stream:
            parsed = stream.get_final_completion().choices[0].message.parsed
        return parsed.model_dump()

    def structured_ladder(models: Models) -> Any:
        """By the provider's plain chat model, which may know no schema."""
        answer = completions.parse(
            model=models["chat"], messages=user(s.PERSON), response_format=Person
        )
        return answer.choices[0].message.parsed.model_dump()

    def json_object(models: Models) -> Any:
        answer = completions.create(
            model=models["chat"],
            messages=user("Answer in JSON."),
            response_format={"type": "json_object"},
        )
        return json.loads(answer.choices[0].message.content)

    return {
        "structured": structured,
        "structured_stream": structured_stream,
        "structured_ladder": structured_ladder,
        "json_object": json_object,
    }


def _reasoning_checks(create: Callable[..., Any]) -> dict[str, Check]:
    def ask(models: Models) -> Any:
        return {
            "model": models["thinking"],
            "messages": user(s.PLAIN),
            "reasoning_effort": "low",
        }

    def reasoning(models: Models) -> Any:
        answer = create(**ask(models))
        details = answer.usage.completion_tokens_details
        if details and details.reasoning_tokens:
            assert answer.usage.completion_tokens > details.reasoning_tokens
        assert answer.choices[0].message.content == s.EXPECTED["plain"]
        return answer.choices[0].message.reasoning_content

    def reasoning_stream(models: Models) -> Any:
        deltas = [chunk.choices[0].delta for chunk in create(stream=True, **ask(models))]
        assert "".join(d.content or "" for d in deltas) == s.EXPECTED["plain"]
        return "".join(getattr(d, "reasoning_content", None) or "" for d in deltas)

    return {"reasoning": reasoning, "reasoning_stream": reasoning_stream}


# -- errors and models ------------------------------------------------------------------------


def _error_checks(create: Callable[..., Any]) -> dict[str, Check]:
    def bad_request(models: Models) -> Any:
        with contextlib.suppress(openai.BadRequestError):
            create(model=models["chat"], messages=user(s.PLAIN), temperature=s.HOT)
        try:
            create(model=models["chat"], messages=user(s.PLAIN), temperature=s.HOT, stream=True)
        except openai.BadRequestError as error:
            return [error.type, error.param]
        return None

    def unknown_model(models: Models) -> Any:
        provider = models["chat"].partition("/")[0]
        try:
            create(model=s.UNKNOWN_MODEL[provider], messages=user(s.PLAIN))
        except openai.NotFoundError as error:
            return error.code
        return None

    return {"bad_request": bad_request, "unknown_model": unknown_model}


def _model_checks(client: openai.OpenAI) -> dict[str, Check]:
    def embedded(_: Models) -> Any:
        answer = client.embeddings.create(model=s.EMBEDDING_MODEL, input=s.EMBEDDED)
        assert answer.data[0].embedding == answer.data[2].embedding
        return [len(one.embedding) for one in answer.data]

    def listed(models: Models) -> Any:
        known = {model.id.removesuffix(":latest") for model in client.models.list()}
        return [name for name in models.values() if name not in known]

    def retrieved(models: Models) -> Any:
        model = client.models.retrieve(models["vision"])
        return [model.id == models["vision"], model.object]

    return {"models_list": listed, "models_retrieve": retrieved, "embedded": embedded}


EXPECTED: dict[str, Any] = {
    **s.EXPECTED,
    "system_and_limits": ["length", "stop", False],
    "two_choices": [(i, s.EXPECTED["plain"]) for i in range(2)],
    "async_plain": [f"You said: {i}" for i in range(8)],
    "async_stream": s.EXPECTED["plain"],
    "tools_stream": s.EXPECTED["tools"],
    "forced_tool": ["weather"],
    "one_call": 1,
    "functions": "The tools are done: weather says sunny in Paris",
    "structured_stream": s.EXPECTED["structured"],
    "structured_ladder": s.EXPECTED["structured"],
    "json_object": {"answer": "Answer in JSON."},
    "reasoning_stream": s.EXPECTED["reasoning"],
    "bad_request": ["invalid_request_error", "temperature"],
    "unknown_model": "model_not_found",
    "models_list": [],
    "models_retrieve": [True, "model"],
}

if __name__ == "__main__":
    client = openai.OpenAI(base_url=sys.argv[1], api_key="app-tests", max_retries=0, timeout=20)
    by_responses = s.by_responses(responses_client.checks_of(client))
    s.report(checks_of(client) | by_responses)
