"""OpenAI's wire format for answers: chunks, and the folded object. No I/O."""

from __future__ import annotations

import base64
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import orjson
from msgspec import Struct, field

from adapters.base import (
    CONTENT_EVENTS,
    Annotation,
    Event,
    Finish,
    Json,
    Logprobs,
    Media,
    Reasoning,
    Refusal,
    Start,
    Text,
    ToolCall,
    Usage,
)
from adapters.wire.bounds import choice_index
from proxy.doors.chat.output import CustomCalls
from proxy.doors.frames.sse import sse
from proxy.doors.openai import Head, OpenAIChunks, extension
from proxy.doors.writing.calls import HeldCalls
from proxy.doors.writing.whole import JSON_TYPE

CHUNK = "chat.completion.chunk"
_CONTENT = frozenset(CONTENT_EVENTS)
_lists = partial(defaultdict[type, list[str]], list)
_Content = Text | Reasoning | Refusal | ToolCall | Media | Annotation | Logprobs | Finish


class _Calls(Struct):
    """The tool calls of one choice, numbered over the whole answer, each with one id."""

    numbers: dict[str | int, int] = field(default_factory=dict)

    def delta(self, call: ToolCall) -> Json:
        """The entry of `delta.tool_calls` for a call or for a further piece of one."""
        number = self.numbers.get(call.key)
        if number is not None:
            return {"index": number, "function": {"arguments": call.arguments}}
        self.numbers[call.key] = number = len(self.numbers)
        extra = call.extra or {}
        function = {"name": call.name, "arguments": call.arguments}
        return {
            "index": number,
            "id": call.id or f"call_{secrets.token_hex(12)}",
            **({} if "custom" in extra else {"type": "function", "function": function}),
            **extra,
        }


class _Choice(Struct):
    """Where one choice of an answer stands; turns its events into deltas."""

    legacy_functions: bool
    calls: _Calls = field(default_factory=_Calls)
    entries: dict[str, int] = field(default_factory=dict)
    finished: bool = False

    def delta(self, event: _Content) -> Json | None:
        """`choices[].delta` for a content event; None where there is nothing to say."""
        match event:
            case Text(text):
                return {"content": text}
            case Reasoning(text):
                return {"reasoning_content": text, "reasoning": text}
            case Refusal(text):
                return {"refusal": text}
            case ToolCall() if self.legacy_functions:
                entry = self.calls.delta(event)
                return None if entry["index"] else {"function_call": entry["function"]}
            case ToolCall():
                return {"tool_calls": [self.calls.delta(event)]}
            case Media(mime_type, data) if mime_type.startswith("audio/"):
                is_first = self._number("audio") == 0
                return {"audio": _audio(data) if is_first else {"data": data}}
            case Media():
                return {"images": [{"index": self._number("images"), **_image(event)}]}
            case Annotation(value):
                name = _list_of(value)
                return {name: [{"index": self._number(name), **value}]}
            case _:
                return None

    def _number(self, name: str) -> int:
        """The place of a list's next entry; accumulators that add deltas up demand it."""
        self.entries[name] = self.entries.get(name, -1) + 1
        return self.entries[name]


def _finish_reason(reason: str, *, legacy_functions: bool) -> str:
    """Clients of the older functions know only their own word."""
    return "function_call" if legacy_functions and reason == "tool_calls" else reason


def _list_of(annotation: Json) -> str:
    """OpenAI's list holds citations of URLs alone, and clients refuse a message with any other."""
    return "annotations" if annotation.get("type") == "url_citation" else "citations"


def _audio(data: str) -> Json:
    audio_id = f"audio_{secrets.token_hex(12)}"
    return {"id": audio_id, "data": data, "transcript": "", "expires_at": 0}


def _image(media: Media) -> Json:
    url = f"data:{media.mime_type};base64,{media.data}"
    return {"type": "image_url", "image_url": {"url": url}}


