"""Text becomes speech: an operation of all that can, one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import io
import math
from collections.abc import AsyncGenerator, Mapping
from importlib.util import find_spec
from typing import Any

from msgspec import Struct

from adapters.base import Adapter, AdapterError, ErrorKind, NativeCall, Warn
from adapters.tasks import Speaks, SpeechRequest, Spoken
from adapters.translation.wav import wav_file
from proxy.routing.operations.operation import Calls
from proxy.routing.operations.single import Single

KBIT_A_S = 96
BARE = ("wav", "pcm")
ENCODERS: Mapping[str, str] = {"mp3": "lameenc", "opus": "soundfile", "flac": "soundfile"}
"""By the form of a file, the library that makes one; all are of one extra."""
OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
MAX_SAMPLE_BYTES = 64 * 1024 * 1024


class Sound(Struct, frozen=True):
    data: bytes
    mime_type: str


class Speaking(Single[SpeechRequest]):
    """All of it is there before any of it is handed on: a file has its length at its start."""

    name = "speech"
    begins = Sound

    def model(self, adapter: Adapter) -> str | None:
        return adapter.speaking_model if isinstance(adapter, Speaks) else None

    def tokens(self, request: SpeechRequest) -> tuple[int, int]:
        return math.ceil(len(request.text) / 4), 0

    def native(self, adapter: Adapter, request: SpeechRequest) -> NativeCall:
        return _able(adapter).to_native_speech(request)

    async def events(
        self, adapter: Adapter, request: SpeechRequest, calls: Calls
    ) -> AsyncGenerator[list[Any], None]:
        samples, rate_hz = bytearray(), 0
        others: list[Any] = []
        async with contextlib.aclosing(_able(adapter).speak(request)) as batches:
            async for batch in batches:
                for event in batch:
                    if type(event) is Spoken:
                        samples += event.samples
                        rate_hz = rate_hz or event.rate_hz
                    else:
                        others.append(event)
                if len(samples) > MAX_SAMPLE_BYTES:
                    raise _failed(ErrorKind.RESPONSE_TOO_LARGE, "the answer is too long", adapter)
        if not samples:
            raise _failed(ErrorKind.BAD_RESPONSE, "the answer is silent", adapter)
        form = request.form or ("mp3" if can_make("mp3") else "wav")
        if not request.form and form == "wav":
            others.append(Warn("changed=response_format"))
        yield [*others, await asyncio.to_thread(made, bytes(samples), rate_hz, form)]


def _failed(kind: ErrorKind, message: str, adapter: Adapter) -> AdapterError:
    return AdapterError(kind, message, provider=adapter.name)


def can_make(form: str) -> bool:
    return form in BARE or (form in ENCODERS and find_spec(ENCODERS[form]) is not None)


def made(samples: bytes, rate_hz: int, form: str) -> Sound:
    match form:
        case "pcm":
            return Sound(samples, "audio/pcm")
        case "mp3":
            return Sound(_mp3(samples, rate_hz), "audio/mpeg")
        case "flac":
            return Sound(_by_sndfile(samples, rate_hz, "FLAC", "PCM_16"), "audio/flac")
        case "opus":
            codec = "OPUS" if rate_hz in OPUS_RATES_HZ else "VORBIS"
            return Sound(_by_sndfile(samples, rate_hz, "OGG", codec), "audio/ogg")
        case _:
            return Sound(wav_file(samples, rate_hz), "audio/wav")


def _mp3(samples: bytes, rate_hz: int) -> bytes:
    import lameenc  # it is an extra

    encoder = lameenc.Encoder()
    encoder.set_bit_rate(KBIT_A_S)
    encoder.set_in_sample_rate(rate_hz)
    encoder.set_channels(1)
    encoder.silence()
    return bytes(encoder.encode(samples) + encoder.flush())


def _by_sndfile(samples: bytes, rate_hz: int, form: str, codec: str) -> bytes:
    import soundfile  # it is an extra

    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate_hz, 1, format=form, subtype=codec) as writer:
        writer.buffer_write(samples, dtype="int16")
    return file.getvalue()


def _able(adapter: Adapter) -> Speaks:
    assert isinstance(adapter, Speaks)  # noqa: S101 - nobody else is a candidate
    return adapter
