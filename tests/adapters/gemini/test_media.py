"""What Gemini says and paints: chats whose answers are nothing but that."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from adapters.base import AdapterError, ErrorKind, Media, Warn
from adapters.tasks import Paints, PictureRequest, Speaks, SpeechRequest, Spoken
from adapters.translation.wav import wav_file
from tests.adapters.gemini.kit import adapter, chunk
from tests.adapters.kit import FakeUpstream, json_reply

pytestmark = pytest.mark.anyio

SAMPLES = base64.b64encode(b"\x01\x02").decode()
PCM = "audio/L16;codec=pcm;rate=16000"


def media(mime_type: str, data: str) -> Any:
    part = {"inlineData": {"mimeType": mime_type, "data": data}}
    return chunk([part], finish="STOP")


async def spoken(upstream: FakeUpstream, **fields: Any) -> list[Any]:
    asked = SpeechRequest(**{"model": "x-tts", "voice": "alloy", "text": "Hi.", **fields})
    able = adapter(upstream.upstream)
    assert isinstance(able, Speaks)
    return [event async for batch in able.speak(asked) for event in batch]


async def painted(upstream: FakeUpstream, **fields: Any) -> list[Any]:
    asked = PictureRequest(**{"model": "x-image", "prompt": "A cat.", **fields})
    able = adapter(upstream.upstream)
    assert isinstance(able, Paints)
    return [event async for batch in able.paint(asked) for event in batch]


@pytest.mark.parametrize(
    ("voice", "native", "words"),
    [
        ("alloy", "Kore", []),
        ("puck", "Puck", []),
        ("strange", "Kore", [Warn("dropped=speed"), Warn("changed=voice")]),
    ],
)
async def test_a_text_is_spoken(voice: str, native: str, words: list[Warn]) -> None:
    upstream = FakeUpstream(json_reply(media(PCM, SAMPLES)))
    dropped = ("speed",) if words else ()
    events = await spoken(upstream, voice=voice, manner="Gladly", dropped=dropped)

    config = upstream.sent["generationConfig"]
    assert config["responseModalities"] == ["AUDIO"]
    assert config["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"] == native
    assert upstream.sent["contents"][0]["parts"] == [{"text": "Gladly: Hi."}]
    assert [event for event in events if type(event) is Spoken] == [Spoken(b"\x01\x02", 16_000)]
    assert [event for event in events if type(event) is Warn] == words


async def test_newer_models_speak_in_files() -> None:
    file = base64.b64encode(wav_file(b"\x01\x02", 24_000)).decode()
    events = await spoken(FakeUpstream(json_reply(media("audio/wav", file))))

    assert Spoken(b"\x01\x02", 24_000) in events


async def test_a_picture_is_painted_in_a_form() -> None:
    upstream = FakeUpstream(json_reply(media("image/png", "AAAA")))
    events = await painted(upstream, aspect="16:9", dropped=("quality",))

    config = upstream.sent["generationConfig"]
    assert config["responseModalities"] == ["IMAGE"]
    assert config["imageConfig"] == {"aspectRatio": "16:9"}
    assert Media("image/png", "AAAA") in events and Warn("dropped=quality") in events


async def test_words_alone_are_neither() -> None:
    said = json_reply(chunk([{"text": "I may not."}], finish="STOP"))
    for make, param in ((spoken, "input"), (painted, "prompt")):
        with pytest.raises(AdapterError, match="I may not") as caught:
            await make(FakeUpstream(said))
        assert (caught.value.kind, caught.value.param) == (ErrorKind.UNSUPPORTED, param)


async def test_a_sound_that_is_none_is_no_answer() -> None:
    with pytest.raises(AdapterError) as caught:
        await spoken(FakeUpstream(json_reply(media("audio/ogg", SAMPLES))))

    assert caught.value.kind is ErrorKind.BAD_RESPONSE
