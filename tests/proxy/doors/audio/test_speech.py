"""Speech: what may be asked, the forms of a file, and by whom it is spoken."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import AsyncGenerator
from typing import Any

import openai
import pytest
import soundfile

from adapters.base import AdapterError, ErrorKind, Warn
from adapters.tasks import SpeechRequest, Spoken
from proxy.doors.audio.speech import parse_request
from proxy.errors import ApiError
from proxy.routing.operations import speaking
from proxy.routing.operations.operation import Calls
from proxy.routing.operations.speaking import Sound, Speaking
from tests.proxy.kit import ScriptedAdapter, adapter

ASKED: dict[str, Any] = {"model": "tts-1", "input": "Hello there friend.", "voice": "alloy"}


def test_a_body_is_read() -> None:
    asked = parse_request(
        {
            **ASKED,
            "voice": {"id": "Kore"},
            "instructions": "Gladly",
            "speed": 2,
            "stream_format": "sse",
            "response_format": "pcm",
            "strange": 1,
        }
    )

    assert asked.stream
    assert asked.request == SpeechRequest(
        "tts-1", ASKED["input"], "Kore", "pcm", "Gladly", ("strange", "speed")
    )
    assert parse_request({**ASKED, "speed": 1.0}).request.dropped == ()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"input": None}, "input"),
        ({"input": " "}, "input"),
        ({"input": "x" * 4097}, "input"),
        ({"input": 5}, "input"),
        ({"voice": None}, "voice"),
        ({"voice": 5}, "voice"),
        ({"voice": {}}, "voice"),
        ({"speed": 5}, "speed"),
        ({"speed": "fast"}, "speed"),
        ({"response_format": "midi"}, "response_format"),
        ({"response_format": "aac"}, "response_format"),
        ({"stream_format": "x"}, "stream_format"),
        ({"instructions": 5}, "instructions"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_request({**ASKED, **fields})

    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.fixture
def no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaking, "find_spec", lambda _name: None)


def test_without_an_encoder_its_form_is_refused_with_the_cure(no_encoder: None) -> None:
    for form in ("mp3", "opus", "flac"):
        with pytest.raises(ApiError, match=r"wav, pcm can; .*pip install 'pointsman\[audio\]'"):
            parse_request({**ASKED, "response_format": form})
    with pytest.raises(ApiError, match=r"wav, pcm can\.$"):
        parse_request({**ASKED, "response_format": "aac"})

    assert parse_request(ASKED).request.form == ""


class Speaker(ScriptedAdapter):
    """An adapter that says these."""

    says: tuple[Spoken, ...] = ()

    async def speak(self, request: SpeechRequest) -> AsyncGenerator[list[Any], None]:
        for one in self.says:
            yield [one]

    speaking_model = "m"

    def to_native_speech(self, request: SpeechRequest) -> Any:
        raise NotImplementedError


async def told(*says: Spoken) -> list[Any]:
    plain = adapter("toy")
    made: Speaker = type("Toy", (Speaker,), {"script": plain.script, "says": says})(plain.settings)
    asked = SpeechRequest("m", "Hi", "alloy")
    events = Speaking().events(made, asked, Calls(1, lambda *_: None))
    return [event async for batch in events for event in batch]


@pytest.mark.anyio
async def test_without_an_encoder_the_default_is_a_wav_file(no_encoder: None) -> None:
    changed, sound = await told(Spoken(b"\x01\x02", 8000), Spoken(b"\x03\x04", 8000))

    assert changed == Warn("changed=response_format")
    assert type(sound) is Sound and sound.mime_type == "audio/wav"
    with wave.open(io.BytesIO(sound.data)) as file:
        assert (file.getframerate(), file.readframes(9)) == (8000, b"\x01\x02\x03\x04")


@pytest.mark.anyio
async def test_silence_and_what_never_ends_are_no_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AdapterError) as silent:
        await told()
    monkeypatch.setattr(speaking, "MAX_SAMPLE_BYTES", 3)
    with pytest.raises(AdapterError) as endless:
        await told(Spoken(b"\x01\x02"), Spoken(b"\x01\x02"))

    assert silent.value.kind is ErrorKind.BAD_RESPONSE
    assert endless.value.kind is ErrorKind.RESPONSE_TOO_LARGE


# Through the server


@pytest.mark.parametrize("model", ["groq", "gemini"])
def test_every_form_that_can_be_made_is_made(client: openai.OpenAI, model: str) -> None:
    asked = {**ASKED, "model": model}
    file = client.audio.speech.create(**asked, response_format="wav")
    bare = client.audio.speech.create(**asked, response_format="pcm")
    default = client.audio.speech.create(**asked)

    with wave.open(io.BytesIO(file.content)) as read:
        assert (read.getframerate(), read.getnchannels(), read.getsampwidth()) == (24_000, 1, 2)
        assert read.readframes(9999) == bare.content
    assert len(bare.content) == 3 * 2000
    assert default.response.headers["content-type"] == "audio/mpeg"
    assert default.content[0] == 0xFF and default.content[1] & 0xE0 == 0xE0  # a frame of MPEG


@pytest.mark.parametrize(
    ("form", "mime_type", "begin"),
    [("opus", "audio/ogg", b"OpusHead"), ("flac", "audio/flac", b"fLaC")],
)
def test_what_is_encoded_holds_what_was_said(
    client: openai.OpenAI, form: Any, mime_type: str, begin: bytes
) -> None:
    told = client.audio.speech.create(**{**ASKED, "model": "groq"}, response_format=form)

    assert told.response.headers["content-type"] == mime_type
    assert begin in told.content[:64]
    with soundfile.SoundFile(io.BytesIO(told.content)) as read:
        assert (read.samplerate, read.channels, read.frames) == (24_000, 1, 3000)


def test_a_rate_that_opus_has_not_is_kept_by_its_forerunner() -> None:
    sound = speaking.made(b"\0\0" * 22_050, 22_050, "opus")

    with soundfile.SoundFile(io.BytesIO(sound.data)) as read:
        assert (read.subtype, read.samplerate, read.frames) == ("VORBIS", 22_050, 22_050)


def test_events_hold_the_same_file(client: openai.OpenAI) -> None:
    asked: Any = {**ASKED, "model": "groq", "response_format": "pcm"}
    bare = client.audio.speech.create(**asked)
    with client.audio.speech.with_streaming_response.create(
        **asked, stream_format="sse"
    ) as response:
        delta, done = [line for line in response.iter_lines() if line]

    assert base64.b64decode(delta.partition('"audio":"')[2][:-2]) == bare.content
    assert '"speech.audio.done"' in done


def test_who_cannot_speak_is_told_so(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.speech.create(**{**ASKED, "model": "ollama"})

    assert caught.value.code == "unsupported_feature"
