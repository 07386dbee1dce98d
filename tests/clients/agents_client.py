"""OpenAI's agents, by their default model, which asks by Responses."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from agents import (
    Agent,
    ModelSettings,
    OpenAIConversationsSession,
    OpenAIProvider,
    RunConfig,
    Runner,
    SQLiteSession,
    WebSearchTool,
    function_tool,
)
from agents.exceptions import AgentsException
from openai import APIStatusError, AsyncOpenAI
from pydantic import BaseModel

from tests.clients import scenarios as s
from tests.clients.scenarios import Check, Models

HANDOFF = 'Let "another" tell.'


class Home(BaseModel):
    city: str


class Person(BaseModel):
    name: str
    age: int
    home: Home


@function_tool
def weather(city: str) -> str:
    """Tells the weather."""
    return s.weather(city)


class Runs:
    """Runs of agents over one server."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self.client = client

    async def run(self, agent: Any, said: Any, *, streamed: bool = False, **more: Any) -> Any:
        """The result of a run, which traces nothing."""
        provider = OpenAIProvider(openai_client=self.client)
        config = RunConfig(model_provider=provider, tracing_disabled=True)
        if not streamed:
            return await Runner.run(agent, said, run_config=config, **more)
        result = Runner.run_streamed(agent, said, run_config=config, **more)
        kinds = {event.type async for event in result.stream_events()}
        assert kinds >= {"raw_response_event", "run_item_stream_event"}
        return result


Ask = Callable[[Runs, Models], Coroutine[Any, Any, Any]]


def _agent(model: str, **more: Any) -> Any:
    return Agent(name="teller", instructions="Be brief.", model=model, **more)


def checks_of(base_url: str) -> dict[str, Check]:
    """Every check, by name."""

    def check(ask: Ask) -> Check:
        async def asked(models: Models) -> Any:
            async with AsyncOpenAI(
                base_url=base_url, api_key="app-agents", max_retries=0
            ) as client:
                return await ask(Runs(client), models)

        return lambda models: asyncio.run(asked(models))

    return {name: check(ask) for name, ask in (_plain() | _talks()).items()}


def _plain() -> dict[str, Ask]:
    async def plain(runs: Runs, models: Models) -> Any:
        return (await runs.run(_agent(models["chat"]), s.PLAIN)).final_output

    async def stream(runs: Runs, models: Models) -> Any:
        run = await runs.run(_agent(models["chat"]), s.PLAIN, streamed=True)
        return run.final_output

    async def structured(runs: Runs, models: Models) -> Any:
        agent = _agent(models["schema"], output_type=Person)
        return (await runs.run(agent, s.PERSON)).final_output.model_dump()

    async def image(runs: Runs, models: Models) -> Any:
        parts = [
            {"type": "input_text", "text": "See?"},
            {"type": "input_image", "image_url": s.DATA_URI, "detail": "auto"},
        ]
        said = [{"role": "user", "content": parts}]
        run = await runs.run(_agent(models["vision"]), said)
        return run.final_output.rpartition(" of ")[2]

    async def reasoning(runs: Runs, models: Models) -> Any:
        settings: Any = ModelSettings(reasoning={"effort": "low", "summary": "auto"})  # type: ignore[arg-type]
        run = await runs.run(_agent(models["thinking"], model_settings=settings), s.PLAIN)
        found = [item.raw_item for item in run.new_items if item.type == "reasoning_item"]
        return "".join(part.text for item in found for part in item.summary)

    async def unknown_model(runs: Runs, models: Models) -> Any:
        name = s.UNKNOWN_MODEL[models["chat"].partition("/")[0]]
        try:
            await runs.run(_agent(name), s.PLAIN)
        except (APIStatusError, AgentsException) as error:
            return getattr(error, "status_code", str(error))
        return None

    return {
        "plain": plain,
        "stream": stream,
        "structured": structured,
        "image": image,
        "reasoning": reasoning,
        "unknown_model": unknown_model,
    }


def _talks() -> dict[str, Ask]:
    async def loop(runs: Runs, models: Models, **more: Any) -> Any:
        agent = _agent(models["tools"], tools=[weather])
        return (await runs.run(agent, s.CITIES, **more)).final_output

    async def handoff(runs: Runs, models: Models) -> Any:
        other = Agent(name="other", instructions="Tell.", model=models["chat"])
        agent = _agent(models["tools"], handoffs=[other])
        run = await runs.run(agent, HANDOFF)
        return [run.last_agent.name, "transfer_to_other" in str(run.to_input_list())]

    async def session(runs: Runs, models: Models) -> Any:
        """What was said before is sent again from a session of the client's."""
        kept = SQLiteSession("a")
        agent = _agent(models["tools"], tools=[weather])
        first = await runs.run(agent, s.CITIES, session=kept)
        last = await runs.run(_agent(models["chat"]), s.PLAIN, session=kept)
        return [first.final_output, last.final_output]

    async def conversation(runs: Runs, models: Models) -> Any:
        """What was said before is in a conversation of the server's."""
        kept = OpenAIConversationsSession(openai_client=runs.client)
        agent = _agent(models["tools"], tools=[weather])
        first = await runs.run(agent, s.CITIES, session=kept)
        last = await runs.run(_agent(models["chat"]), s.PLAIN, session=kept)
        items = await kept.get_items()
        await kept.clear_session()
        return [first.final_output, last.final_output, len(items) >= 7]

    async def conversation_by_id(runs: Runs, models: Models) -> Any:
        talk = await runs.client.conversations.create()
        agent = _agent(models["tools"], tools=[weather])
        return (await runs.run(agent, s.CITIES, conversation_id=talk.id)).final_output

    async def searching(runs: Runs, models: Models) -> Any:
        """A search beside functions: who cannot have both has the functions."""
        agent = _agent(models["tools"], tools=[weather, WebSearchTool()])
        return (await runs.run(agent, s.CITIES)).final_output

    return {
        "tools": loop,
        "tools_stream": lambda runs, models: loop(runs, models, streamed=True),
        "tools_by_id": lambda runs, models: loop(runs, models, auto_previous_response_id=True),
        "tools_by_id_stream": lambda runs, models: loop(
            runs, models, auto_previous_response_id=True, streamed=True
        ),
        "handoff": handoff,
        "session": session,
        "conversation": conversation,
        "conversation_by_id": conversation_by_id,
        "searching": searching,
    }


if __name__ == "__main__":
    s.report(checks_of(sys.argv[1]))
