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
    riff = struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    return base64.b64encode(riff + form + struct.pack("<4sI", b"data", size) + samples).decode()
