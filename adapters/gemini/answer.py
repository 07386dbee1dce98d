"""Gemini's answers, whole or streamed -> events. A text chunk costs one parse and one event."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from msgspec.structs import replace

from adapters.base import (
    AdapterError,
    ErrorKind,
    Event,
    Finish,
    Json,
    Media,
    Memory,
    Reasoning,
    Refusal,
    Start,
    Text,
    ToolCall,
    Warn,
    has_content,
)
from adapters.errors import AFTER_CONTENT, BEFORE_CONTENT
from adapters.gemini.citations import citations, logprobs
from adapters.gemini.errors import NAME, api_error, bad_response, refusal
from adapters.gemini.messages import own_id_key
from adapters.gemini.schema import restore
from adapters.gemini.signatures import key_of_content
from adapters.gemini.tools import Declared
from adapters.gemini.values import CUT_SHORT, FILTERED, MALFORMED, fenced, signed, usage_of
from adapters.translation.functions import plain_name
from adapters.translation.wav import PCM, wav
from adapters.wire.bounds import MAX_CALLS, MAX_CHOICES, MAX_ITEMS, choice_index, iso_time, word
from adapters.wire.lines import SseDecoder, are_events
from adapters.wire.pieces import loads
from adapters.wire.writing import dumps_text

MISSING_SIGNATURE, NOT_ALLOWED = "MISSING_THOUGHT_SIGNATURE", "PUP_LIMITED_DISABLED"
BARE = frozenset({"text", "thoughtSignature"})
"""What a part holds that only signs the text before it."""


@dataclass(slots=True)
class _Call:
    """A function call whose arguments may still be on their way."""

    key: int
    name: str
    id: str | None
    complete: bool
    awaited: bool  # the part had no `args` at all, so that they are yet to come
    args: Any = None


@dataclass(slots=True)
class _Candidate:
    """What has come of one choice."""

    index: int
    texts: list[str] = field(default_factory=list)
    calls: list[_Call] = field(default_factory=list)
    has_content: bool = False
    has_spoken: bool = False
    goes_on: bool = False  # behind its end
    finish: str = ""
    finish_message: str = ""
    grounding: Json | None = None

    @property
    def is_over(self) -> bool:
        """Some servers write a finishReason before the content, or beside all of it."""
        return bool(self.finish) and self.has_content and not self.goes_on


class GeminiAnswer:
    """How one answer is read (a `native.Dialect`).

    `functions` are the request's, by Gemini's names for them, `asked` its messages; `choices` how
    many answers were asked for; `first_call_only` leaves out all calls but the first; `bare_audio`
    leaves samples without a header; `secret` stays out of errors.
    """

    provider = NAME

    def __init__(
        self,
        functions: Mapping[str, Declared],
        memory: Memory,
        *,
        choices: int = 1,
        asked: Sequence[Json] = (),
        first_call_only: bool = False,
        bare_audio: bool = False,
        secret: str | None = None,
    ) -> None:
        self.done = False
        self._functions = functions
        self._memory = memory
        self._choices = choices
        self._asked = asked
        self._first_call_only = first_call_only
        self._bare_audio = bare_audio
        self._is_all = False
        self._secret = secret
        self._sse = SseDecoder()
        self._begun = False
        self._candidates: dict[int, _Candidate] = {}
        self._usage: Any = None
        self._blocked: Json | None = None
        self._calls = 0
        self._finished = False
        self._closed = False
        self.phase = BEFORE_CONTENT

    def head(self, headers: Mapping[str, str]) -> list[Event]:
        return []

    def refusal(self, response: httpx.Response) -> AdapterError:
        return refusal(response, secret=self._secret)

    def whole(self, body: bytes | bytearray) -> list[Event]:
        if are_events(body):
            return [*self.feed(bytes(body)), *self.end()]
        events: list[Event] = []
        answer = self._parsed(body, loads)
        if isinstance(answer, list):  # what streamGenerateContent answers without alt=sse
            for each in answer:
                self._read(each, events)
        else:
            self._is_all = True
            self._read(answer, events)
            for candidate in self._candidates.values():
                candidate.finish = candidate.finish or "FINISH_REASON_UNSPECIFIED"
        return [*events, *self._close()]

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for event in self._sse.feed(data):
            self._read(self._parsed(event.data), events)
        if self.phase is BEFORE_CONTENT and has_content(events):
            self.phase = AFTER_CONTENT
        return events

    def end(self) -> list[Event]:
        if self._closed:
            return []
        if self._sse.is_bare:  # as errors come, whatever the content type says
            return self.whole(self._sse.rest())
        events: list[Event] = []
        for event in self._sse.end():
            self._read(self._parsed(event.data), events)
        return [*events, *self._close()]

    def _parsed(self, data: Any, loads: Callable[[Any], Any] = orjson.loads) -> Any:
        try:
            return loads(data)
        except orjson.JSONDecodeError as error:
            raise bad_response("the answer is no JSON, or was cut", self.phase) from error

    def _read(self, answer: Any, events: list[Event]) -> None:
        """Take one GenerateContentResponse in."""
        try:
            if not self._begun:
                self._begin(answer, events)
            if candidates := answer.get("candidates"):
                for candidate in candidates[:MAX_CHOICES]:
                    self._read_candidate(candidate, events)
            if usage := answer.get("usageMetadata"):
                self._usage = usage
            if (feedback := answer.get("promptFeedback")) and feedback.get("blockReason"):
                self._blocked = feedback
            if "error" in answer and (error := answer["error"]) is not None:
                error = error if isinstance(error, dict) else {}
                raise api_error(None, error, self.phase, secret=self._secret)
        except (AttributeError, TypeError, KeyError, ValueError) as error:
            raise bad_response("the answer has another shape", self.phase) from error
        if usage and (self._finished or self._blocked):
            # Only with the counts, which come beside finishReason: no more than what comes soon is
            # waited for. A prompt that is blocked has no choices.
            found = self._candidates.values()
            is_all = not found or len(found) >= self._choices
            self.done = is_all and all(one.is_over for one in found)

    def _begin(self, answer: Json, events: list[Event]) -> None:
        self._begun = True
        if "error" not in answer:
            answer_id = word(answer.get("responseId"))
            events.append(
                Start(
                    id=f"chatcmpl-{answer_id}" if answer_id else None,
                    model=word(answer.get("modelVersion")),
                    created=iso_time(answer.get("createTime")),
                )
            )

    def _read_candidate(self, answer: Json, events: list[Event]) -> None:
        index = answer.get("index") or 0
        candidate = self._candidates.get(index)
        if candidate is None:
            index = choice_index(index)
            candidate = self._candidates.setdefault(index, _Candidate(index))
        if (content := answer.get("content")) and (parts := content.get("parts")):
            if len(parts) > MAX_ITEMS:
                raise ValueError("parts")
            for part in parts:
                text = part.get("text")
                if text and type(text) is str and not part.get("thought"):
                    candidate.texts.append(text)
                    candidate.has_content = True
                    events.append(Text(text, index))
                    if "thoughtSignature" in part:
                        events.extend(signed(part, index))
                else:
                    self._read_part(part, candidate, events)
            candidate.goes_on = candidate.goes_on or bool(candidate.finish)
        if reason := answer.get("finishReason"):
            self._finished = True
            candidate.finish = str(reason).upper()
            message = answer.get("finishMessage")
            candidate.finish_message = message if isinstance(message, str) else ""
        if (weighed := answer.get("logprobsResult")) and (entry := logprobs(weighed, index)):
            events.append(entry)
        if (grounding := answer.get("groundingMetadata")) and grounding.get("groundingChunks"):
            candidate.grounding = grounding

    def _read_part(self, part: Json, candidate: _Candidate, events: list[Event]) -> None:
        """A part that is no plain text; one of a kind that nobody knows yet is skipped."""
        index = candidate.index
        part = {key: value for key, value in part.items() if value is not None}
        match part:
            case {"functionCall": call}:
                self._read_call(call, part.get("thoughtSignature"), candidate, events)
                return
            case {"text": str(text), "thought": True}:
                events.extend([Reasoning(text, index)] if text else [])
                return
            case {"thought": True}:
                return
            case {"inlineData": {"mimeType": str(mime_type), "data": str(data)}}:
                media = self._media(mime_type, data, candidate)
                signature = part.get("thoughtSignature")
                if isinstance(signature, str):
                    media = replace(media, signature=signature)
                events.append(media)
            case {"executableCode": {"code": str(code)}}:
                language = str(part["executableCode"].get("language") or "").lower()
                events.append(Text(fenced(code, language), index))
            case {"codeExecutionResult": {"output": str(output)}}:
                events.append(Text(fenced(output, ""), index))
            case _:
                if part.keys() <= BARE and "thoughtSignature" in part:
                    events.extend(signed(part, index))
                return
        candidate.has_content = True
        if isinstance(event := events[-1], Text):
            candidate.texts.append(event.text)

    def _media(self, mime_type: str, data: str, candidate: _Candidate) -> Media:
        if self._bare_audio or not PCM.match(mime_type):
            return Media(mime_type, data, candidate.index)
        if not candidate.has_spoken:
            candidate.has_spoken = True
            data = wav(mime_type, data, is_all=self._is_all)
        return Media("audio/wav", data, candidate.index)

    def _read_call(
        self, call: Json, signature: Any, candidate: _Candidate, events: list[Event]
    ) -> None:
        """A call, or the arguments of one whose name came before: `{}` never replaces any."""
        name, args, call_id = call.get("name") or "", call.get("args"), call.get("id")
        known = _continued(candidate.calls, name, call_id)
        if known is not None and not (known.complete and args and args != known.args):
            if args and not known.complete:
                known.complete, known.args = True, args
                events.append(self._piece(known, args, candidate.index))
            return
        if not isinstance(name, str) or not name:
            raise ValueError("a call without a name")
        name = plain_name(name, self._functions)
        if self._first_call_only and candidate.calls:
            return
        if self._calls == MAX_CALLS:
            raise ValueError("calls")
        self._calls += 1
        # Gateways name calls after their function, so that two of one have the same id.
        own_id = call_id if isinstance(call_id, str) and call_id and known is None else None
        signed = isinstance(signature, str) and signature
        shown_id = own_id or (f"call_{secrets.token_hex(12)}" if signed else None)
        known = _Call(
            self._calls - 1, name, shown_id, complete=bool(args), awaited=args is None, args=args
        )
        candidate.calls.append(known)
        candidate.has_content = True
        extra: Json | None = None
        if own_id:
            self._memory.put(own_id_key(own_id), NAME)
        function = self._functions.get(name)
        shown_name = function.name if function else name
        arguments = self._arguments(name, args) if args else ""
        if signed and shown_id:
            content = key_of_content(shown_name, orjson.loads(arguments or "{}"), self._asked)
            self._memory.put(shown_id, signature)
            self._memory.put(content, signature)
            extra = {"extra_content": {"google": {"thought_signature": signature}}}
        shown = ToolCall(known.key, shown_name, arguments, shown_id, extra, candidate.index)
        events.append(shown)

    def _piece(self, call: _Call, args: Any, index: int) -> ToolCall:
        return ToolCall(call.key, arguments=self._arguments(call.name, args), index=index)

    def _arguments(self, name: str, args: Any) -> str:
        function = self._functions.get(name)
        value = restore(args, function.parameters) if function else args
        return dumps_text(value)

    def _close(self) -> list[Event]:
        """The events of the end. Raises AdapterError for an answer that holds nothing."""
        self._closed = True
        events: list[Event] = []
        if self._blocked is not None and not self._candidates:
            word = str(self._blocked["blockReason"])
            why = str(self._blocked.get("blockReasonMessage") or word)
            events += [Refusal(why, word=word, of_prompt=True), Finish("content_filter")]
        elif not self._candidates:
            raise bad_response("the answer holds nothing", self.phase)
        for candidate in self._candidates.values():
            for call in candidate.calls:
                if not call.complete:
                    events.append(self._piece(call, {}, candidate.index))
            if grounding := candidate.grounding:
                events += citations(grounding, "".join(candidate.texts), candidate.index)
            events += self._ending(candidate)
        if isinstance(self._usage, dict):
            events.append(usage_of(self._usage))
        return events

    def _ending(self, candidate: _Candidate) -> list[Event]:
        """How a choice ends in OpenAI's words. `STOP` says nothing of calls."""
        reason, index = candidate.finish, candidate.index
        ended = Finish("tool_calls" if candidate.calls else "stop", index)
        if not reason:
            raise bad_response("the answer was cut: it has no finishReason", self.phase)
        if reason == "STOP":
            return [ended]
        if reason in CUT_SHORT:
            return [Finish("length", index)]
        if reason in FILTERED:
            why = candidate.finish_message or reason
            return [Refusal(why, index, word=reason), Finish("content_filter", index)]
        if reason in (MISSING_SIGNATURE, NOT_ALLOWED) or not candidate.has_content:
            raise self._failed(reason)
        return [Warn(f"malformed={reason.lower()}"), ended] if reason in MALFORMED else [ended]

    def _failed(self, reason: str) -> AdapterError:
        kind, message = ErrorKind.BAD_RESPONSE, f"the model gave no answer ({reason})"
        if reason in MALFORMED:
            kind = ErrorKind.MALFORMED_ANSWER
            message = f"the model wrote a call that cannot be read ({reason})"
        elif reason == MISSING_SIGNATURE:
            kind = ErrorKind.BAD_REQUEST
        elif reason == NOT_ALLOWED:
            kind = ErrorKind.AUTH
            message = "this account may not use the model; see Google AI Studio"
        return AdapterError(kind, message, provider=NAME, phase=self.phase, upstream_code=reason)


def _continued(calls: list[_Call], name: str, call_id: Any) -> _Call | None:
    """The call that a part goes on with: it has its id, or brings what that one still awaits."""
    if call_id:
        return next((call for call in calls if call.id == call_id), None)
    last = calls[-1] if calls else None
    if last is None or not (last.awaited and not last.complete):
        return None
    return last if name in ("", last.name) else None
