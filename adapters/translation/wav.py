"""Samples as speech models give them -> a WAV file, which players know. Pure.

Source: ai.google.dev/gemini-api/docs/speech-generation (16 bits, little-endian, one channel);
"Multimedia Programming Interface and Data Specifications 1.0" (RIFF).
"""

from __future__ import annotations

import base64
import re
import struct

PCM = re.compile(r"audio/(?:l16|pcm)\b", re.IGNORECASE)
_RATE = re.compile(r"rate=(\d{1,6})")
_DEFAULT_RATE_HZ = 24_000
_UNKNOWN_SIZE = 2**32 - 1


def wav(mime_type: str, pcm: str, *, is_all: bool) -> str:
    """`pcm` (base64) behind a header; unless it `is_all`, more samples may simply be appended.

    Raises ValueError for what is not base64.
    """
    samples = base64.b64decode(pcm, validate=True)
    found = _RATE.search(mime_type)
    rate_hz = int(found[1]) if found else _DEFAULT_RATE_HZ
    size = len(samples) if is_all else _UNKNOWN_SIZE - 36
    return base64.b64encode(_head(size, rate_hz) + samples).decode()


def samples_of(mime_type: str, sound: bytes) -> tuple[bytes, int]:
    """The samples and their rate: of a WAV file, or as bare as they came. Raises ValueError."""
    if not sound.startswith(b"RIFF"):
        found = _RATE.search(mime_type)
        if not PCM.match(mime_type):
            raise ValueError("no samples")
        return sound, int(found[1]) if found else _DEFAULT_RATE_HZ
    at, rate_hz = 12, 0
    while at + 8 <= len(sound):
        name, size = struct.unpack_from("<4sI", sound, at)
        at += 8
        if name == b"data" and rate_hz:
            return sound[at : at + size], rate_hz  # the size may be more than there is, in a stream
        if name == b"fmt " and at + 16 <= len(sound):
            kind, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", sound, at)
            if (kind, channels, bits) != (1, 1, 16):
                raise ValueError("samples of another kind")
        at += size + size % 2
    raise ValueError("no samples")


def wav_file(samples: bytes, rate_hz: int) -> bytes:
    """A whole file of samples."""
    return _head(len(samples), rate_hz) + samples


def _head(size: int, rate_hz: int) -> bytes:
    riff = struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    return riff + form + struct.pack("<4sI", b"data", size)
