"""What the usage log adds up to is what the providers counted, whatever went on between.

`POINTSMAN_SOAK=2000` sends that many requests instead of a few hundred.
"""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes import Answer, Fault, Gate, GeminiFake, GroqFake, OllamaFake, Request
from tests.proxy.command import terminal_kit as kit
from tests.proxy.serving import Host

pytestmark = pytest.mark.anyio

REQUESTS = int(os.environ.get("POINTSMAN_SOAK", "240"))
AT_ONCE = 16
PATH = "/v1/chat/completions"
PROMPT = re.compile(rb'"(?:prompt_tokens|promptTokenCount|prompt_eval_count)": ?(\d+)')
COMPLETION = re.compile(rb'"(?:completion_tokens|candidatesTokenCount|eval_count)": ?(\d+)')
THOUGHTS = re.compile(rb'"thoughtsTokenCount": ?(\d+)')
CUT = b"is cut short"
LEFT = b"is left alone"


@dataclass
class Counted:
    """What one provider would put on its bill, of the answers that it gave in full."""

    requests: int = 0
    answers: int = 0
    prompt: int = 0
    completion: int = 0
    statuses: Counter[int] = field(default_factory=Counter)

    def add(self, request: Request, answer: Answer) -> None:
        self.requests += 1
        self.statuses[answer.status] += 1
        if answer.status != 200 or CUT in request.body or LEFT in request.body:
            return
        body = b"".join(answer.body)
        self.answers += 1
        self.prompt += _last(PROMPT, body)
        self.completion += _last(COMPLETION, body) + _last(THOUGHTS, body)


def _last(pattern: re.Pattern[bytes], body: bytes) -> int:
    found = pattern.findall(body)
    return int(found[-1]) if found else 0


def counting(fake: Any, paths: tuple[str, ...], refuse_every: int) -> Counted:
    """Let `fake` count, break off or hold what says so, and refuse a part of the rest."""
    counted = Counted()
    never = Gate()
    respond = fake.respond

    def next_fault(request: Request) -> Fault:
        if not request.path.endswith(paths):
            return Fault()
        if CUT in request.body:
            counted.add(request, answer := fake.answer(request))
            return Fault(stop_at=len(b"".join(answer.body)) // 2, stop="reset", answer=answer)
        if LEFT in request.body:
            counted.add(request, answer := fake.answer(request))
            return Fault(hold_at=(len(b"".join(answer.body)) // 2, never), answer=answer)
        refused = refuse_every and (counted.requests + 1) % refuse_every == 0
        answer = Answer(500, (("content-type", "application/json"),), (b"{}",)) if refused else None
        counted.add(request, answer or fake.answer(request))
        return Fault(answer=answer)

    fake.respond = respond
    fake.next_fault = next_fault
    return counted


@dataclass
class World:
    """The three providers, and a server before them with a database of its own."""

    url: str
    counted: dict[str, Counted]
    database: Path

    def rows(self) -> list[dict[str, Any]]:
        with sqlite3.connect(self.database) as connection:
            connection.row_factory = sqlite3.Row
            found = [dict(one) for one in connection.execute("SELECT * FROM requests")]
        connection.close()
        return found


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    kit.clean(monkeypatch, tmp_path)
    for name in ("GROQ", "GEMINI", "OLLAMA"):
        monkeypatch.setenv(f"{name}_RATE_LIMIT_ENABLED", "false")
    with Host().running() as host, GroqFake() as groq, GeminiFake() as gemini, OllamaFake() as own:
        kit.point_at_fakes(monkeypatch, groq, gemini, own)
        counted = {
            "groq": counting(groq, ("chat/completions",), 7),
            "gemini": counting(gemini, (":generateContent", ":streamGenerateContent"), 11),
            "ollama": counting(own, ("/api/chat",), 0),
        }
        with kit.server(host, monkeypatch):
            yield World(host.base_url, counted, tmp_path / "store.db")


def _totals(shown: dict[str, Any], provider: str) -> tuple[int, int]:
    """Tokens in and out of a provider, as the page tells them; estimated ones stand apart."""
    [group] = [one for one in shown["groups"] if one["name"] == provider]
    return group["prompt"], group["completion"]


def _scraped(text: str, provider: str) -> tuple[float, ...]:
    """The same as Prometheus is told."""
    found = {
        sample.labels["type"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "pointsman_tokens_total" and sample.labels["provider"] == provider
    }
    return found["prompt"], found["completion"]


MODELS = ("groq", "gemini", "ollama", "gpt-4o")


def body(number: int) -> dict[str, Any]:
    """Every kind of request in turn: each provider, plain and streamed, cut, left, wrong."""
    text = f"Say the words of request {number} again, please"
    if number % 13 == 5:
        text += f" {CUT.decode()}"
    if number % 17 == 8:
        text += f" {LEFT.decode()}"
    message = {"role": "nobody" if number % 19 == 3 else "user", "content": text}
    return {
        "model": MODELS[number % 4],
        "messages": [message],
        "stream": number % 3 == 0 or LEFT.decode() in text,
    }


def text_of(request: dict[str, Any]) -> str:
    text: str = request["messages"][0]["content"]
    return text


async def send(client: httpx.AsyncClient, number: int) -> int:
    """The status of a request; the client of one that says so leaves in the middle of it."""
    request = body(number)
    headers = {"authorization": f"Bearer app-{number % 5}", "x-request-id": str(number)}
    headers["x-pointsman-fallback"] = "on"
    if LEFT.decode() not in text_of(request):
        return (await client.post(PATH, json=request, headers=headers)).status_code
    async with client.stream("POST", PATH, json=request, headers=headers) as response:
        async for _ in response.aiter_raw():
            break
    return response.status_code


async def test_the_totals_are_those_of_the_providers(world: World) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(client: httpx.AsyncClient, number: int) -> int:
        async with turns:
            return await send(client, number)

    async with httpx.AsyncClient(base_url=world.url, timeout=60, trust_env=False) as client:
        statuses = await asyncio.gather(*(one(client, number) for number in range(REQUESTS)))
        rows = world.rows()
        for _ in range(600):  # the last of them are on their way to the database
            if len(rows) == REQUESTS:
                break
            await asyncio.sleep(0.05)
            rows = world.rows()
        shown = (await client.get("/admin/api/usage", params={"range": "24h"})).json()
        scraped = (await client.get("/metrics")).text

    kept = {int(one["request_id"]): one for one in rows}
    assert len(kept) == len(rows) == REQUESTS
    for number, status in enumerate(statuses):
        assert kept[number]["status"] == (499 if kept[number]["cancelled"] else status)
        assert not kept[number]["cancelled"] or LEFT.decode() in text_of(body(number))
    for name, counted in world.counted.items():
        mine = [one for one in rows if one["provider"] == name and one["finish"]]
        assert len(mine) == counted.answers
        assert sum(one["prompt"] for one in mine) == counted.prompt
        assert sum(one["completion"] for one in mine) == counted.completion
        assert not any(one["estimated"] for one in mine)
        assert _totals(shown, name) == (counted.prompt, counted.completion)
        assert _scraped(scraped, name) == (counted.prompt, counted.completion)
    assert shown["total"]["requests"] == REQUESTS
    for what in ("cancelled", "rotated"):
        assert shown["total"][what] == sum(one[what] for one in rows)
    assert sum(one["attempts"] for one in rows) == sum(c.requests for c in world.counted.values())
    assert any(one["rotated"] for one in rows)
    assert any(one["partial"] and not one["cancelled"] for one in rows)
    assert any(one["cancelled"] for one in rows)
    assert any(one["status"] == 400 for one in rows)
