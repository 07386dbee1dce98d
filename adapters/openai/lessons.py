"""What a refusal teaches about a model: which parameters it does not take, or not in that way.

Which model of which house takes what changes more often than any list, so that each refusal is read
for what it names, and what was learnt goes along with every later call of that model. Pure.

Sources: refusals as people have reported them of OpenAI, xAI, Mistral, Cerebras, NVIDIA, Fireworks,
DeepSeek, SGLang and vLLM, up to November 2026.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from adapters.base import AdapterError, Json, NativeCall
from adapters.compatible.request import in_words, without

KEPT = frozenset({"model", "messages", "stream", "tools"})
"""Without these a call would be another one."""
MOST_LESSONS = 512
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")
TWINS: Mapping[str, str] = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
}
_OF_A_MESSAGE = frozenset({"role", "content", "tool_calls", "tool_call_id"})
_LACKS = re.compile(
    r"(extra (inputs|fields)|additional propert\w+)( are)? not (permitted|allowed)|extra_forbidden"
    r"|(not|n't|no longer)( yet| currently)?( be)? (support|enabled|allowed|permitted|available)"
    r"|only \S{1,12} is allowed|incompatible with"
    r"|unsupported|unrecogni[sz]ed|unknown (field|param|arg|name|key)|unexpected (field|keyword)",
    re.IGNORECASE,
)
_GIVE_BACK = re.compile(
    r"`?(reasoning\w*)`?.{0,40}must be passed back|\b(reasoning\w*) is missing in assistant"
    r"|missing `?(reasoning\w*)`? field in the assistant",
    re.IGNORECASE,
)
_NOTHING = " "
"""Thoughts that are not to be had any more: Moonshot takes an empty text for none."""
_STREAM_ONLY = re.compile(
    r"non-streaming calls|only supports? stream|when `?stream=False|非流式调用", re.IGNORECASE
)
_QUOTED = re.compile(r"['\"`]([a-z]+)['\"`]")
_AFTER = re.compile(r"(?:valid|supported|allowed|one of|expected|should be)\b[^:]{0,40}:(.*)", re.S)


class Lesson(NamedTuple):
    """One thing that a model takes not, or not so.

    `how`: "drop" a parameter, "rename" it to `words[0]`, give an "effort" out of `words`; "strip" a
    field off all messages, or "fill" one in where it is missing; "loosen" what tools are to keep
    to, "stream" the answer. `lasts` where it is of the model.
    """

    how: str
    name: str
    words: tuple[str, ...] = ()
    lasts: bool = True


class Lessons:
    """What is known of each model of one provider."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[Lesson, ...]] = {}

    def kept(self, call: NativeCall) -> NativeCall:
        """The call, as its model takes it."""
        for lesson in self.known.get(call.body["model"], ()):
            call = applied(call, lesson)
        return call

    def amended(self, call: NativeCall, error: AdapterError) -> NativeCall | None:
        """The call as the refusal wants it; None where it names nothing that can be mended."""
        model = call.body["model"]
        found = lessons_of(error, call.body)
        mended = call
        for lesson in found:
            mended = applied(mended, lesson)
        if mended.body == call.body:
            return None
        self._keep(model, [lesson for lesson in found if lesson.lasts])
        return mended

    def given(self, model: str) -> str | None:
        """The field in which a model is known to want its earlier thoughts back."""
        known = self.known.get(model, ())
        return next((lesson.name for lesson in known if lesson.how == "fill"), None)

    def _keep(self, model: str, found: Sequence[Lesson]) -> None:
        if not found:
            return
        if model not in self.known and len(self.known) >= MOST_LESSONS:
            del self.known[next(iter(self.known))]
        known = self.known.get(model, ())
        self.known[model] = (*known, *(lesson for lesson in found if lesson not in known))


