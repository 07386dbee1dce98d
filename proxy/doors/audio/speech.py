"""POST /v1/audio/speech."""

from __future__ import annotations

from typing import Any

from adapters.base import Json
from adapters.tasks import SpeechRequest
from proxy.doors.audio.output import SpeechFold, SpeechStream
from proxy.doors.door import Asked, Call, Opening
from proxy.doors.openai import OpenAIErrors, body_of, check_model_name
from proxy.doors.reading.checks import between, checked, out_of_range, string, wrong_type
from proxy.errors import bad_request
from proxy.routing.operations.speaking import ENCODERS, can_make

MAX_INPUT = 4096
FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
KNOWN = frozenset(
    {
        *("model", "input", "voice", "response_format", "speed", "instructions"),
        *("stream_format", "pointsman"),
    }
)


class SpeechDoor(OpenAIErrors):
    name = "speech"

    def read(self, call: Call) -> Asked:
        return parse_request(body_of(call))

    def stream(self, asked: Asked, opening: Opening) -> SpeechStream:
        return SpeechStream()

    def fold(self, asked: Asked, opening: Opening) -> SpeechFold:
        return SpeechFold()


def parse_request(data: Json) -> Asked:
    data = {name: value for name, value in data.items() if value is not None}
    model = check_model_name(data.get("model"))
    if (text := checked(data, "input", string)) is None:
        raise bad_request("You must provide an input.", param="input")
    if not len(text.strip()) > 0 or len(text) > MAX_INPUT:
        raise out_of_range("input", f"1 to {MAX_INPUT} characters")
    sends = checked(data, "stream_format", string) or "audio"
    if sends not in ("audio", "sse"):
        raise out_of_range("stream_format", "audio or sse")
    dropped = [str(name)[:32] for name in data if name not in KNOWN]
    if (checked(data, "speed", between(0.25, 4)) or 1) != 1:
        dropped.append("speed")
    request = SpeechRequest(
        model=model,
        text=text,
        voice=_voice(data.get("voice")),
        form=_form(checked(data, "response_format", string)),
        manner=checked(data, "instructions", string) or None,
        dropped=tuple(dropped),
    )
    return Asked(request, sends == "sse", data.get("pointsman"))


def _form(told: str | None) -> str:
    """The form of the file, "" where none is asked for."""
    if told is None:
        return ""
    if told not in FORMATS:
        raise out_of_range("response_format", f"one of {', '.join(FORMATS)}")
    if not can_make(told):
        cure = f"; for {told}: pip install 'pointsman[audio]'" if told in ENCODERS else ""
        able = [form for form in FORMATS if can_make(form)]
        raise bad_request(
            f"No file of the form {told} can be made here. {', '.join(able)} can{cure}.",
            param="response_format",
            code="unsupported_value",
        )
    return told


def _voice(told: Any) -> str:
    if isinstance(told, dict):
        told = told.get("id")
    if told is None:
        raise bad_request("You must provide a voice.", param="voice")
    if not isinstance(told, str):
        raise wrong_type("voice", "a string, or an object with an id")
    return told
