"""What a client of Gemini's says to its door is what Gemini hears, to the last key."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.base import Json
from proxy.doors.gemini.read import parse_request
from tests.adapters.gemini.kit import GeminiKit, native

SIGNATURE = "c2lnbmVkOi8r"
SCHEMA: Json = {
    "type": "OBJECT",
    "properties": {
        "when": {"type": "STRING", "format": "date-time", "nullable": True, "pattern": "^2"},
        "tags": {"type": "ARRAY", "items": {"type": "STRING", "enum": ["a"]}, "maxItems": "3"},
    },
    "required": ["when"],
    "propertyOrdering": ["when", "tags"],
}
PNG = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
BODY: Json = {
    "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]},
    "contents": [
        {"role": "user", "parts": [{"text": "What is this?"}, PNG]},
        {
            "role": "model",
            "parts": [
                {"text": "I look.", "thoughtSignature": SIGNATURE},
                {"functionCall": {"name": "f", "args": {"a": [1]}}, "thoughtSignature": SIGNATURE},
                {"functionCall": {"name": "f", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "f", "response": {"result": "one"}}},
                {"functionResponse": {"name": "f", "response": {"error": {"code": 2}}}},
            ],
        },
        {"role": "model", "parts": [{"text": "Drawn:"}, PNG, {"thoughtSignature": SIGNATURE}]},
        {"role": "user", "parts": [{"text": "Thanks"}]},
    ],
    "tools": [
        {
            "functionDeclarations": [
                {"name": "f", "description": "F", "parameters": SCHEMA},
                {"name": "g", "parametersJsonSchema": {"type": "object", "$comment": "kept"}},
            ]
        },
        {"codeExecution": {}},
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}},
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    "generationConfig": {
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 64,
        "maxOutputTokens": 99,
        "stopSequences": ["x"],
        "seed": 7,
        "presencePenalty": 0.1,
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
        "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True},
    },
}


def _heard(body: Json, model: str = GeminiKit.model) -> Any:
    request = parse_request(body, model).request
    names = ("messages", "max_tokens", "stop", "n", "tools", "tool_choice", "forced_tool",
             "response_format", "thinking", "params", "extensions")  # fmt: skip
    return native(model=model, **{name: getattr(request, name) for name in names})


def test_a_whole_request_stays_as_it_is() -> None:
    heard = _heard(BODY)

    assert heard.body == BODY
    assert heard.warnings == ()


def test_gemini_3_hears_how_its_own_tools_stand_beside_others() -> None:
    heard = _heard(BODY, "gemini-3-flash-preview")

    assert heard.body["tools"] == BODY["tools"]
    assert heard.body["toolConfig"]["includeServerSideToolInvocations"] is True


@pytest.mark.parametrize(
    "config",
    [
        {"responseMimeType": "application/json"},
        {"responseMimeType": "application/json", "responseSchema": SCHEMA},
        {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}},
    ],
)
def test_the_schema_of_an_answer_stays_as_it_is(config: Json) -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "generationConfig": config}

    assert _heard(body).body == body


def test_sound_is_asked_for_as_it_was() -> None:
    voice = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}}
    config = {"responseModalities": ["AUDIO"], "speechConfig": voice}
    body = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "generationConfig": config}

    assert _heard(body, "gemini-2.5-flash-preview-tts").body == body


def test_a_format_said_in_words_is_not_said_twice() -> None:
    """Before Gemini 3 there is no JSON mode beside functions."""
    config = {"responseMimeType": "application/json", "responseSchema": SCHEMA}
    heard = _heard({**BODY, "tools": BODY["tools"][:1], "generationConfig": config})

    assert "generationConfig" not in heard.body
    assert "JSON Schema" in heard.body["systemInstruction"]["parts"][-1]["text"]


def test_files_that_only_google_can_fetch_keep_their_type() -> None:
    for uri in (
        "https://www.youtube.com/watch?v=x",
        "https://generativelanguage.googleapis.com/v1beta/files/abc",
    ):
        file = {"fileData": {"fileUri": uri, "mimeType": "video/mp4"}}
        body = {"contents": [{"role": "user", "parts": [file, {"text": "What?"}]}]}
        assert _heard(body).body == body
