"""What was heard -> OpenAI's transcripts, subtitles among them. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.base import Json, Usage
from adapters.tasks import Heard
from adapters.wire.writing import dumps
from proxy.doors.frames.sse import sse
from proxy.doors.openai import OpenAIStream, tokens_object
from proxy.doors.writing.whole import last

TASKS: Mapping[str, str] = {"transcriptions": "transcribe", "translations": "translate"}
SEGMENT: Mapping[str, Any] = {
    "seek": 0,
    "tokens": (),
    "temperature": 0.0,
    "avg_logprob": 0.0,
    "compression_ratio": 0.0,
    "no_speech_prob": 0.0,
}
"""What every segment has beside its number, times and text."""


def transcript(
    events: Sequence[Any], *, form: str, name: str, times: Sequence[str], more: Json
) -> bytes:
    """One text in a form; `more` are fields beside those of JSON."""
    heard = last(Heard, events) or Heard("")
    match form:
        case "text":
            return f"{heard.text}\n".encode()
        case "srt":
            return "".join(_srt(heard)).encode()
        case "vtt":
            return "".join(_vtt(heard)).encode()
        case "verbose_json":
            return dumps(_verbose(heard, name, times) | _fields(events) | more)
        case _:
            return dumps(_fields(events) | more)


def _fields(events: Sequence[Any]) -> Json:
    """The text and what it took: seconds, or tokens where the provider counts those."""
    heard, usage = last(Heard, events) or Heard(""), last(Usage, events)
    fields: Json = {"text": heard.text}
    if heard.duration_s is not None:
        fields["usage"] = {"type": "duration", "seconds": math.ceil(heard.duration_s)}
    elif usage is not None:
        fields["usage"] = {"type": "tokens", **tokens_object(usage)}
    return fields


def _verbose(heard: Heard, name: str, times: Sequence[str]) -> Json:
    answer: Json = {
        "task": TASKS[name],
        "language": heard.language or "",
        "duration": heard.duration_s or 0.0,
    }
    if "segment" in times:
        answer["segments"] = [
            {**SEGMENT, "id": number, **segment} for number, segment in enumerate(heard.segments)
        ]
    if "word" in times:
        answer["words"] = heard.words
    return answer


def _cues(heard: Heard) -> Iterator[tuple[int, float, float, str]]:
    rows = heard.segments or (
        [{"start": 0.0, "end": heard.duration_s or 0.0, "text": heard.text}] if heard.text else []
    )
    for number, row in enumerate(rows, 1):
        yield number, row["start"], row["end"], " ".join(row["text"].split())


def _srt(heard: Heard) -> Iterator[str]:
    for number, start, end, text in _cues(heard):
        yield f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n\n"


def _vtt(heard: Heard) -> Iterator[str]:
    yield "WEBVTT\n\n"
    for _, start, end, text in _cues(heard):
        yield f"{_clock(start, '.')} --> {_clock(end, '.')}\n{text}\n\n"


def _clock(at_s: float, point: str) -> str:
    total_ms = max(0, round(at_s * 1000))
    minutes, ms = divmod(total_ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{ms // 1000:02}{point}{ms % 1000:03}"


class HeardStream(OpenAIStream):
    """The same as events."""

    def __init__(self) -> None:
        self._events: list[Any] = []

    def feed(self, events: Sequence[Any]) -> bytes:
        self._events += events
        texts = [event.text for event in events if type(event) is Heard]
        return b"".join(sse({"type": "transcript.text.delta", "delta": text}) for text in texts)

    def end(self) -> bytes:
        return sse({"type": "transcript.text.done", **_fields(self._events)})
