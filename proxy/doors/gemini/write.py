"""Gemini's wire format for answers: chunks, and the one object. No I/O.

Both come of one `Answer`. Calls are held back to the end: clients answer those of the last chunk,
and keep every chunk as a turn of its own, so that they belong together.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from itertools import groupby

import orjson
from msgspec import Struct, field

from adapters.base import (
    Annotation,
    Event,
    Finish,
    Json,
    Logprobs,
    Media,
    Reasoning,
    Refusal,
    Signature,
    Start,
    Text,
    ToolCall,
    Usage,
)
from adapters.translation.arguments import arguments_object
from adapters.wire.bounds import choice_index
from adapters.wire.writing import dumps
from proxy.doors.door import Opening
from proxy.doors.frames.rows import ARRAY, EVENTS
from proxy.doors.gemini.errors import JSON_TYPE, error_object
from proxy.doors.gemini.output import (
    BLOCKS,
    FILTERS,
    FINISHES,
    bare_word,
    content,
    grounding,
    logprobs_result,
    usage_metadata,
)
from proxy.doors.gemini.read import Parsed
from proxy.doors.writing.calls import HeldCalls
from proxy.errors import ApiError


class _Candidate(Struct):
    """What one choice holds back to its end."""

    has_said: bool = False
    texts: list[str] = field(default_factory=list)
    calls: HeldCalls = field(default_factory=HeldCalls)
    citations: list[Json] = field(default_factory=list)
    logprobs: list[Json] = field(default_factory=list)
    signature: str | None = None
    reason: str | None = None
    filter: str | None = None
    note: str = ""


class Answer:
    def __init__(self, asked: Parsed, opening: Opening) -> None:
        self.is_word = asked.is_word
        self.keeps_text = asked.is_word or asked.cites
        self.model = asked.request.model
        self.id = opening.request_id
        self._thoughts = asked.thoughts
        self._candidates: dict[int, _Candidate] = {}
        self._usage: Usage | None = None
        self._blocked: Refusal | None = None

    def take(self, event: Event) -> tuple[int, Json] | None:
        """The part that an event is at once, and whose; None where it waits for the end."""
        if isinstance(event, Start):
            self.model = event.model or self.model
            self.id = (event.id or self.id).removeprefix("chatcmpl-")
            return None
        if isinstance(event, Usage):
            self._usage = event
        if (index := getattr(event, "index", None)) is None:
            return None  # limits and warnings are headers
        candidate = self._candidate(index)
        part = self._part(event, candidate)
        if part is None:
            return None
        candidate.has_said = True
        return index, part

    def _candidate(self, index: int) -> _Candidate:
        found = self._candidates.get(index)
        if found is None:
            found = self._candidates[choice_index(index)] = _Candidate()
        return found

    def _part(self, event: Event, candidate: _Candidate) -> Json | None:
        match event:
            case Text(text) if text:
                if self.keeps_text:
                    candidate.texts.append(text)
                return None if self.is_word else {"text": text}
            case Reasoning(text) if text and self._thoughts:
                return {"text": text, "thought": True}
            case Media(mime_type, data, signature=signature):
                media = {"inlineData": {"mimeType": mime_type, "data": data}}
                return media | ({"thoughtSignature": signature} if signature else {})
            case Refusal():
                return self._refused(event, candidate)
            case _:
                _note(event, candidate)
                return None

    def _refused(self, event: Refusal, candidate: _Candidate) -> Json | None:
        """Words of the model are shown as such; words about it stand beside the answer."""
        candidate.filter = event.word or "SAFETY"
        if event.of_prompt:
            self._blocked = event
        if event.word is not None:
            candidate.note = "" if event.text == event.word else event.text
            return None
        return {"text": event.text} if event.text else None

    def last(self) -> Json:
        """The end of the answer, with all that has waited for it."""
        members: Json = {}
        blocked = self._blocked
        if blocked is not None and not any(c.has_said for c in self._candidates.values()):
            word = blocked.word if blocked.word in BLOCKS else "OTHER"
            members["promptFeedback"] = {"blockReason": word}
            if blocked.text != blocked.word:
                members["promptFeedback"]["blockReasonMessage"] = blocked.text
        else:
            self._candidate(0)
            members["candidates"] = [
                self._ending(index, self._candidates[index]) for index in sorted(self._candidates)
            ]
        if self._usage is not None:
            members["usageMetadata"] = usage_metadata(self._usage)
        return members | self.head()

    def head(self) -> Json:
        """What each chunk repeats."""
        return {"modelVersion": self.model, "responseId": self.id}

    def _ending(self, index: int, candidate: _Candidate) -> Json:
        reason = FINISHES.get(candidate.reason or "stop", "STOP")
        if candidate.filter is not None:
            reason = candidate.filter if candidate.filter in FILTERS else "SAFETY"
        parts, broken = _called(candidate)
        if self.is_word and candidate.texts:
            parts.insert(0, {"text": bare_word("".join(candidate.texts))})
        if broken and reason == "STOP":
            reason, candidate.note = "MALFORMED_FUNCTION_CALL", broken
        if candidate.signature is not None:
            parts.insert(0, {"text": "", "thoughtSignature": candidate.signature})
        is_empty = not parts and not candidate.has_said and candidate.filter is not None
        ending: Json = {
            "content": {} if is_empty else content(parts or [{"text": ""}]),
            "finishReason": reason,
            "index": index,
        }
        if candidate.note:
            ending["finishMessage"] = candidate.note
        if candidate.citations:
            text = "".join(candidate.texts)
            ending["groundingMetadata"] = grounding(candidate.citations, text)
        if candidate.logprobs:
            ending["logprobsResult"] = logprobs_result(candidate.logprobs)
        return ending

    def end_early(self) -> bool:
        """Take what there is for all, cut at its length; False where that would be no answer."""
        candidates = self._candidates.values()
        for candidate in candidates:
            candidate.reason = candidate.reason or "length"
        has_call = any(candidate.calls for candidate in candidates)
        return not has_call and any(candidate.has_said for candidate in candidates)


def _note(event: Event, candidate: _Candidate) -> None:
    """What waits for the end."""
    match event:
        case ToolCall():
            candidate.calls.add(event)
        case Signature(value):
            candidate.signature = value
        case Finish(reason):
            candidate.reason = candidate.reason or reason
        case Logprobs(entries):
            candidate.logprobs += entries
        case Annotation({"type": "url_citation", "url_citation": dict(citation)}):
            candidate.citations.append(citation)
        case _:
            return


def _signature(call: ToolCall) -> str | None:
    match call.extra:
        case {"extra_content": {"google": {"thought_signature": str(signature)}}}:
            return signature
    return None


def _called(candidate: _Candidate) -> tuple[list[Json], str]:
    """The calls as parts, and the arguments of one that cannot be read."""
    parts: list[Json] = []
    broken = ""
    for call in candidate.calls.whole():
        args = arguments_object(call.arguments)
        if args is None:
            broken = f"{call.name}({call.arguments})"
            continue
        call_id = call.id or secrets.token_hex(4)
        part: Json = {"functionCall": {"id": call_id, "name": call.name, "args": args}}
        if signature := _signature(call):
            part["thoughtSignature"] = signature
        parts.append(part)
    return parts, broken


class ChunkStream:
    """Events in, bytes of chunks out: each has its new parts alone, and only the last an end."""

    def __init__(self, asked: Parsed, opening: Opening) -> None:
        self._answer = Answer(asked, opening)
        self._frame = ARRAY if asked.in_array else EVENTS
        self._before = self._frame.first
        self._texts: dict[int, tuple[bytes, bytes]] = {}
        self.headers = self._frame.headers

    def feed(self, events: Iterable[Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if type(event) is Text and event.text and (ends := self._texts.get(event.index)):
                # The one path that is walked for every token: no dict is built here.
                out += (ends[0], orjson.dumps(event.text), ends[1])
            elif (said := self._answer.take(event)) is not None:
                index, part = said
                candidate = {"content": content([part]), "index": index}
                out.append(self._chunk({"candidates": [candidate]} | self._answer.head()))
                if type(event) is Text and not self._answer.keeps_text:
                    self._texts[index] = self._around_text(index)
        return b"".join(out)

    def end(self) -> bytes:
        return self._chunk(self._answer.last()) + self._frame.end

    def wait(self) -> bytes:
        """Nothing: the readers of this protocol take no comments."""
        return b""

    def fail(self, error: ApiError) -> bytes:
        return self._chunk(error_object(error)) + self._frame.end

    def _chunk(self, members: Json) -> bytes:
        before, self._before = self._before, self._frame.next
        return before + orjson.dumps(members) + self._frame.after

    def _around_text(self, index: int) -> tuple[bytes, bytes]:
        start = self._frame.next + b'{"candidates":[{"content":{"parts":[{"text":'
        head = orjson.dumps(self._answer.head())[1:]
        return start, b'}],"role":"model"},"index":%d}],%b%b' % (index, head, self._frame.after)


class Fold:
    headers = (JSON_TYPE,)

    def __init__(self, asked: Parsed, opening: Opening) -> None:
        self._answer = Answer(asked, opening)
        self._parts: dict[int, list[Json]] = {}

    def feed(self, events: Iterable[Event]) -> None:
        for event in events:
            if (said := self._answer.take(event)) is not None:
                index, part = said
                self._parts.setdefault(index, []).append(part)

    def cut(self) -> bool:
        return self._answer.end_early()

    def end(self) -> bytes:
        whole = self._answer.last()
        for candidate in whole.get("candidates", ()):
            said = _joined(self._parts.get(candidate["index"], ()))
            last = candidate["content"].get("parts", ())
            if said:
                candidate["content"] = content(_closed(said, last))
        return dumps(whole)


def _joined(parts: Sequence[Json]) -> list[Json]:
    """The parts, neighbouring texts of one kind in one."""
    out: list[Json] = []
    for kind, group in groupby(parts, _kind):
        if kind:
            first, *more = group
            text = "".join([first["text"], *(part["text"] for part in more)])
            out.append({**first, "text": text})
        else:
            out += group
    return out


def _kind(part: Json) -> str:
    if "text" not in part:
        return ""
    return "thought" if "thought" in part else "text"


def _closed(parts: list[Json], last: Sequence[Json]) -> list[Json]:
    """The parts with those of the end; what only signs goes to the text that it signs."""
    for part in last:
        if part.get("text") == "":
            if "thoughtSignature" in part and "text" in parts[-1]:
                parts[-1] = {**parts[-1], "thoughtSignature": part["thoughtSignature"]}
            continue
        parts.append(part)
    return parts
