"""What Groq hears and says: the forms that it gets, the answers that it gives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.base import AdapterError, ErrorKind, Warn
from adapters.groq.audio import MAX_SPOKEN
from adapters.tasks import (
    Heard,
    Hears,
    Speaks,
    SpeechRequest,
    Spoken,
    TranscriptionRequest,
    TranslationRequest,
)
from adapters.translation.wav import wav_file
from proxy.doors.frames.multipart import Form, parse_form
from tests import recordings
from tests.adapters.groq.kit import GroqKit
from tests.adapters.kit import FakeUpstream, Reply, json_reply
from tests.recordings import Recording

pytestmark = pytest.mark.anyio

RECORDED = [one for one in recordings.load("groq") if one.kind == "audio"]
SOUND = memoryview(b"\x00\xffRIFF\r\n--")


async def told(
    upstream: FakeUpstream, kind: type[TranscriptionRequest] = TranscriptionRequest, **fields: Any
) -> list[Any]:
    file = {"audio": SOUND, "file_name": 'a".wav', "mime_type": "audio/wav"}
    asked = kind(**{"model": "whisper-large-v3", **file, **fields})
    able = GroqKit().adapter(upstream.upstream)
    assert isinstance(able, Hears)
    return [event async for batch in able.hear(asked) for event in batch]


def sent(upstream: FakeUpstream) -> Form:
    request = upstream.requests[-1]
    return parse_form(request.headers["content-type"].encode(), request.content)


@pytest.mark.parametrize("recording", RECORDED, ids=lambda one: one.id)
async def test_what_was_recorded_is_read(recording: Recording) -> None:
    events = await told(FakeUpstream(Reply((recording.body,))))

    [heard] = [event for event in events if type(event) is Heard]
    assert heard.text == json.loads(recording.body)["text"].strip()


async def test_a_form_holds_the_file_and_what_is_asked_of_it() -> None:
    upstream = FakeUpstream(json_reply({"text": " Hi "}))
    fields = {"language": "de", "prompt": "ä", "temperature": 0.2, "times": ("word", "segment")}
    events = await told(upstream, **fields, dropped=("include",))

    form = sent(upstream)
    assert upstream.requests[0].url.path == "/openai/v1/audio/transcriptions"
    assert form.fields == [
        ("model", "whisper-large-v3"),
        ("response_format", "verbose_json"),
        ("language", "de"),
        ("prompt", "ä"),
        ("temperature", "0.2"),
        ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"),
    ]
    assert (form.files["file"].name, form.files["file"].data) == ("a_.wav", SOUND)
    assert events == [Warn("dropped=include"), Heard("Hi")]


async def test_a_translation_says_no_language() -> None:
    upstream = FakeUpstream(json_reply({"text": "Hi"}))
    events = await told(upstream, TranslationRequest, language="de", times=("segment",))

    assert upstream.requests[0].url.path == "/openai/v1/audio/translations"
    assert [name for name, _ in sent(upstream).fields] == ["model", "response_format"]
    assert events[0] == Warn("dropped=language")


async def test_an_answer_of_another_shape_is_none() -> None:
    segment = {"start": 0, "end": 1, "text": "x"}
    rows: list[Any] = [{**segment, "start": None}, {**segment, "text": 1}, {}, 5]
    bad = [[], {}, {"text": 1}, *({"text": "x", "segments": [row]} for row in rows)]
    for body in bad:
        with pytest.raises(AdapterError) as caught:
            await told(FakeUpstream(json_reply(body)))
        assert caught.value.kind is ErrorKind.BAD_RESPONSE, body


async def test_a_refusal_means_what_it_means_of_a_chat() -> None:
    with pytest.raises(AdapterError) as caught:
        await told(FakeUpstream(json_reply({"error": {"message": "slow down"}}, 429)))

    assert caught.value.kind is ErrorKind.RATE_LIMIT


# What Groq says


async def spoken(upstream: FakeUpstream, text: str, **fields: Any) -> list[Any]:
    asked = SpeechRequest(**{"model": "orpheus", "voice": "nova", "text": text, **fields})
    able = GroqKit().adapter(upstream.upstream)
    assert isinstance(able, Speaks)
    return [event async for batch in able.speak(asked) for event in batch]


async def test_a_text_is_spoken_by_a_voice_like_the_one_that_is_asked_for() -> None:
    for voice, native, words in (
        ("nova", "autumn", []),
        ("Troy", "troy", []),
        ("nobody", "hannah", [Warn("changed=voice")]),
    ):
        upstream = FakeUpstream(Reply((wav_file(b"\x01\x02", 24_000),), content_type="audio/wav"))
        events = await spoken(upstream, "Hi.", voice=voice)

        assert upstream.requests[0].url.path == "/openai/v1/audio/speech"
        assert upstream.sent == {
            "model": "orpheus",
            "input": "Hi.",
            "voice": native,
            "response_format": "wav",
        }
        assert events == [*words, Spoken(b"\x01\x02", 24_000)]


async def test_a_long_text_is_spoken_in_pieces() -> None:
    upstream = FakeUpstream(Reply((wav_file(b"\x01\x02", 24_000),), content_type="audio/wav"))
    text = "A sentence of some words! " * 20 + "word " * 100 + "x" * 450
    events = await spoken(upstream, text)

    sent = [json.loads(request.content)["input"] for request in upstream.requests]
    assert "".join(sent) == text
    assert max(map(len, sent)) <= MAX_SPOKEN and len(sent) > 5
    assert all(piece.rstrip().endswith(("!", "d", "x")) for piece in sent)
    assert len([event for event in events if type(event) is Spoken]) == len(sent)


@pytest.mark.parametrize("body", [b"", b"RIFF", b"ID3 no wave at all", b'{"error": 1}'])
async def test_a_sound_of_another_kind_is_no_answer(body: bytes) -> None:
    with pytest.raises(AdapterError) as caught:
        await spoken(FakeUpstream(Reply((body,), content_type="audio/wav")), "Hi.")

    assert caught.value.kind is ErrorKind.BAD_RESPONSE
