"""OpenAI's audio and images on loopback, as strict as its types."""

from __future__ import annotations

import email.parser
import email.policy
import io
import wave
from collections.abc import Callable

from tests.fakes.model import Json, words
from tests.fakes.server import Answer, Request, json_answer

FORM_FIELDS = words("model language prompt response_format temperature timestamp_granularities[]")
SPEECH_KEYS = words("model input voice instructions response_format speed stream_format")
IMAGE_KEYS = words("model prompt n size quality style background user response_format moderation")
SILENCE = bytes(2000)
PIXEL = "iVBORw0KGgo="
Refuse = Callable[[str], Exception]


def hear(request: Request, refuse: Refuse) -> Answer:
    """How large the file is, and in which model's ears."""
    head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    fields: dict[str, str] = {}
    size = 0
    for part in message.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        if part.get_filename() is not None:
            size = len(payload)
        elif name in FORM_FIELDS:
            fields[name] = payload.decode()
        else:
            raise refuse(f"Unknown parameter: '{name}'.")
    if not size:
        raise refuse("file is required")
    return json_answer({"text": f"{fields['model']} hears {size} bytes."})


def speak(request: Request, refuse: Refuse) -> Answer:
    """The same silence, whatever is said."""
    _checked(request.json, SPEECH_KEYS, ("model", "input", "voice"), refuse)
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(SILENCE)
    return Answer(200, (("content-type", "audio/wav"),), (made.getvalue(),))


def paint(request: Request, refuse: Refuse) -> Answer:
    """One pixel."""
    body = _checked(request.json, IMAGE_KEYS, ("model", "prompt"), refuse)
    is_told = "response_format" in body
    if body["model"].startswith("gpt-image") is is_told:
        raise refuse("Unknown parameter: 'response_format'." if is_told else "bytes must be asked")
    return json_answer({"created": 1, "data": [{"b64_json": PIXEL}]})


def _checked(body: Json, keys: frozenset[str], needed: tuple[str, ...], refuse: Refuse) -> Json:
    for key in body:
        if key not in keys:
            raise refuse(f"Unknown parameter: '{key}'.")
    for key in needed:
        if not isinstance(body.get(key), str):
            raise refuse(f"Missing required parameter: '{key}'.")
    return body
