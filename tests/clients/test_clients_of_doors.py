"""Clients of Anthropic's, Ollama's and Google's worlds, each in an environment of its own.

A client's script runs once: with every provider, and at a server whose models all fail.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients import scenarios
from tests.clients.conftest import FailingServer
from tests.clients.failing import models_of
from tests.clients.runner import INSTALLED, Client, run_client

pytestmark = INSTALLED

TOOLS = scenarios.EXPECTED["tools"]
TEXTS = ("plain", "stream", "unicode", "image", "tools", "structured", "reasoning")
COMMON = {name: scenarios.EXPECTED[name] for name in TEXTS} | {"tools_stream": TOOLS}
THINKING = {"tools_thinking": TOOLS}
LEFT = {"held": "left"}


def _failing(*told: Any, cut: Any = (True, True)) -> dict[str, Any]:
    names = ("unauthorized", "limited", "overloaded")
    return {**dict(zip(names, told, strict=True)), "cut": [*cut], **LEFT}


def _ai_sdk(*statuses: int) -> list[list[Any]]:
    return [["AI_APICallError", status, True] for status in statuses]


WRAPPED = TOOLS.replace("sunny in Paris", '{"name": "weather", "content": "sunny in Paris"}')
WRAPPED = WRAPPED.replace("sunny in Rome", '{"name": "weather", "content": "sunny in Rome"}')
WRAPPED_FOR_GEMINI = {"groq": TOOLS, "gemini": WRAPPED, "ollama": TOOLS}
"""Gemini gets a result as that SDK wraps it for Gemini; the others get what is in it."""

LANGCHAIN = ("langchain-anthropic", "langchain-ollama", "langchain-google-genai")
CLIENTS = {
    "node-anthropic": Client(
        "anthropic.mjs",
        (),
        {
            **COMMON,
            **THINKING,
            "runner": TOOLS,
            "counted": True,
            "bad_request": ["BadRequestError", 400, "invalid_request_error"],
            "unknown_model": ["NotFoundError", 404, "not_found_error"],
        },
        _failing(
            ["AuthenticationError", 401, "authentication_error"],
            ["RateLimitError", 429, "rate_limit_error"],
            ["OverloadedError", 529, "overloaded_error"],
            cut=(True, "api_error"),
        ),
    ),
    "node-ollama": Client(
        "ollama.mjs",
        (),
        {
            **COMMON,
            "generated": scenarios.EXPECTED["plain"],
            "listed": True,
            "bad_request": ["ResponseError", 400],
            "unknown_model": ["ResponseError", 404],
        },
        _failing(*(["ResponseError", status] for status in (401, 429, 503))),
    ),
    "node-genai": Client(
        "genai.mjs",
        (),
        {
            **COMMON,
            "counted": True,
            "listed": True,
            "bad_request": ["ApiError", 400, "INVALID_ARGUMENT"],
            "unknown_model": ["ApiError", 404, "NOT_FOUND"],
        },
        _failing(
            ["ApiError", 401, "UNAUTHENTICATED"],
            ["ApiError", 429, "RESOURCE_EXHAUSTED"],
            ["ApiError", 503, "UNAVAILABLE"],
            cut=(True, "ApiError", 502),
        ),
    ),
    "ai-anthropic": Client(
        "ai_sdk_doors.mjs",
        (),
        # It sends no temperature that Anthropic would refuse.
        {**COMMON, **THINKING, "unknown_model": ["AI_APICallError", 404, True]},
        _failing(*_ai_sdk(401, 429, 529)),
        ("anthropic",),
    ),
    "ai-google": Client(
        "ai_sdk_doors.mjs",
        (),
        {
            **COMMON,
            **dict.fromkeys(("tools", "tools_stream", "tools_thinking"), WRAPPED_FOR_GEMINI),
            "bad_request": ["AI_APICallError", 400, True],
            "unknown_model": ["AI_APICallError", 404, True],
        },
        _failing(*_ai_sdk(401, 429, 503)),
        ("google",),
    ),
} | {
    f"langchain-{kind}": Client(
        "langchain_doors_client",
        LANGCHAIN,
        {
            **COMMON,
            **THINKING,
            "structured_by_tool": {"name": "Ada", "age": 7},
            "bad_request": [True, 400],
            "unknown_model": [True, 404],
        },
        _failing([True, 401], [True, 429], [True, overloaded]),
        (kind,),
    )
    for kind, overloaded in (("anthropic", 529), ("gemini", 503), ("ollama", 503))
}


@pytest.mark.heavy
@pytest.mark.parametrize("name", CLIENTS)
def test_the_client_sees_what_its_own_service_would_show(
    base_url: str, failing_server: FailingServer, name: str
) -> None:
    client, slow = CLIENTS[name], failing_server.slow
    left = slow.counts.left
    failing = json.dumps([failing_server.url, models_of(name)])
    outcomes = run_client(client, base_url, failing, *client.arguments)
    if isinstance(outcomes, str):
        pytest.skip(outcomes)

    slow.wait_until(lambda fake: fake.counts.left == left + 1, timeout_s=5)
    for where in (*scenarios.MODELS, "failing"):
        expected = client.failing if where == "failing" else client.expected
        assert outcomes[where] == {
            check: _told(wanted, where) for check, wanted in expected.items()
        }


def _told(wanted: Any, where: str) -> Any:
    """What is told for one provider, where they differ."""
    differs = isinstance(wanted, dict) and wanted.keys() == scenarios.MODELS.keys()
    return wanted[where] if differs else wanted