def lessons_of(error: AdapterError, body: Json) -> list[Lesson]:
    """What a refusal of `body` teaches."""
    message = error.message
    if given := _GIVE_BACK.search(message):
        return [Lesson("fill", next(filter(None, given.groups())))]
    if "stream" not in body and _STREAM_ONLY.search(message):
        return [Lesson("stream", "stream")]
    lacks = _LACKS.search(message) is not None
    if lacks and "tools" in body and _is_named("strict", message):
        return [Lesson("loosen", "tools")]
    told = (error.param or "").partition(".")[0]
    if told == "reasoning_effort" or _is_named("reasoning_effort", message):
        words = _efforts(message, body.get("reasoning_effort"))
        if words and "reasoning_effort" in body:
            return [Lesson("effort", "reasoning_effort", words)]
    names = [told] if told in body else []
    if lacks:
        names += [name for name in body if name != told and _is_named(name, message)]
        if "messages" in message and (fields := list(_fields(body, message))):
            return fields
    return [_dropped(name, message, body, lacks) for name in names if name not in KEPT]


def _dropped(name: str, message: str, body: Json, lacks: bool) -> Lesson:
    twin = TWINS.get(name)
    if twin and twin not in body and lacks:
        return Lesson("rename", name, (twin,))
    return Lesson("drop", name, (), lacks)


def _is_named(name: str, message: str) -> bool:
    """Whether a text names a parameter, as we write it or as Java does."""
    head, *rest = name.split("_")
    camel = head + "".join(word.capitalize() for word in rest)
    return re.search(rf"(?<![\w/-])({name}|{camel})(?![\w/-])", message) is not None


def _fields(body: Json, message: str) -> Iterator[Lesson]:
    """The fields of messages that are named, such as thoughts that no model takes back."""
    held = {name for each in body["messages"] for name in each} - _OF_A_MESSAGE
    for name in sorted(held):
        if re.search(rf"messages\b[^;\n]{{0,80}}(?<!\w){name}(?!\w)", message):
            yield Lesson("strip", name)


def _efforts(message: str, sent: object) -> tuple[str, ...]:
    """The efforts that a refusal says are taken."""
    words = _QUOTED.findall(message)
    if listed := _AFTER.search(message):
        words += re.findall(r"[a-z]+", listed[1])
    return tuple(word for word in EFFORTS if word in words and word != sent)


def applied(call: NativeCall, lesson: Lesson) -> NativeCall:
    """The call with a lesson followed, and named in its warnings where something is lost."""
    body, name = call.body, lesson.name
    match lesson.how:
        case "strip":
            return call.but({**body, "messages": _stripped(body["messages"], name)})
        case "fill":
            return call.but({**body, "messages": _filled(body["messages"], name)})
        case "stream":
            counted = {"stream": True, "stream_options": {"include_usage": True}}
            return replace(call, body={**body, **counted}, stream=True)
        case _ if name not in body:
            return call
        case "rename":
            return call.but({lesson.words[0] if key == name else key: body[key] for key in body})
        case "loosen":
            return call.but({**body, name: [_loosened(tool) for tool in body[name]]})
        case "effort":
            nearest = _nearest(body[name], lesson.words)
            if nearest == body[name]:
                return call
            word = "changed=reasoning_effort"
            words = () if word in call.warnings else (word,)
            return call.but({**body, name: nearest}, *words)
    return in_words(call) if name == "response_format" else without(call, name, f"dropped={name}")


def _stripped(messages: Sequence[Json], name: str) -> list[Json]:
    return [{key: each[key] for key in each if key != name} for each in messages]


def _filled(messages: Sequence[Json], name: str) -> list[Json]:
    """A field in each answer of the model that has none: others' answers go back as well."""
    return [
        {**each, name: each.get(name) or _NOTHING} if each["role"] == "assistant" else each
        for each in messages
    ]


def _loosened(tool: Json) -> Json:
    """A tool that is not to be kept to by the letter, which some take of all tools or of none."""
    kept = {key: value for key, value in tool["function"].items() if key != "strict"}
    return {**tool, "function": kept}


def _nearest(wanted: str, words: Sequence[str]) -> str:
    """The nearest to the word that is wanted; rather more than less, and thought stays thought."""
    if wanted in words or wanted not in EFFORTS:
        return wanted
    at = EFFORTS.index(wanted)
    thinking = [word for word in words if word != "none"] if at > 1 else words
    return min(thinking or words, key=lambda w: (abs(EFFORTS.index(w) - at), -EFFORTS.index(w)))
