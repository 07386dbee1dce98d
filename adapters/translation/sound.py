"""What kind of recording a file is, by its name, its bytes and its type. Pure.

Whisper's servers go by the ending of the name alone, and browsers, Telegram and Signal give names
with others, or with none. Source: console.groq.com/docs/speech-to-text.
"""

from __future__ import annotations

from collections.abc import Mapping

TAKEN = frozenset(("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "opus", "wav", "webm"))
_TWINS: Mapping[str, str] = {
    "oga": "ogg",
    "weba": "webm",
    "aac": "m4a",
    "m4b": "m4a",
    "wave": "wav",
    "vnd.wave": "wav",
}
_BEGINS: Mapping[bytes, str] = {
    b"RIFF": "wav",
    b"OggS": "ogg",
    b"fLaC": "flac",
    b"ID3": "mp3",
    b"\x1a\x45\xdf\xa3": "webm",
}


def ending_of(file_name: str, mime_type: str, sound: memoryview) -> str | None:
    """An ending that all servers take for such a file; None where nothing tells of one."""
    own = _taken(file_name.rpartition(".")[2])
    if own is not None:
        return own
    begin = bytes(sound[:12])
    if begin[4:8] == b"ftyp":
        return "m4a"
    found = (ending for mark, ending in _BEGINS.items() if begin.startswith(mark))
    return next(found, None) or _taken(mime_type.rpartition("/")[2].removeprefix("x-"))


def _taken(word: str) -> str | None:
    word = _TWINS.get(word.lower(), word.lower())
    return word if word in TAKEN else None
