"""Converse's answers, whole or streamed -> events."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

import httpx
import orjson

from adapters.base import Memory
from adapters.bedrock.errors import bad_response, stream_failure
from adapters.bedrock.eventstream import BrokenStreamError, Message, MessageDecoder
from adapters.bedrock.lessons import ANSWER_TOOL
from adapters.bedrock.settings import KIND
from adapters.bedrock.thoughts import Thought, keep
from adapters.compatible.parts import text_in
from adapters.errors import AFTER_CONTENT, BEFORE_CONTENT, AdapterError, ErrorKind, Phase
from adapters.events import (
    Event,
    Finish,
    Json,
    Media,
    Reasoning,
    Refusal,
    Start,
    Text,
    ToolCall,
    Usage,
    Warn,
    has_content,
    url_citation,
)
from adapters.wire.bounds import MAX_CALLS, MAX_COUNT, count, items, word
from adapters.wire.pieces import loads
from adapters.wire.writing import dumps_text

FILTERED = frozenset({"guardrail_intervened", "content_filtered"})
MALFORMED = frozenset({"malformed_model_output", "malformed_tool_use"})
TOO_LONG = "model_context_window_exceeded"
CUT_SHORT = frozenset({"max_tokens", TOO_LONG})


class ConverseAnswer:
    """How one answer is read (a `native.Dialect`).

    `refusal` tells what one means; `answers_by_tool` that a call of `ANSWER_TOOL` is the answer;
    `first_call_only` leaves out all calls but the first; `shows_thoughts` is False where nobody
    wants to see them.
    """

    provider = KIND

    def __init__(
        self,
        model: str,
        memory: Memory,
        refusal: Callable[[httpx.Response], AdapterError],
        *,
        answers_by_tool: bool,
        first_call_only: bool,
        shows_thoughts: bool,
        secret: str,
    ) -> None:
        self.done = False
        self.refusal = refusal
        self._phase = BEFORE_CONTENT
        self._answers_by_tool = answers_by_tool
        self._model = model
        self._memory = memory
        self._first_call_only = first_call_only
        self._shows_thoughts = shows_thoughts
        self._secret = secret
        self._decoder = MessageDecoder()
        self._request_id: str | None = None
        self._begun = False
        self._reason = ""
        self._first_call = ""
        self._calls: dict[int, bool] = {}  # whether arguments have come, by the block's index
        self._hidden: set[int] = set()  # blocks that are no client's business
        self._texts: set[int] = set()  # blocks of a tool that are the answer
        self._thoughts: dict[int, Thought] = {}
        self._pictures: dict[int, tuple[str, bytearray]] = {}
        self._has_content = False

    def head(self, headers: Mapping[str, str]) -> list[Event]:
        self._request_id = word(headers.get("x-amzn-requestid"))
        return []

    # -- an answer in one piece

    def whole(self, body: bytes | bytearray) -> list[Event]:
        try:
            answer = loads(body)
            events = self._begin()
            for at, block in enumerate(items(answer["output"]["message"]["content"])):
                self._read_block(at, block, events)
            self._reason = text_in(answer["stopReason"])
            self._has_content = has_content(events)
            return [*events, *self._ending(), usage_of(answer["usage"])]
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise bad_response("the answer has another shape") from error

    def _read_block(self, at: int, block: Json, events: list[Event]) -> None:
        """A block; one of a kind that nobody knows yet is skipped."""
        match block:
            case {"toolUse": {"toolUseId": str(), "name": str()} as call}:
                self._start_call(at, call, events)
                arguments = dumps_text(call.get("input") or {})
                self._take_arguments(at, arguments, events)
            case {"reasoningContent": {"reasoningText": {"text": str(text)} as thought}}:
                self._think(at, {"text": text, "signature": thought.get("signature")}, events)
            case {"reasoningContent": dict(thought)}:
                self._think(at, thought, events)
            case {"citationsContent": dict(cited)}:
                texts = [text_in(one["text"]) for one in items(cited.get("content"))]
                events += [Text(text) for text in texts if text]
                for citation in items(cited.get("citations")):
                    _cite(citation, events)
            case {"image": {"format": str(kind), "source": {"bytes": str(data)}}}:
                events.append(Media(f"image/{kind}", data))
            case {"text": text}:
                events += [Text(text_in(text))] if text else []

    # -- a stream

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        try:
            for message in self._decoder.feed(data):
                self._read_message(message, events)
        except BrokenStreamError as error:
            raise bad_response(f"the stream is broken: {error}", self._phase) from None
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise bad_response("the stream holds an event of another shape", self._phase) from error
        return events

    def end(self) -> list[Event]:
        if not self.done or not self._decoder.is_between:
            raise bad_response("the stream ended before the answer did", self._phase)
        return []

    def _read_message(self, message: Message, events: list[Event]) -> None:
        headers = message.headers
        kind = headers.get(":message-type")
        if kind == "event":
            self._read_event(headers.get(":event-type"), orjson.loads(message.payload), events)
        elif kind == "exception":
            name = headers.get(":exception-type", "")
            raise stream_failure(name, message.payload, self._phase, secret=self._secret)
        elif kind == "error":
            body = orjson.dumps({"message": headers.get(":error-message")})
            name = headers.get(":error-code", "")
            raise stream_failure(name, body, self._phase, secret=self._secret)
        if self._phase is BEFORE_CONTENT and has_content(events):
            self._phase = AFTER_CONTENT
            self._has_content = True

    def _read_event(self, kind: str | None, event: Json, events: list[Event]) -> None:
        """An event; one of a kind that nobody knows yet is skipped."""
        if not self._begun:
            events += self._begin()
        match kind:
            case "contentBlockDelta":
                self._read_delta(_index(event), event["delta"], events)
            case "contentBlockStart":
                self._read_start(_index(event), event["start"], events)
            case "contentBlockStop":
                self._stop(_index(event), events)
            case "messageStop":
                self._reason = text_in(event["stopReason"])
                for at in list(self._calls):
                    self._stop(at, events)
                self._has_content = self._has_content or has_content(events)
                events += self._ending()
            case "metadata" if self._reason:
                events.append(usage_of(event["usage"]))
                self.done = True

    def _read_start(self, at: int, start: Json, events: list[Event]) -> None:
        match start:
            case {"toolUse": {"toolUseId": str(), "name": str()} as call}:
                self._start_call(at, call, events)
            case {"toolUse": _}:
                raise ValueError("a call without a name")
            case {"image": {"format": str(kind)}}:
                self._pictures[at] = (kind, bytearray())
            case {"toolResult": _}:
                self._hidden.add(at)

    def _read_delta(self, at: int, delta: Json, events: list[Event]) -> None:
        match delta:
            case {"text": text}:
                events += [Text(text_in(text))] if text else []
            case {"toolUse": {"input": str(piece)}}:
                if piece:
                    self._take_arguments(at, piece, events)
            case {"reasoningContent": dict(thought)}:
                self._think(at, thought, events)
            case {"citation": dict(citation)}:
                _cite(citation, events)
            case {"image": {"source": {"bytes": str(data)}}}:
                self._pictures[at][1].extend(base64.b64decode(data))

    def _stop(self, at: int, events: list[Event]) -> None:
        """The end of a block; a call without parameters has come without arguments."""
        if self._calls.get(at) is False:
            self._take_arguments(at, "{}", events)
        if picture := self._pictures.pop(at, None):
            kind, data = picture
            events.append(Media(f"image/{kind}", base64.b64encode(data).decode("ascii")))

    # -- both

    def _begin(self) -> list[Event]:
        self._begun = True
        return [Start(model=word(self._model), request_id=self._request_id)]

    def _start_call(self, at: int, call: Json, events: list[Event]) -> None:
        name, own_id = call["name"], word(call["toolUseId"])
        if at in self._calls or len(self._calls) == MAX_CALLS or not name:
            raise ValueError("calls")
        self._calls[at] = False
        if call.get("type") == "server_tool_use":
            self._hidden.add(at)
        elif self._answers_by_tool and name == ANSWER_TOOL:
            self._texts.add(at)
        elif self._first_call_only and self._first_call:
            self._hidden.add(at)
        else:
            self._first_call = self._first_call or own_id or "call"
            events.append(ToolCall(at, name, id=own_id))

    def _take_arguments(self, at: int, piece: str, events: list[Event]) -> None:
        if at not in self._calls:
            raise ValueError("arguments of no call")
        self._calls[at] = True
        if at in self._texts:
            events.append(Text(piece))
        elif at not in self._hidden:
            events.append(ToolCall(at, arguments=piece))

    def _think(self, at: int, piece: Json, events: list[Event]) -> None:
        thought = self._thoughts.setdefault(at, Thought())
        if text := piece.get("text"):
            thought.texts.append(text_in(text))
            if self._shows_thoughts:
                events.append(Reasoning(text))
        if signature := piece.get("signature"):
            thought.signatures.append(text_in(signature))
        if redacted := piece.get("redactedContent"):
            thought.redacted.append(text_in(redacted))

    def _ending(self) -> list[Event]:
        """How the answer ends in OpenAI's words. Raises AdapterError where there is none."""
        reason = self._reason
        if self._first_call:
            thoughts = [self._thoughts[at] for at in sorted(self._thoughts)]
            keep(self._memory, self._first_call, self._model, thoughts)
        if reason in FILTERED:
            return [Refusal("", word=reason), Finish("content_filter")]
        if reason in CUT_SHORT and (self._has_content or reason != TOO_LONG):
            return [Finish("length")]
        if reason == TOO_LONG:
            raise self._failed(ErrorKind.CONTEXT, "the prompt leaves no room for an answer")
        if reason in MALFORMED and not self._has_content:
            message = f"the model wrote what cannot be read ({reason})"
            raise self._failed(ErrorKind.MALFORMED_ANSWER, message)
        ended = Finish("tool_calls" if self._first_call else "stop")
        return [Warn(f"malformed={reason}"), ended] if reason in MALFORMED else [ended]

    def _failed(self, kind: ErrorKind, message: str) -> AdapterError:
        phase = Phase(self._phase)
        return AdapterError(kind, message, provider=KIND, phase=phase, upstream_code=self._reason)


def usage_of(usage: Json) -> Usage:
    """OpenAI's sense of Bedrock's counts: what came of a cache or went there is prompt, too."""
    read, written = (count(usage.get(f"cache{one}InputTokens")) for one in ("Read", "Write"))
    prompt = count(usage["inputTokens"]) or 0
    return Usage(
        prompt=prompt + (read or 0) + (written or 0),
        completion=count(usage["outputTokens"]) or 0,
        cached=read,
        extra={"cache_write_tokens": written} if written else None,
    )


def _cite(citation: Json, events: list[Event]) -> None:
    """A page that the text before it stands on; OpenAI has no word for a place in a document."""
    match citation.get("location"):
        case {"web": {"url": str(url)}}:
            events.append(url_citation(url, citation.get("title")))


def _index(event: Json) -> int:
    at = event["contentBlockIndex"]
    if type(at) is not int or not 0 <= at <= MAX_COUNT:
        raise ValueError("a block's index")
    return at
