"""Responses' wire format for answers: the items of one, and the events of its stream. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

import orjson

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
from proxy.doors.frames.sse import HEADERS, WAITING, named_sse
from proxy.doors.openai import DONE
from proxy.doors.responses.items import compaction
from proxy.doors.responses.objects import citation, new_id, response_object
from proxy.doors.responses.output import (
    COMPLETED,
    IN_PROGRESS,
    INCOMPLETE,
    Called,
    Message,
    Thinking,
    at_once,
    picture,
    search,
)
from proxy.doors.responses.read import Parsed
from proxy.doors.responses.tools import Tool, Toolbox
from proxy.doors.writing.blocks import Blocks, Said
from proxy.errors import ApiError

Item = Message | Thinking | Called
REASONS: Mapping[str, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}


class Answer(Blocks[Item]):
    """The items of an answer; `keep` is told the response that is to be kept.

    Where the request asks that it be made shorter, a summary is all that comes.
    """

    spoken = "message"

    def __init__(
        self, asked: Parsed, created_at: int, keep: Callable[[Json], None] | None = None
    ) -> None:
        super().__init__()
        self._asked = asked
        self._box = asked.box or Toolbox()
        self._created_at = created_at
        self._keep = keep
        self._id = new_id("resp")
        self._model: str = asked.request.model
        self._usage: Usage | None = None
        self._cited: dict[str, None] = {}
        self._summary: list[str] = []

    def take(self, event: Event) -> Iterator[Said]:
        match event:
            case Text(text) if self._asked.compacts:
                self._summary.append(text)
            case Refusal() | Reasoning() | ToolCall() | Annotation() if self._asked.compacts:
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
                yield from self._at_once(picture(event))
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
        if self._reason in REASONS:
            yield from self.cut()
        yield from self._flush()
        if self._asked.compacts:
            yield from self._at_once(compaction("".join(self._summary)))
        if self._cited and self._box.search is not None:
            yield from self._at_once(search(self._cited))

    def whole(self) -> Json:
        """The object at the end of a good answer; it is kept where that was wished."""
        response = self.response(INCOMPLETE if self._reason in REASONS else COMPLETED)
        if self._keep is not None:
            self._keep(response)
        return response

    def response(self, status: str, error: Json | None = None) -> Json:
        is_over = status != IN_PROGRESS
        return response_object(
            self._asked.echo,
            response_id=self._id,
            model=self._model,
            created_at=self._created_at,
            completed_at=self._created_at if status == COMPLETED else None,
            status=status,
            output=self.done if is_over else (),
            usage=self._usage if is_over else None,
            error=error,
            reason=REASONS[self._reason or ""] if status == INCOMPLETE else None,
        )

    @property
    def open_text(self) -> Message | None:
        message = self._open
        return message if isinstance(message, Message) and message.is_text else None

    def cut(self) -> Iterator[Said]:
        """The open item as far as it came."""
        if self._open is not None:
            self._open.status = INCOMPLETE
        yield from self._end()

    def _message(self) -> Generator[Said, None, Message]:
        message = self._open
        if not isinstance(message, Message):
            message = Message(self._count)
            yield from self._begin(message)
        return message

    def _thinking(self) -> Generator[Said, None, Thinking]:
        thinking = self._open
        if not isinstance(thinking, Thinking):
            thinking = Thinking(self._count, seals=self._asked.seals)
            yield from self._begin(thinking)
        return thinking

    def _begin_call(self, call: ToolCall) -> Iterator[Said]:
        if call.extra and self._asked.seals:
            # A signature belongs to the call, and travels with the thought before it.
            (yield from self._thinking()).extra = call.extra
        yield from super()._begin_call(call)

    def _block_of(self, call: ToolCall) -> Called:
        tool = self._box.tools.get(call.name) or Tool("function", call.name)
        return Called(self._count, tool, call)

    def _at_once(self, item: Json) -> Iterator[Said]:
        yield from self._end()
        self.done.append((yield from at_once(self._count, item)))
        self._count += 1


class ResponseStream:
    """Events in, bytes of named server-sent events out, numbered from the first to the last."""

    headers = HEADERS

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._number = 0
        self._text: Message | None = None
        self._start_of_text = b""

    def feed(self, events: Iterable[Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if type(event) is Text and self._text is not None and event.text:
                # The one path that is walked for every token: no dict is built here.
                self._text.pieces.append(event.text)
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
