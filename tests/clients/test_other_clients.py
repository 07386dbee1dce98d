"""Clients that are none of the project's dependencies, each in an environment of its own.

A client's script runs once, with every provider; each of its checks is a test here.
"""

from __future__ import annotations

import json

import httpx
import pytest

from tests.clients import openai_client, responses_client, scenarios
from tests.clients.runner import INSTALLED, Client, run_client

pytestmark = INSTALLED

TOOLS = scenarios.EXPECTED["tools"]
TEXTS = ("plain", "stream", "unicode", "image", "tools", "structured")
COMMON = {name: scenarios.EXPECTED[name] for name in TEXTS} | {"tools_stream": TOOLS}
REASONING = {"reasoning": scenarios.EXPECTED["reasoning"]}
EMBEDDED = {"embedded": scenarios.EXPECTED["embedded"]}
BY_ID = {"tools_by_id": TOOLS, "tools_by_id_stream": TOOLS}
LANGCHAIN = {
    **COMMON,
    "structured_by_tool": scenarios.EXPECTED["structured"],
    "bad_request": True,
    "unknown_model": True,
}
PYDANTIC_AI = {
    **COMMON,
    **REASONING,
    "structured_by_tool": scenarios.EXPECTED["structured"],
    "bad_request": 400,
    "unknown_model": 404,
}


CLIENTS = {
    "openai-2": Client(
        "openai_client",
        ("openai<3", "pydantic"),
        json.loads(json.dumps(openai_client.EXPECTED))
        | scenarios.by_responses(responses_client.EXPECTED),
    ),
    "langchain": Client(
        "langchain_client",
        ("langchain-openai",),
        LANGCHAIN
        | scenarios.by_responses(
            {
                **LANGCHAIN,
                **REASONING,
                **BY_ID,
                "reasoning_stream": scenarios.EXPECTED["reasoning"],
                "tools_sealed": TOOLS,
            }
        ),
    ),
    "pydantic-ai": Client(
        "pydantic_ai_client",
        ("pydantic-ai-slim[openai]",),
        PYDANTIC_AI | scenarios.by_responses(PYDANTIC_AI),
    ),
    "openai-agents": Client(
        "agents_client",
        ("openai-agents",),
        {
            **{name: COMMON[name] for name in COMMON if name != "unicode"},
            **REASONING,
            **BY_ID,
            "unknown_model": 404,
            "handoff": ["other", True],
            "session": [TOOLS, scenarios.EXPECTED["plain"]],
            "conversation": [TOOLS, scenarios.EXPECTED["plain"], True],
            "conversation_by_id": TOOLS,
            "searching": TOOLS,
        },
    ),
    "node-openai": Client(
        "openai.mjs",
        (),
        {
            **COMMON,
            **REASONING,
            **EMBEDDED,
            "sound": {"groq": True, "gemini": True, "ollama": "unsupported_feature"},
            "bad_request": ["BadRequestError", "invalid_value", "temperature"],
            "unknown_model": {
                # Only Ollama's refusal says by itself which parameter is at fault.
                provider: ["NotFoundError", "model_not_found", param]
                for provider, param in (("groq", None), ("gemini", None), ("ollama", "model"))
            },
        },
    ),
    "node-openai-responses": Client(
        "responses.mjs",
        (),
        {
            **COMMON,
            **REASONING,
            **BY_ID,
            "tools_sealed": TOOLS,
            "kept": [scenarios.PLAIN, [404, None]],
            "conversation": [TOOLS, True, True],
            "bad_request": [400, "invalid_value"],
            "unknown_model": [404, "model_not_found"],
        },
    ),
    "ai-sdk": Client(
        "ai_sdk.mjs",
        (),
        {
            **COMMON,
            **REASONING,
            **scenarios.by_responses(
                {
                    **{name: COMMON[name] for name in COMMON if name != "unicode"},
                    **REASONING,
                    "tools_sealed": TOOLS,
                    "turns": scenarios.EXPECTED["plain"],
                }
            ),
            **EMBEDDED,
            "tools_of_openai": TOOLS,
            "structured_of_openai": scenarios.EXPECTED["structured"],
            "bad_request": ["AI_APICallError", 400],
            "unknown_model": ["AI_APICallError", 404],
        },
    ),
}


@pytest.fixture
def asked(base_url: str) -> None:
    """Models that there are not have been asked for, whichever client comes first.

    Of those the provider tells the first who asks, and our memory all others; only Ollama's word
    names the `param`.
    """
    for model in scenarios.UNKNOWN_MODEL.values():
        body = {"model": model, "messages": [{"role": "user", "content": scenarios.PLAIN}]}
        url = f"{base_url}/chat/completions"
        assert httpx.post(url, json=body, trust_env=False).status_code == 404


@pytest.mark.heavy
@pytest.mark.parametrize("name", CLIENTS)
def test_the_client_sees_what_the_model_said(asked: None, base_url: str, name: str) -> None:
    client = CLIENTS[name]
    outcomes = run_client(client, base_url)
    if isinstance(outcomes, str):
        pytest.skip(outcomes)

    for provider in scenarios.MODELS:
        assert outcomes[provider] == {
            check: scenarios.expected_of(client.expected, provider, check)
            for check in client.expected
        }
