"""What was heard -> OpenAI's transcripts, subtitles among them. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.base import Json, Usage
from adapters.tasks import Heard
from adapters.wire.writing import dumps
from proxy.doors.door import Indivisible
from proxy.doors.frames.sse import sse
from proxy.doors.openai import OpenAIStream, tokens_object
from proxy.doors.writing.whole import JSON_TYPE
from proxy.reply import Header

TEXT_TYPE: Header = (b"content-type", b"text/plain; charset=utf-8")
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


class _Told:
    """What is known of it so far."""

    def __init__(self) -> None:
        self.heard = Heard("")
        self.usage: Usage | None = None

    def take(self, events: Sequence[Any]) -> None:
        for event in events:
            if type(event) is Heard:
                self.heard = event
            elif type(event) is Usage:
                self.usage = event

    def fields(self) -> Json:
        """The text and what it took: seconds, or tokens where the provider counts those."""
        fields: Json = {"text": self.heard.text}
        if self.heard.duration_s is not None:
            seconds = math.ceil(self.heard.duration_s)
            fields["usage"] = {"type": "duration", "seconds": seconds}
        elif self.usage is not None:
            fields["usage"] = {
                "type": "tokens",
                **tokens_object(self.usage),
            }
        return fields


class HeardFold(Indivisible):
    """One text in a form; `more` are fields beside those of JSON."""

    def __init__(self, form: str, name: str, times: Sequence[str], more: Json) -> None:
        self._form = form
        self._name = name
        self._times = times
        self._more = more
        self._told = _Told()

    @property
    def headers(self) -> Sequence[Header]:
        return (JSON_TYPE if "json" in self._form else TEXT_TYPE,)

    def feed(self, events: Sequence[Any]) -> None:
        self._told.take(events)

    def end(self) -> bytes:
        heard = self._told.heard
        match self._form:
            case "text":
                return f"{heard.text}\n".encode()
            case "srt":
                return "".join(_srt(heard)).encode()
            case "vtt":
                return "".join(_vtt(heard)).encode()
            case "verbose_json":
                return dumps(self._verbose() | self._more)
            case _:
                return dumps(self._told.fields() | self._more)

    def _verbose(self) -> Json:
        heard = self._told.heard
        answer: Json = {
            "task": TASKS[self._name],
            "language": heard.language or "",
            "duration": heard.duration_s or 0.0,
            **self._told.fields(),
        }
        if "segment" in self._times:
            answer["segments"] = [
                {**SEGMENT, "id": number, **segment}
                for number, segment in enumerate(heard.segments)
            ]
        if "word" in self._times:
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
        self._told = _Told()

    def feed(self, events: Sequence[Any]) -> bytes:
        self._told.take(events)
        texts = [event.text for event in events if type(event) is Heard]
        return b"".join(sse({"type": "transcript.text.delta", "delta": text}) for text in texts)

    def end(self) -> bytes:
        return sse({"type": "transcript.text.done", **self._told.fields()})
