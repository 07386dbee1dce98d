"""What servers that speak as OpenAI does hear, say and paint: what is sent, what is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from openai.types.audio.speech_create_params import SpeechCreateParams
from openai.types.image_generate_params import ImageGenerateParamsNonStreaming
from pydantic import ConfigDict, TypeAdapter, with_config

from adapters.base import AdapterError, ErrorKind, Media, RateLimits, Start, Usage, Warn
from adapters.openai.media import to_native_picture
from adapters.tasks import (
    Heard,
    Hears,
    Paints,
    PictureRequest,
    Speaks,
    SpeechRequest,
    Spoken,
    TranscriptionRequest,
    TranslationRequest,
)
from adapters.translation.wav import wav_file
from proxy.doors.frames.multipart import parse_form
from tests.adapters.kit import API_KEY, FakeUpstream, Reply, json_reply
from tests.adapters.openai.kit import adapter

pytestmark = pytest.mark.anyio

SOUND = memoryview(b"RIFF....")
SAID = Reply((wav_file(b"\x01\x02", 16_000),), content_type="audio/wav")
PAINTED = {"created": 1, "data": [{"b64_json": "aGk="}], "output_format": "webp"}
STRICT = ConfigDict(extra="forbid")


async def heard(
    upstream: FakeUpstream, kind: type[TranscriptionRequest] = TranscriptionRequest, **fields: Any
) -> list[Any]:
    able = adapter(upstream.upstream, "openai")
    assert isinstance(able, Hears)
    file = {"audio": SOUND, "file_name": "a.wav", "mime_type": "audio/wav"}
    asked = kind(**{"model": "whisper-1", **file, **fields})
    return [event async for batch in able.hear(asked) for event in batch]


async def spoken(upstream: FakeUpstream, **fields: Any) -> list[Any]:
    able = adapter(upstream.upstream, "openai")
    assert isinstance(able, Speaks)
    asked = SpeechRequest(**{"model": "tts-1", "text": "Hi.", "voice": "nova", **fields})
    return [event async for batch in able.speak(asked) for event in batch]


async def painted(upstream: FakeUpstream, **fields: Any) -> list[Any]:
    able = adapter(upstream.upstream, "openai")
    assert isinstance(able, Paints)
    asked = PictureRequest(**{"model": "gpt-image-1", "prompt": "A cat.", **fields})
    return [event async for batch in able.paint(asked) for event in batch]


@pytest.mark.parametrize(
    ("kind", "path"),
    [(TranscriptionRequest, "transcriptions"), (TranslationRequest, "translations")],
)
async def test_a_recording_goes_out_as_a_form_by_the_key(kind: Any, path: str) -> None:
    segment = {"id": 0, "start": 0, "end": 1.5, "text": "Hi"}
    answer = {"text": " Hi ", "language": "en", "duration": 1.5, "segments": [segment]}
    upstream = FakeUpstream(json_reply(answer))
    [told] = await heard(upstream, kind, times=("segment",))

    [request] = upstream.requests
    assert str(request.url) == f"https://api.openai.com/v1/audio/{path}"
    assert request.headers["authorization"] == f"Bearer {API_KEY}"
    form = parse_form(request.headers["content-type"].encode(), request.content)
    assert dict(form.fields)["model"] == "whisper-1"
    assert dict(form.fields)["response_format"] == "verbose_json"
    assert form.files["file"].data == SOUND
    assert type(told) is Heard
    assert (told.text, told.language, told.duration_s) == ("Hi", "en", 1.5)
    assert told.segments == (segment,)


async def test_a_text_is_spoken_by_the_voice_that_is_asked_for() -> None:
    upstream = FakeUpstream(SAID)
    events = await spoken(upstream, manner="Gladly", dropped=("speed",))

    assert str(upstream.requests[0].url) == "https://api.openai.com/v1/audio/speech"
    TypeAdapter(with_config(STRICT)(SpeechCreateParams)).validate_python(upstream.sent)
    assert upstream.sent == {
        "model": "tts-1",
        "input": "Hi.",
        "voice": "nova",
        "response_format": "wav",
        "instructions": "Gladly",
    }
    assert events == [Warn("dropped=speed"), Spoken(b"\x01\x02", 16_000)]


@pytest.mark.parametrize(
    ("model", "told"),
    [("gpt-image-1", {}), ("openai/gpt-image-1", {}), ("flux", {"response_format": "b64_json"})],
)
async def test_a_picture_is_asked_for_as_bytes(model: str, told: dict[str, str]) -> None:
    usage = {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8}
    upstream = FakeUpstream(json_reply({**PAINTED, "usage": usage}))
    events = await painted(upstream, model=model, size="1024x1024", aspect="1:1", dropped=("x",))

    assert str(upstream.requests[0].url) == "https://api.openai.com/v1/images/generations"
    params = TypeAdapter(with_config(STRICT)(ImageGenerateParamsNonStreaming))
    params.validate_python(upstream.sent)
    plain = {"model": model, "prompt": "A cat.", "n": 1, "size": "1024x1024"}
    assert upstream.sent == plain | told
    image = Media("image/webp", "aGk=")
    assert events == [Warn("dropped=x"), Start(), image, Usage(prompt=3, completion=5)]


@pytest.mark.parametrize(
    "data", [None, [], [{"url": "https://x"}], [{"b64_json": ""}], [{"b64_json": 5}], [5], {}]
)
async def test_an_answer_without_bytes_is_none(data: Any) -> None:
    with pytest.raises(AdapterError) as caught:
        await painted(FakeUpstream(json_reply({"data": data})))
    assert caught.value.kind is ErrorKind.BAD_RESPONSE
    for body in ({}, [], 5):
        with pytest.raises(AdapterError) as caught:
            await heard(FakeUpstream(json_reply(body)))
        assert caught.value.kind is ErrorKind.BAD_RESPONSE
    with pytest.raises(AdapterError) as caught:
        await spoken(FakeUpstream(Reply((b"no sound",), content_type="audio/mpeg")))
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


async def test_a_refusal_means_what_it_means_of_a_chat() -> None:
    for ask in (heard, spoken, painted):
        with pytest.raises(AdapterError) as caught:
            await ask(FakeUpstream(json_reply({"error": {"message": "slow down"}}, 429)))
        assert caught.value.kind is ErrorKind.RATE_LIMIT


def test_the_models_are_set_else_the_houses_own_else_to_be_named() -> None:
    own, other = adapter(None, "openai"), adapter(None, "openrouter")
    assert own.hearing_model(translates=True) == own.hearing_model(translates=False) == "whisper-1"
    assert own.speaking_model and own.painting_model
    assert (other.hearing_model(translates=False), other.speaking_model) == ("", "")
    desk = {"hearing_model": "h", "speaking_model": "s", "painting_model": "p"}
    made = adapter(None, "desk", base_url="http://127.0.0.1:9", **desk)
    assert [made.hearing_model(translates=flag) for flag in (True, False)] == ["h", "h"]
    assert (made.speaking_model, made.painting_model) == ("s", "p")


def test_pictures_are_made_of_words_alone() -> None:
    asked = PictureRequest("gpt-image-1", "A hat.", sources=("data:image/png;base64,aGk=",))
    with pytest.raises(AdapterError) as caught:
        to_native_picture(asked)

    assert (caught.value.kind, caught.value.param) == (ErrorKind.UNSUPPORTED, "image")


async def test_limits_are_read_as_the_house_calls_them_here_too() -> None:
    told = {
        "x_ratelimit_limit_req_minute": "60",
        "x_ratelimit_remaining_req_minute": "59",
    }
    named = tuple((name.replace("_", "-"), text) for name, text in told.items())
    file = {"audio": SOUND, "file_name": "a.wav", "mime_type": "audio/wav"}
    for reply, ask in (
        (json_reply({"text": "Hi"}), lambda one: one.hear(TranscriptionRequest(model="m", **file))),
        (SAID, lambda one: one.speak(SpeechRequest(model="m", text="Hi.", voice="v"))),
        (json_reply(PAINTED), lambda one: one.paint(PictureRequest(model="m", prompt="A cat."))),
    ):
        able = adapter(FakeUpstream(replace(reply, headers=named)).upstream, "mistral")
        found = [event async for batch in ask(able) for event in batch]

        [limits] = [one for one in found if type(one) is RateLimits]
        assert (limits.limit_requests, limits.remaining_requests) == (60, 59)