class ChunkStream(OpenAIChunks):
    """Events in, bytes of server-sent events out.

    Role once per choice, calls numbered over the whole stream, one id, `finish_reason` once, a
    usage chunk with no choices where it was asked for, `[DONE]` at the end. With `extended_by`, an
    id of the request, the last chunk of a choice waits for the counts, and bears both.
    """

    def __init__(
        self,
        head: Head,
        *,
        include_usage: bool,
        legacy_functions: bool,
        custom: Sequence[str] = (),
        extended_by: str | None = None,
    ) -> None:
        super().__init__(head, CHUNK, include_usage=include_usage)
        self._custom = CustomCalls(custom) if custom else None
        self._extended_by = extended_by
        self._held: Json | None = None
        self._legacy_functions = legacy_functions
        self._choices: dict[int, _Choice] = {}
        self._texts: dict[int, bytes] = {}
        usage = b',"usage":null' if include_usage else b""
        self._tail = b'},"logprobs":null,"finish_reason":null}]' + usage + b"}\n\n"

    def feed(self, events: Iterable[Event]) -> bytes:
        out: list[bytes] = []
        if self._custom:
            events = self._custom.read(events)
        for event in events:
            if type(event) is Text and (start := self._texts.get(event.index)):
                # The one path that is walked for every token: no dict is built here.
                out += (start, orjson.dumps(event.text), self._tail)
                continue
            if type(event) is Start:
                if not self._choices:  # one id and one model for all chunks
                    self._head.learn(event)
            elif type(event) is Usage:
                self._usage = event
            elif type(event) in _CONTENT:
                out += self._content(event)
        return b"".join(out)

    def end(self) -> bytes:
        last = b""
        if self._held and self._extended_by is not None:
            last = sse(self._held | extension(self._extended_by, self._usage))
        return last + super().end()

    def _content(self, event: Any) -> Iterator[bytes]:
        index = choice_index(event.index)
        # In their order even if a later one speaks first: accumulators append what is new.
        for new in range(len(self._choices), index + 1):
            self._choices[new] = _Choice(self._legacy_functions)
            self._texts[new] = self._start_of_text(new)
            yield sse(self._chunk(new, {"role": "assistant", "content": ""}))
        choice = self._choices[index]
        if type(event) is Finish:
            if not choice.finished:
                choice.finished = True
                reason = _finish_reason(event.reason, legacy_functions=self._legacy_functions)
                yield self._finish(index, reason)
        elif type(event) is Logprobs:
            told = {"content": event.content, "refusal": None}
            yield sse(self._chunk(index, {}, logprobs=told))
        elif (delta := choice.delta(event)) is not None:
            yield sse(self._chunk(index, delta))

    def _finish(self, index: int, reason: str) -> bytes:
        chunk = self._chunk(index, {}, finish_reason=reason)
        if self._extended_by is None:
            return sse(chunk)
        held, self._held = self._held, chunk
        return sse(held) if held else b""

    def _chunk(self, index: int, delta: Json, **changed: object) -> Json:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
        return self._of_choice(choice | changed)

    def _start_of_text(self, index: int) -> bytes:
        head = orjson.dumps(self._head.fields(CHUNK))
        return b'data: %s,"choices":[{"index":%d,"delta":{"content":' % (head[:-1], index)


class _Message(Struct):
    """One choice of the single object while its events come in."""

    texts: defaultdict[type, list[str]] = field(default_factory=_lists)
    calls: HeldCalls = field(default_factory=HeldCalls)
    lists: Json = field(default_factory=dict)
    logprobs: list[Json] = field(default_factory=list)
    finish_reason: str | None = None

    def take(self, event: _Content) -> None:
        match event:
            case Reasoning(text) | Refusal(text):
                self.texts[type(event)].append(text)
            case ToolCall():
                self.calls.add(event)
            case Logprobs(content):
                self.logprobs.extend(content)
            case Annotation(value):
                self.lists.setdefault(_list_of(value), []).append(value)
            case Media(mime_type, data) if mime_type.startswith("audio/"):
                self.texts[Media].append(data)
            case Media():
                self.lists.setdefault("images", []).append(_image(event))


class Fold:
    headers = (JSON_TYPE,)

    def __init__(self, head: Head, *, legacy_functions: bool, custom: Sequence[str] = ()) -> None:
        self._head = head
        self._custom = CustomCalls(custom) if custom else None
        self._legacy_functions = legacy_functions
        self._messages: dict[int, _Message] = {}
        self._usage: Usage | None = None

    def feed(self, events: Iterable[Event]) -> None:
        if self._custom:
            events = self._custom.read(events)
        for event in events:
            if type(event) is Start:
                self._head.learn(event)
            elif type(event) is Usage:
                self._usage = event
            elif type(event) in _CONTENT:
                self._take(event)

    def _take(self, event: Any) -> None:
        message = self._messages.get(event.index)
        if message is None:
            message = self._messages[choice_index(event.index)] = _Message()
        if type(event) is Text:
            message.texts[Text].append(event.text)
        elif type(event) is Finish:
            message.finish_reason = message.finish_reason or event.reason
        else:
            message.take(event)

    def cut(self) -> bool:
        for message in self._messages.values():
            message.finish_reason = message.finish_reason or "length"
        has_call = any(message.calls for message in self._messages.values())
        return not has_call and any(message.texts[Text] for message in self._messages.values())

    def end(self) -> bytes:
        messages = sorted(self._messages.items())
        choices = [self._choice(index, message) for index, message in messages]
        return self._head.whole("chat.completion", choices, self._usage)

    def _choice(self, index: int, folded: _Message) -> Json:
        reason = folded.finish_reason or "stop"
        return {
            "index": index,
            "message": self._message_object(folded),
            "logprobs": {"content": folded.logprobs, "refusal": None} if folded.logprobs else None,
            "finish_reason": _finish_reason(reason, legacy_functions=self._legacy_functions),
        }

    def _message_object(self, folded: _Message) -> Json:
        texts = folded.texts
        text = "".join(texts[Text])
        has_other = folded.calls or texts[Refusal] or folded.lists or texts[Media]
        message: Json = {
            "role": "assistant",
            "content": text if text or not has_other else None,
            "refusal": "".join(texts[Refusal]) or None,
            **folded.lists,
        }
        if texts[Reasoning]:
            message["reasoning_content"] = message["reasoning"] = "".join(texts[Reasoning])
        if folded.calls:
            calls = [_Calls().delta(call) for call in folded.calls.whole()]
            for call in calls:
                del call["index"]
            if self._legacy_functions:
                message["function_call"] = calls[0]["function"]
            else:
                message["tool_calls"] = calls
        if texts[Media]:
            message["audio"] = _audio(_joined_base64(texts[Media]))
        return message


def _joined_base64(pieces: Sequence[str]) -> str:
    """One text for several; each may end in padding of its own, so they cannot just be joined."""
    if not any("=" in piece or len(piece) % 4 for piece in pieces[:-1]):
        return "".join(pieces)
    return base64.b64encode(b"".join(map(base64.b64decode, pieces))).decode("ascii")
