"""Transcriptions and translations: what may be asked, every form of the answer, and by whom."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest

from adapters.base import Usage
from adapters.tasks import Heard, TranscriptionRequest, TranslationRequest
from proxy.doors.audio import HearingDoor
from proxy.doors.audio.read import parse_request
from proxy.doors.audio.write import HeardStream
from proxy.doors.door import Call, Opening
from proxy.doors.frames.multipart import File, Form
from proxy.doors.images.edits import EditsDoor
from proxy.doors.openai import EXTENSION
from proxy.errors import ApiError
from proxy.gate import body
from tests.security.kit import Fakes, Threaded

FILE = ("a.wav", b"RIFF" + bytes(996), "audio/wav")
HEARD = Heard(
    "Hi all.",
    language="english",
    duration_s=3661.5,
    segments=[
        {"start": 0.0, "end": 1.25, "text": " Hi"},
        {"start": 1.25, "end": 3661.5, "text": "all."},
    ],
    words=[{"word": "Hi", "start": 0.0, "end": 1.0}],
)


def form(*fields: tuple[str, str], data: bytes = b"x", name: str = "file") -> Form:
    file = File("a.wav", "audio/wav", memoryview(data))
    return Form([("model", "whisper-1"), *fields], {name: file} if name else {})


def test_the_model_that_the_path_names_is_asked_whatever_the_form_says() -> None:
    for door in (HearingDoor("transcriptions", TranscriptionRequest), EditsDoor()):
        for named in ({"model": "other"}, {}):
            picture = ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(64), "image/png")
            name, file = ("file", FILE) if door.name == "transcriptions" else ("image", picture)
            sent = httpx.Request(
                "POST", "http://localhost", data={"prompt": "p", **named}, files={name: file}
            )
            headers = {b"content-type": sent.headers["content-type"].encode()}
            body = sent.read()
            asked: Any = door.read(Call(body, params={"model": "far/m"}, headers=headers))
            assert asked.request.model == "far/m"
            with pytest.raises(ApiError, match="does not exist"):
                door.read(Call(body, params={"model": "../m"}, headers=headers))


def folded(wanted: str, *times: str, path: str = "/v1/audio/transcriptions") -> bytes:
    door = HearingDoor("transcriptions", TranscriptionRequest)
    fields = {"model": "m", "response_format": wanted}
    asked = httpx.Request(
        "POST",
        "http://localhost",
        data=fields | ({"timestamp_granularities[]": times} if times else {}),
        files={"file": FILE},
    )
    headers = {b"content-type": asked.headers["content-type"].encode()}
    fold = door.fold(door.read(Call(asked.read(), path=path, headers=headers)), Opening("req_1", 0))
    fold.feed([HEARD])
    return fold.end()


# What may be asked


def test_a_form_is_read() -> None:
    fields = [
        ("language", "de"),
        ("prompt", "names"),
        ("temperature", "0.5"),
        ("response_format", "verbose_json"),
        ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"),
        ("include[]", "logprobs"),
        ("stream", "true"),
    ]
    parsed = parse_request(form(*fields), TranslationRequest)
    request = parsed.request

    assert type(request) is TranslationRequest
    assert (request.language, request.prompt, request.temperature) == ("de", "names", 0.5)
    assert (request.times, request.dropped) == (("word", "segment"), ("include",))
    assert not parsed.stream  # there is no such form of it in events


def test_times_are_asked_for_where_the_form_tells_them() -> None:
    for wanted, times in (("json", ()), ("text", ()), ("srt", ("segment",)), ("vtt", ("segment",))):
        parsed = parse_request(form(("response_format", wanted)), TranscriptionRequest)
        assert parsed.request.times == times


@pytest.mark.parametrize(
    ("told", "param"),
    [
        (form(name=""), "file"),
        (form(data=b""), "file"),
        (form(("model", "again")), "model"),
        (form(("response_format", "diarized_json")), "response_format"),
        (form(("temperature", "2")), "temperature"),
        (form(("temperature", "nan")), "temperature"),
        (form(("temperature", "warm")), "temperature"),
        (form(("language", "en\r\n")), "language"),
        (form(("stream", "maybe")), "stream"),
        (form(("timestamp_granularities[]", "word")), "timestamp_granularities"),
        (form(("timestamp_granularities", "hour")), "timestamp_granularities"),
        (Form([], form().files), "model"),
        (Form([("model", "m")], {**form().files, "other": form().files["file"]}), "other"),
    ],
)
def test_what_is_wrong_is_named(told: Form, param: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_request(told, TranscriptionRequest)

    assert (caught.value.status, caught.value.param) == (400, param)


# The forms of the answer


def test_subtitles_tell_hours_and_thousandths() -> None:
    assert folded("srt").decode() == (
        "1\n00:00:00,000 --> 00:00:01,250\nHi\n\n2\n00:00:01,250 --> 01:01:01,500\nall.\n\n"
    )
    assert folded("vtt").decode() == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nHi\n\n00:00:01.250 --> 01:01:01.500\nall.\n\n"
    )
    assert folded("text") == b"Hi all.\n"


def test_the_verbose_form_has_every_key_of_a_segment() -> None:
    told = json.loads(folded("verbose_json", "segment", "word"))

    assert {name: told[name] for name in ("task", "language", "duration", "text", "words")} == {
        "task": "transcribe",
        "language": "english",
        "duration": 3661.5,
        "text": "Hi all.",
        "words": list(HEARD.words),
    }
    assert [segment["id"] for segment in told["segments"]] == [0, 1]
    assert told["segments"][0].keys() == {
        *("id", "seek", "start", "end", "text", "tokens", "temperature"),
        *("avg_logprob", "compression_ratio", "no_speech_prob"),
    }
    assert "words" not in json.loads(folded("verbose_json", "segment"))


def test_the_request_is_named_where_the_base_path_has_a_field_for_it() -> None:
    for wanted in ("json", "verbose_json"):
        plain = json.loads(folded(wanted))
        told = json.loads(folded(wanted, path="/openai/v1/audio/transcriptions"))
        assert told == plain | {EXTENSION: {"id": "req_1"}} != plain


def test_what_it_took_is_told_in_seconds_or_tokens() -> None:
    assert json.loads(folded("json"))["usage"] == {"type": "duration", "seconds": 3662}
    stream = HeardStream()
    sent = stream.feed([Heard("Hi"), Usage(prompt=3, completion=1)]) + stream.end()
    first, last, rest = sent.decode().split("\n\n")

    assert json.loads(first[6:]) == {"type": "transcript.text.delta", "delta": "Hi"}
    usage = {"type": "tokens", "input_tokens": 3, "output_tokens": 1, "total_tokens": 4}
    done = {"type": "transcript.text.done", "text": "Hi", "usage": usage}
    assert (json.loads(last[6:]), rest) == (done, "")


# Through the server


def test_the_first_that_can_hears_it(client: openai.OpenAI, fakes: Fakes) -> None:
    plain = client.audio.transcriptions.create(model="whisper-1", file=FILE)
    with pytest.deprecated_call():  # the client would rather have no subtitles
        subtitles: Any = client.audio.translations.create(
            model="whisper-1", file=FILE, response_format="srt"
        )

    assert plain.text == "I hear 1000 bytes."
    assert subtitles.startswith("1\n00:00:00,000 --> 00:00:00,500\nWell.\n\n")
    assert [request.path.rpartition("/")[2] for request in fakes.groq.requests if request.body] == [
        "transcriptions",
        "translations",
    ]


def test_who_cannot_tell_times_is_passed_over(client: openai.OpenAI) -> None:
    one = client.audio.transcriptions.create(model="gemini", file=FILE)
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.transcriptions.create(model="gemini", file=FILE, response_format="vtt")
    verbose = client.audio.transcriptions.create(
        model="gemini",
        file=FILE,
        response_format="verbose_json",
        timestamp_granularities=["word"],
        extra_headers={"x-pointsman-fallback": "on"},
    )

    assert one.text == "I see 1 image(s): audio/wav of 1000 bytes"
    assert caught.value.param == "response_format"
    assert verbose.words and verbose.duration == 1.0


def test_events_end_with_the_whole_text(client: openai.OpenAI) -> None:
    events = list(client.audio.transcriptions.create(model="groq", file=FILE, stream=True))

    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]


def post(faked: Threaded, **more: Any) -> httpx.Response:
    url = f"http://127.0.0.1:{faked.port}/v1/audio/transcriptions"
    return httpx.post(url, trust_env=False, **more)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"json": {"model": "m"}}, 415),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400),
        ({"files": {"file": ("..", b"x")}, "data": {"model": "m"}}, 400),
        ({"files": {"file": FILE}}, 400),
        ({"files": {"file": FILE}, "data": {"model": "ollama"}}, 400),
        ({"files": {"file": FILE}, "headers": {"origin": "http://evil.example"}}, 403),
        ({"files": {"file": FILE}, "headers": {"sec-fetch-site": "cross-site"}}, 403),
    ],
)
def test_what_is_refused_is_told_in_openais_words(
    faked: Threaded, more: dict[str, Any], status: int
) -> None:
    response = post(faked, **more)

    assert response.status_code == status
    assert response.json()["error"]["message"]


def test_a_file_has_a_limit_of_its_own(faked: Threaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "MAX_BODY_BYTES", 500)
    heard = post(faked, files={"file": FILE}, data={"model": "groq"})
    monkeypatch.setattr(body, "MAX_FORM_BYTES", 500)
    refused = post(faked, files={"file": FILE}, data={"model": "groq"})

    assert (heard.status_code, refused.status_code) == (200, 413)


def test_a_form_is_taken_nowhere_else(faked: Threaded) -> None:
    url = f"http://127.0.0.1:{faked.port}/v1/embeddings"
    response = httpx.post(url, files={"file": FILE}, data={"model": "m"}, trust_env=False)

    assert response.status_code == 415
