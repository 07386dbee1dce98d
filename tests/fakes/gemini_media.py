"""Gemini's models that speak or paint, on loopback."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping

from tests.fakes.gemini_config import refuse
from tests.fakes.model import Json, tokens, words
from tests.fakes.server import Request

KINDS: Mapping[str, str] = {"gemini-3.8-flash-tts": "AUDIO", "gemini-3.1-flash-image": "IMAGE"}
VOICES = words("Kore Puck Orus Aoede Charon Zephyr Fenrir Leda")
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)


def made(request: Request, name: str) -> Json:
    """The answer: a thousand samples a word, or one pixel. Raises RefusalError."""
    try:
        body = request.json
        text = body["contents"][-1]["parts"][-1]["text"]
    except (ValueError, LookupError, TypeError):
        raise refuse("contents is not specified") from None
    config = body.get("generationConfig") or {}
    if config.get("responseModalities") != [KINDS[name]]:
        raise refuse("The requested combination of response modalities is not supported.")
    if "systemInstruction" in body or "tools" in body:
        raise refuse("Developer instruction is not enabled for this model")
    if KINDS[name] == "AUDIO":
        voice = config["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"]
        if voice not in VOICES:
            raise refuse(f"Voice name {voice} is not supported.")
        samples = struct.pack("<h", 7) * 1000 * len(tokens(text))
        part = _part("audio/L16;codec=pcm;rate=24000", base64.b64encode(samples).decode())
    elif text.startswith("refuse"):
        part = {"text": "I cannot paint that."}
    else:
        part = _part("image/png", PIXEL)
    return {
        "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": len(tokens(text)), "candidatesTokenCount": 9},
        "modelVersion": name,
    }


def _part(mime_type: str, data: str) -> Json:
    return {"inlineData": {"mimeType": mime_type, "data": data}}
