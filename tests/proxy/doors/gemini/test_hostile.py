"""Bodies with anything anywhere: each is read, or refused by what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import httpx
import orjson
import pytest

from adapters.base import Adapter, AdapterError, Json
from adapters.gemini.adapter import GeminiAdapter, GeminiSettings
from adapters.groq.adapter import GroqAdapter
from adapters.memory import LruMemory
from adapters.ollama.adapter import OllamaAdapter
from proxy.doors.door import Call
from proxy.doors.gemini import GenerateDoor
from proxy.errors import ApiError
from tests.adapters.kit import API_KEY, FakeUpstream

ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1e300, 2**63, "", "x", "-_-_", "\ud83d", [], [None], [[]], {}, {"": None}),
    *({"text": 1}, {"parts": {}}, [{"text": "a"}], {"type": ["STRING"]}, "NaN", [{}], {"x": {}}),
)
EVERY = 5
"""One of so many is read, to be quick; of each odd value some are."""
SCHEMA: Json = {
    "type": "OBJECT",
    "properties": {"a": {"type": "ARRAY", "items": {"anyOf": [{"type": "STRING"}]}}},
    "propertyOrdering": ["a"],
    "nullable": True,
}
BODY: Json = {
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "contents": [
        {
            "role": "user",
            "parts": [
                {"text": "Go"},
                {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
                {"fileData": {"mimeType": "image/png", "fileUri": "https://example.org/a.png"}},
            ],
        },
        {
            "role": "model",
            "parts": [
                {"text": "I look.", "thoughtSignature": "c2ln"},
                {"functionCall": {"id": "1", "name": "f", "args": {}}, "thoughtSignature": "c2ln"},
                {"executableCode": {"language": "PYTHON", "code": "1"}},
            ],
        },
        {
            "role": "user",
            "parts": [{"functionResponse": {"id": "1", "name": "f", "response": {"output": "x"}}}],
        },
    ],
    "tools": [
        {"functionDeclarations": [{"name": "f", "description": "F", "parameters": SCHEMA}]},
        {"codeExecution": {}},
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "safetySettings": [{"category": "X", "threshold": "Y"}],
    "generationConfig": {
        "temperature": 1,
        "topK": 1,
        "candidateCount": 1,
        "maxOutputTokens": 9,
        "stopSequences": ["x"],
        "responseMimeType": "application/json",
        "responseSchema": SCHEMA,
        "responseModalities": ["TEXT"],
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 1, "thinkingLevel": "LOW"},
        "speechConfig": {},
    },
}


def _changed(value: Any) -> Iterator[Any]:
    """The value with something odd in each of its places in turn, or with nothing there."""
    yield from ODD
    places = list(value.items() if isinstance(value, dict) else enumerate(value)) if isinstance(
        value, dict | list
    ) else []  # fmt: skip
    for place, inner in places:
        for odd in _changed(inner):
            copy = value.copy()
            copy[place] = odd
            yield copy
    if isinstance(value, dict):
        yield from ({k: v for k, v in value.items() if k != gone} for gone in value)


@pytest.fixture
def adapters() -> list[Adapter]:
    upstream = FakeUpstream(httpx.ConnectError("")).upstream
    made = [(GeminiAdapter, GeminiSettings), (GroqAdapter, GroqAdapter.Settings),
            (OllamaAdapter, OllamaAdapter.Settings)]  # fmt: skip
    return [kind(settings(api_key=API_KEY), upstream, LruMemory()) for kind, settings in made]


def test_whatever_stands_in_a_body_nothing_breaks(adapters: list[Adapter]) -> None:
    read = refused = 0
    door = GenerateDoor()
    for body in islice(_changed(BODY), 0, None, EVERY):
        try:
            text = orjson.dumps(body)
        except TypeError:  # half a character
            continue
        try:
            call = Call(text, params={"model": "models/gemini-2.5-flash"})
            request = door.read(call).request
        except ApiError as error:
            assert 400 <= error.status < 500
            refused += 1
            continue
        read += 1
        for adapter in adapters:
            try:
                orjson.dumps(adapter.to_native(request).body)
            except AdapterError as error:
                assert error.message
    assert read > 50 and refused > 200
