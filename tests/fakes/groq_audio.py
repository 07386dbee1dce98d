"""Groq's audio on loopback: forms as strict as its SDK's types."""

from __future__ import annotations

import email.parser
import email.policy
import struct
from collections.abc import Sequence

from tests.fakes.groq_rules import refuse
from tests.fakes.model import Json, tokens, words
from tests.fakes.server import Answer, Request

HEARING = ("whisper-large-v3", "whisper-large-v3-turbo")
FIELDS = words("model language prompt response_format temperature timestamp_granularities[] url")
FORMATS = ("json", "text", "verbose_json")
KINDS = words("flac mp3 mp4 mpeg mpga m4a ogg opus wav webm")
LANGUAGES = words("en de fr ja")
SPEAKING = ("canopylabs/orpheus-v1-english",)
SPEECH_FIELDS = words("model input voice response_format speed sample_rate")
VOICES = words("autumn diana hannah austin daniel troy")
LONGEST = 200
PACE = 1000
"""Bytes of a second."""


def hear(request: Request, path: str) -> Json:
    """What is in the file: as many words as seconds. Raises RefusalError."""
    fields, name, data = _form(request)
    told = dict(fields)
    translates = path.endswith("translations")
    for field, _ in fields:
        if field not in FIELDS or (translates and field.startswith(("language", "timestamp"))):
            raise refuse(f"property '{field}' is unsupported")
    if told.get("model") not in HEARING:
        message = f"The model `{told.get('model')}` does not exist or you do not have access to it."
        raise refuse(message, status=404, code="model_not_found")
    if translates and told["model"].endswith("turbo"):
        raise refuse(f"The model `{told['model']}` does not support translations")
    if told.get("response_format", "json") not in FORMATS:
        raise refuse("'response_format' : value must be one of json, text, verbose_json")
    if told.get("language", "en") not in LANGUAGES:
        raise refuse(f"language must be one of {sorted(LANGUAGES)}")
    if not name or name.rpartition(".")[2].lower() not in KINDS:
        raise refuse("file must be one of the following types: [flac mp3 mp4 mpeg mpga m4a ogg]")
    return _answer(fields, len(data), translates=translates)


def _form(request: Request) -> tuple[list[tuple[str, str]], str | None, bytes]:
    """Read by the standard library's parser of mail, which shares nothing with ours."""
    head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(head + request.body)
    if message.get_content_type() != "multipart/form-data" or not message.is_multipart():
        raise refuse("request Content-Type isn't multipart/form-data")
    fields: list[tuple[str, str]] = []
    name, data = None, None
    for part in message.iter_parts():
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        field = part.get_param("name", header="content-disposition")
        if part.get_filename() is None:
            fields.append((str(field), payload.decode()))
        elif field == "file":
            name, data = part.get_filename(), payload
    if data is None:
        raise refuse("file or url must be provided")
    return fields, name, data


def _answer(fields: Sequence[tuple[str, str]], size: int, *, translates: bool) -> Json:
    told = dict(fields)
    text = f" {told.get('prompt') or 'I hear'} {size} bytes."
    if told.get("response_format") != "verbose_json":
        return {"text": text, "x_groq": {"id": "req_fake"}}
    seconds = size / PACE
    pieces = [(index, index * seconds / 2, (index + 1) * seconds / 2) for index in range(2)]
    wanted = [value for name, value in fields if name == "timestamp_granularities[]"]
    answer: Json = {
        "task": "translate" if translates else "transcribe",
        "language": "English",
        "duration": seconds,
        "text": text,
        "x_groq": {"id": "req_fake"},
    }
    if "segment" in wanted or not wanted:
        answer["segments"] = [
            {
                "id": index,
                "seek": 0,
                "start": start,
                "end": end,
                "text": text if index else " Well.",
                "tokens": [50364, 50414],
                "temperature": 0,
                "avg_logprob": -0.25,
                "compression_ratio": 0.9,
                "no_speech_prob": 1e-10,
            }
            for index, start, end in pieces
        ]
    if "word" in wanted:
        answer["words"] = [{"word": "Well", "start": s, "end": e} for _, s, e in pieces]
    return answer


def speak(request: Request) -> Answer:
    """A WAV file of a thousand samples a word. Raises RefusalError."""
    try:
        body = request.json
    except ValueError:
        raise refuse("could not parse the request body as JSON") from None
    for name in body:
        if name not in SPEECH_FIELDS:
            raise refuse(f"property '{name}' is unsupported")
    if body.get("model") not in SPEAKING:
        message = f"The model `{body.get('model')}` does not exist or you do not have access to it."
        raise refuse(message, status=404, code="model_not_found")
    if body.get("voice") not in VOICES:
        raise refuse(f"voice must be one of {sorted(VOICES)}")
    if body.get("response_format") != "wav":
        raise refuse("response_format must be one of [wav]")
    if not 0 < len(body.get("input", "")) <= LONGEST:
        raise refuse(f"input must be at most {LONGEST} characters")
    samples = struct.pack("<h", 5) * 1000 * len(tokens(body["input"].strip()))
    form = struct.pack("<HHIIHH", 1, 1, 24_000, 48_000, 2, 16)
    head = b"RIFF" + b"\xff" * 4 + b"WAVEfmt " + struct.pack("<I", len(form)) + form
    extra = b"LIST" + struct.pack("<I", 3) + b"abc\x00"
    wav = head + extra + b"data" + b"\xff" * 4 + samples
    return Answer(200, (("content-type", "audio/wav"),), (wav,))
