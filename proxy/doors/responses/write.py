"""Responses' wire format for answers: the stream's events, and the one object. No I/O.

Both come of one `Answer`, which is fed the events; the object takes no notice of what is streamed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

import orjson
from msgspec import Struct

from adapters.base import (
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
from adapters.wire.writing import dumps
from proxy.doors.frames.sse import HEADERS, WAITING, named_sse
from proxy.doors.openai import DONE, JSON_TYPE
from proxy.doors.responses.items import compaction
from proxy.doors.responses.objects import Echo, citation, response_object
from proxy.doors.responses.output import (
    COMPLETED,
    IN_PROGRESS,
    INCOMPLETE,
    Called,
    Message,
    Said,
    Thinking,
    Whole,
    picture,
    search,
)
from proxy.doors.responses.tools import Tool, Toolbox
from proxy.errors import ApiError

Item = Message | Thinking | Called | Whole

REASONS: Mapping[str, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}


class Form(Struct, frozen=True):
    """What an answer's form depends on.

    `seals` asks for `encrypted_content`; where it `compacts`, a summary is all that comes.
    """

    echo: Echo
    box: Toolbox
    response_id: str
    model: str
    created_at: int
    seals: bool = False
    compacts: bool = False
    keep: Callable[[Json], None] | None = None


class Answer:
    """Where an answer stands: its items so far, and the one that is open."""

    def __init__(self, form: Form) -> None:
        self.output: list[Json] = []
        self._form = form
        self._model = form.model
        self._open: Item | None = None
        self._count = 0
        self._key: str | int | None = None
        self._waiting: dict[str | int, list[ToolCall]] = {}
        self._reason: str | None = None
        self._usage: Usage | None = None
        self._cited: dict[str, None] = {}
        self._summary: list[str] = []

    def take(self, event: Event) -> Iterator[Said]:
        match event:
            case Text(text) if self._form.compacts:
                self._summary.append(text)
            case Refusal() | Reasoning() | ToolCall() | Annotation() if self._form.compacts:
                return
            case Text(text) | Refusal(text):
                if text:
                    yield from (yield from self._message()).say(event)
            case Reasoning():
                yield from (yield from self._thinking()).say(event)
            case ToolCall():
                yield from self._call(event)
            case Annotation(value):
                if (cited := citation(value)) is not None:
                    self._cited[cited["url"]] = None
                    yield from (yield from self._message()).annotate(cited)
            case Media(mime_type) if mime_type.startswith("image/"):
                yield from self._begin(picture(self._count, event))
                yield from self._end()
            case _:
                self._note(event)

    def _note(self, event: Event) -> None:
        """What stands in the object alone."""
        match event:
            case Start(model=model):
                self._model = model or self._model
            case Usage():
                self._usage = event
            case Finish(reason):
                self._reason = self._reason or reason
            case Logprobs() if isinstance(self._open, Message):
                self._open.weigh(event)
            case _:
                return  # limits and warnings are headers; for sound there is no item

    def end(self) -> Iterator[Said]:
        """The items that are open, ended."""
        reason = REASONS.get(self._reason or "")
        yield from self._end(INCOMPLETE if reason else COMPLETED)
        yield from self._flush()
        if self._form.compacts:
            yield from self._begin(Whole(self._count, compaction("".join(self._summary))))
            yield from self._end()
        if self._cited and self._form.box.search is not None:
            yield from self._begin(search(self._count, self._cited))
            yield from self._end()

    def whole(self) -> Json:
        """The object at the end of a good answer; it is kept where that was wished."""
        response = self.response()
        if self._form.keep is not None:
            self._form.keep(response)
        return response

    def response(self, status: str | None = None, error: Json | None = None) -> Json:
        """The object as it stands; without a status, as it is at the end."""
        reason = REASONS.get(self._reason or "") if status is None else None
        status = status or (INCOMPLETE if reason else COMPLETED)
        is_over = status != IN_PROGRESS
        return response_object(
            self._form.echo,
            response_id=self._form.response_id,
            model=self._model,
            created_at=self._form.created_at,
            completed_at=self._form.created_at if status == COMPLETED else None,
            status=status,
            output=self.output if is_over else (),
            usage=self._usage if is_over else None,
            error=error,
            reason=reason,
        )

    @property
    def open_text(self) -> Message | None:
        """The open message, if a text is what it goes on with."""
        message = self._open
        return message if isinstance(message, Message) and message.is_text else None

    def end_early(self) -> bool:
        """Take what there is for all, cut at its length; False where that would be no answer."""
        items = [item["type"] for item in self.output]
        is_text = isinstance(self._open, Message) or "message" in items
        if not is_text or isinstance(self._open, Called) or self._waiting:
            return False
        self._reason = "length"
        return True

    def cut(self) -> Iterator[Said]:
        """The open item as far as it came: what follows is a failure."""
        yield from self._end(INCOMPLETE)

    def _message(self) -> Generator[Said, None, Message]:
        message = self._open
        if not isinstance(message, Message):
            message = Message(self._count)
            yield from self._begin(message)
        return message

    def _thinking(self) -> Generator[Said, None, Thinking]:
        thinking = self._open
        if not isinstance(thinking, Thinking):
            thinking = Thinking(self._count, seals=self._form.seals)
            yield from self._begin(thinking)
        return thinking

    def _call(self, call: ToolCall) -> Iterator[Said]:
        """One call after the other: a piece of another one waits until the open one is whole."""
        opened = self._open
        if isinstance(opened, Called):
            if call.key == self._key:
                yield from opened.say(call.arguments)
                return
            if not opened.is_whole or self._waiting:
                self._waiting.setdefault(call.key, []).append(call)
                return
        yield from self._begin_call(call)

    def _begin_call(self, call: ToolCall) -> Generator[Said, None, Called]:
        if call.extra and self._form.seals:
            # A signature belongs to the call, and travels with the thought before it.
            (yield from self._thinking()).extra = call.extra
        tool = self._form.box.tools.get(call.name) or Tool("function", call.name)
        begun = Called(self._count, tool, call)
        yield from self._begin(begun)
        self._key = call.key
        yield from begun.say(call.arguments)
        return begun

    def _flush(self) -> Iterator[Said]:
        waiting, self._waiting = self._waiting, {}
        for first, *more in waiting.values():
            begun = yield from self._begin_call(first)
            for piece in more:
                yield from begun.say(piece.arguments)
            yield from self._end()

    def _begin(self, item: Item) -> Iterator[Said]:
        yield from self._end()
        self._open = item
        self._count += 1
        yield from item.begin()

    def _end(self, status: str = COMPLETED) -> Iterator[Said]:
        item, self._open, self._key = self._open, None, None
        if item is None:
            return
        for kind, said in item.end(status):
            if kind == "response.output_item.done":
                self.output.append(said["item"])
            yield kind, said


class ResponseStream:
    """Events in, bytes of named server-sent events out, numbered from the first to the last."""

    headers = HEADERS

    def __init__(self, form: Form) -> None:
        self._answer = Answer(form)
        self._number = 0
        self._text: Message | None = None
        self._start_of_text = b""

    def feed(self, events: Iterable[Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if type(event) is Text and self._text is not None and event.text:
                # The one path that is walked for every token: no dict is built here.
                self._text.add(event.text)
                out.append(self._delta(event.text))
                continue
            said = [*self._answer.take(event)]
            if said and not self._number:
                out += self._begin()
            out += map(self._named, said)
            self._text = self._answer.open_text if type(event) is Text else None
            if self._text is not None:
                self._start_of_text = orjson.dumps(self._text.place)[1:-1]
        return b"".join(out)

    def end(self) -> bytes:
        """The last items, the whole response, and the end mark."""
        out = [] if self._number else self._begin()
        out += map(self._named, self._answer.end())
        response = self._answer.whole()
        out.append(self._named((f"response.{response['status']}", {"response": response})))
        return b"".join(out) + DONE

    def wait(self) -> bytes:
        return WAITING

    def fail(self, error: ApiError) -> bytes:
        """An error, and the response as one that has failed."""
        error = _timed(error)
        out = [] if self._number else self._begin()
        out += map(self._named, self._answer.cut())
        out.append(self._named(("error", error_members(error))))
        failure = {"code": error.code or error.type, "message": error.message}
        response = self._answer.response("failed", failure)
        out.append(self._named(("response.failed", {"response": response})))
        return b"".join(out) + DONE

    def _begin(self) -> list[bytes]:
        response = self._answer.response(IN_PROGRESS)
        said = ("response.created", "response.in_progress")
        return [self._named((kind, {"response": response})) for kind in said]

    def _named(self, said: Said) -> bytes:
        kind, members = said
        payload = {"type": kind, "sequence_number": self._number, **members}
        self._number += 1
        return named_sse(kind, payload)

    def _delta(self, text: str) -> bytes:
        number, self._number = self._number, self._number + 1
        return _DELTA % (number, self._start_of_text, orjson.dumps(text))


_DELTA = (
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta",'
    b'"sequence_number":%d,%b,"delta":%b,"logprobs":[]}\n\n'
)


class ResponseFold:
    """Events in, one `response` out."""

    headers = (JSON_TYPE,)

    def __init__(self, form: Form) -> None:
        self._answer = Answer(form)

    def feed(self, events: Iterable[Event]) -> None:
        for event in events:
            for _ in self._answer.take(event):
                pass

    def cut(self) -> bool:
        return self._answer.end_early()

    def end(self) -> bytes:
        for _ in self._answer.end():
            pass
        return dumps(self._answer.whole())


def _timed(error: ApiError) -> ApiError:
    """When to come back in words, as a stream that has begun has no header left for it."""
    if error.status != 429 or error.retry_after_s is None:
        return error
    wait_s = error.retry_after_s + error.later_s
    return error.but(message=f"{error.message.rstrip('.')}. Please try again in {wait_s:.1f}s.")


def error_members(error: ApiError) -> Json:
    """An error in both of its forms: flat as the types have it, nested as it was seen sent."""
    flat = {"code": error.code or error.type, "message": error.message, "param": error.param}
    return {**flat, "error": {"type": error.type, **flat}}
