"""Samples behind a header that the standard library's reader understands."""

from __future__ import annotations

import io
import struct
import wave
from base64 import b64decode, b64encode

import pytest

from adapters.translation.wav import PCM, samples_of, wav, wav_file

SAMPLES = bytes(range(200))
TEXT = b64encode(SAMPLES).decode()


@pytest.mark.parametrize(
    ("mime_type", "rate_hz"),
    [("audio/L16;codec=pcm;rate=16000", 16_000), ("audio/pcm", 24_000)],
)
def test_the_header_tells_what_the_samples_are(mime_type: str, rate_hz: int) -> None:
    with wave.open(io.BytesIO(b64decode(wav(mime_type, TEXT, is_all=True)))) as reader:
        assert (reader.getnchannels(), reader.getsampwidth()) == (1, 2)
        assert (reader.getframerate(), reader.getnframes()) == (rate_hz, 100)
        assert reader.readframes(100) == SAMPLES


def test_more_samples_may_follow_where_it_is_not_all() -> None:
    file = b64decode(wav("audio/pcm", TEXT, is_all=False)) + SAMPLES
    with wave.open(io.BytesIO(file)) as reader:
        assert reader.readframes(200) == 2 * SAMPLES


def test_what_is_not_base64_is_refused() -> None:
    with pytest.raises(ValueError, match="base64"):
        wav("audio/pcm", "?", is_all=True)


@pytest.mark.parametrize("mime_type", ["audio/wav", "audio/mp3", "image/png"])
def test_only_bare_samples_need_a_header(mime_type: str) -> None:
    assert not PCM.match(mime_type)


def test_samples_are_read_out_of_files_and_are_put_into_them() -> None:
    file = wav_file(b"\x01\x02\x03\x04", 16_000)
    other = file[:12] + b"LIST" + struct.pack("<I", 3) + b"abc\x00" + file[12:]
    streamed = file[:40] + b"\xff" * 4 + file[44:]

    for sound in (file, other, streamed):
        assert samples_of("audio/wav", sound) == (b"\x01\x02\x03\x04", 16_000)
    assert samples_of("audio/L16;rate=8000", b"\x01\x02") == (b"\x01\x02", 8000)
    assert samples_of("audio/pcm", b"\x01\x02") == (b"\x01\x02", 24_000)


def test_what_holds_no_samples_of_that_kind_is_refused() -> None:
    file = wav_file(b"\x01\x02", 16_000)
    stereo = file[:22] + b"\x02\x00" + file[24:]
    for sound in (b"", b"RIFF", file[:30], file[:36], stereo, b"RIFF" + b"\xff" * 60):
        with pytest.raises(ValueError, match="samples"):
            samples_of("audio/wav", sound)
