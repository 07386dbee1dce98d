"""The wire format of completions: chunks, and the one object, from the same `_Choice`. No I/O."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from adapters.base import Event, Finish, Json, Logprobs, Refusal, Start, Text, Usage
from adapters.wire.bounds import choice_index
from proxy.doors.frames.sse import sse
from proxy.doors.openai import Head, OpenAIChunks
from proxy.doors.writing.whole import JSON_TYPE

KIND = "text_completion"
REASONS = frozenset({"stop", "length", "content_filter"})


class Form(Struct, frozen=True):
    """What an answer's form depends on; `choices` is how many there are of each prompt."""

    head: Head
    echo: Sequence[str] = ()
    choices: int = 1

    def learn(self, start: Start) -> None:
        """Take over what the provider says of itself, except what belongs to chats."""
        self.head.learn(replace(start, id=None, service_tier=None))

    def begin(self, index: int) -> str:
        return self.echo[index // self.choices] if self.echo else ""


def new_id() -> str:
    return f"cmpl-{secrets.token_hex(12)}"


class _Choice(Struct):
    """Where one choice stands; `offset` is how much of its text has probabilities."""

    text: list[str] = field(default_factory=list)
    offset: int = 0
    finish_reason: str | None = None

    def probabilities(self, entries: Sequence[Json]) -> Json:
        """OpenAI's older form of the same: four lists side by side."""
        told: Json = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        for entry in entries:
            token, logprob = entry["token"], entry["logprob"]
            others = {other["token"]: other["logprob"] for other in entry["top_logprobs"]}
            told["tokens"].append(token)
            told["token_logprobs"].append(logprob)
            told["top_logprobs"].append({**others, token: logprob})
            told["text_offset"].append(self.offset)
            self.offset += len(token)
        return told

    def finish(self, reason: str) -> None:
        self.finish_reason = self.finish_reason or (reason if reason in REASONS else "stop")


class _Choices:
    """The choices of an answer; one that is new begins with its prompt, if that is wanted."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self.known: dict[int, _Choice] = {}

    def new(self, event: Event) -> Iterator[tuple[int, str]]:
        """Those that begin with this event, and with which text."""
        for index in range(len(self.known), choice_index(getattr(event, "index", 0)) + 1):
            begin = self._form.begin(index)
            self.known[index] = _Choice([begin], len(begin))
            yield index, begin


class CompletionStream(OpenAIChunks):
    def __init__(self, form: Form, *, include_usage: bool) -> None:
        super().__init__(form.head, KIND, include_usage=include_usage)
        self._form = form
        self._choices = _Choices(form)

    def feed(self, events: Iterable[Event]) -> bytes:
        return b"".join([chunk for event in events for chunk in self._told(event)])

    def _told(self, event: Event) -> Iterator[bytes]:
        match event:
            case Start():
                if not self._choices.known:  # one model for all chunks
                    self._form.learn(event)
            case Usage():
                self._usage = event
            case Text() | Refusal() | Logprobs() | Finish():
                for index, begin in self._choices.new(event):
                    if begin:
                        yield self._chunk(index, begin)
                yield from self._said(event)

    def _said(self, event: Text | Refusal | Logprobs | Finish) -> Iterator[bytes]:
        choice = self._choices.known[event.index]
        if type(event) is Finish:
            if choice.finish_reason is None:
                choice.finish(event.reason)
                yield self._chunk(event.index, "", finish_reason=choice.finish_reason)
        elif type(event) is Logprobs:
            yield self._chunk(event.index, "", logprobs=choice.probabilities(event.content))
        elif event.text:
            yield self._chunk(event.index, event.text)

    def _chunk(self, index: int, text: str, **changed: object) -> bytes:
        choice = {"text": text, "index": index, "logprobs": None, "finish_reason": None}
        return sse(self._of_choice(choice | changed))


class CompletionFold:
    headers = (JSON_TYPE,)

    def __init__(self, form: Form) -> None:
        self._form = form
        self._choices = _Choices(form)
        self._logprobs: dict[int, list[Json]] = {}
        self._usage: Usage | None = None

    def feed(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case Start():
                    self._form.learn(event)
                case Usage():
                    self._usage = event
                case Text() | Refusal() | Logprobs() | Finish():
                    for _ in self._choices.new(event):
                        pass
                    self._take(event)

    def _take(self, event: Text | Refusal | Logprobs | Finish) -> None:
        match event:
            case Finish(reason, index):
                self._choices.known[index].finish(reason)
            case Logprobs(content, index):
                self._logprobs.setdefault(index, []).extend(content)
            case Text(text, index) | Refusal(text, index):
                self._choices.known[index].text.append(text)

    def cut(self) -> bool:
        for choice in self._choices.known.values():
            choice.finish("length")
        return any("".join(choice.text[1:]) for choice in self._choices.known.values())

    def end(self) -> bytes:
        choices = [self._choice(index, choice) for index, choice in self._choices.known.items()]
        return self._form.head.whole(KIND, choices, self._usage)

    def _choice(self, index: int, choice: _Choice) -> Json:
        entries = self._logprobs.get(index)
        return {
            "text": "".join(choice.text),
            "index": index,
            "logprobs": choice.probabilities(entries) if entries else None,
            "finish_reason": choice.finish_reason or "stop",
        }
