"""What a refusal may mean: which parameters a model does not take, or not in that way. Pure.

Sources: refusals as people have reported them of OpenAI, xAI, Mistral, Cerebras, NVIDIA, Fireworks,
DeepSeek, SGLang and vLLM, up to November 2026.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from adapters.base import AdapterError, ErrorKind, Json, NativeCall
from adapters.compatible.request import in_words, without, without_schema
from adapters.openai.request import with_short_ids
from adapters.refusals.lessons import Lesson, Reading, by_words

KEPT = frozenset({"model", "messages", "stream", "tools"})
"""Without these a call would be another one."""
MENDABLE_STATUS = (400, 422)
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")
TWINS: Mapping[str, str] = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
}
_OF_A_MESSAGE = frozenset({"role", "content", "tool_calls", "tool_call_id"})
_LACKS = re.compile(
    r"(extra (inputs|fields)|additional propert\w+)( are)? not (permitted|allowed)|extra_forbidden"
    r"|(not|n't|no longer)( yet| currently)?( be)? (support|enabled|allowed|permitted|available)"
    r"|only \S{1,12} is allowed|incompatible with|deprecated for this model"
    r"|cannot both be specified|must be one of .{0,20}\bdefault\b"
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
    r"non-streaming calls|only supports? stream|when `?stream=False|must have stream=true"
    r"|非流式调用",
    re.IGNORECASE,
)
_BOUNDS = frozenset(
    {"pattern", "format", "minLength", "maxLength", "minItems", "maxItems", "patternProperties"}
)
"""What grammars are not made of everywhere, or grow too large by."""
_QUOTED = re.compile(r"['\"`]([a-z]+)['\"`]")
_AFTER = re.compile(r"(?:valid|supported|allowed|one of|expected|should be)\b[^:]{0,40}:(.*)", re.S)


def readings(call: NativeCall, error: AdapterError) -> Iterator[Reading]:
    """One reading, in which all may stand that a refusal names."""
    if error.status not in MENDABLE_STATUS or error.kind is ErrorKind.AUTH:
        return
    is_of_schema = error.param is not None and error.param.startswith("response_format")
    if is_of_schema and "json_schema" in call.body.get("response_format", {}):
        yield [Lesson(without_schema)]
    else:
        yield lessons_of(error, call.body)


def lessons_of(error: AdapterError, body: Json) -> Reading:
    """What a refusal of `body` teaches."""
    message = error.message
    if found := _in_own_words(error, body):
        return [found]
    lacks = _LACKS.search(message) is not None
    if lacks and "tools" in body and _is_named("strict", message):
        return [Lesson(_loosened, lasts=True)]
    told = (error.param or "").partition(".")[0]
    if told == "reasoning_effort" or _is_named("reasoning_effort", message):
        efforts = _efforts(message, body.get("reasoning_effort"))
        if efforts and "reasoning_effort" in body:
            return [Lesson(_with_effort, (efforts,), lasts=True)]
    names = [told] if told in body else []
    if lacks:
        names += [name for name in body if name != told and _is_named(name, message)]
        if "messages" in message and (fields := list(_fields(body, message))):
            return fields
    if "both be specified" in message:
        names = names[-1:]
    return [_less(name, body, lacks) for name in names if name not in KEPT]


def _in_own_words(error: AdapterError, body: Json) -> Lesson | None:
    """What is refused in words that name no parameter, or want something else than one less."""
    message = error.message
    if given := _GIVE_BACK.search(message):
        return Lesson(_filled, (next(filter(None, given.groups())),), lasts=True)
    if "stream" not in body and _STREAM_ONLY.search(message):
        return Lesson(_streamed, lasts=True)
    if error.cannot and error.cannot.what == "schema" and "tools" in body:
        return Lesson(_without_bounds, lasts=True)
    return next(iter(_named(message)), None)


def _less(name: str, body: Json, lacks: bool) -> Lesson:
    twin = TWINS.get(name)
    if twin and twin not in body and lacks:
        return Lesson(_renamed, (name, twin), lasts=True)
    return Lesson(_dropped, (name,), lacks)


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
            yield Lesson(_stripped, (name,), lasts=True)


def _efforts(message: str, sent: object) -> tuple[str, ...]:
    """The efforts that a refusal says are taken."""
    words = _QUOTED.findall(message)
    if listed := _AFTER.search(message):
        words += re.findall(r"[a-z]+", listed[1])
    found = tuple(word for word in EFFORTS if word in words and word != sent)
    # A model that only turns it on and off calls "default" what it does else.
    return () if "default" in words and not {*found} - {"none"} else found


def _dropped(call: NativeCall, name: str) -> NativeCall:
    if name == "response_format" and name in call.body:
        return in_words(call)
    return without(call, name, f"dropped={name}")


def _renamed(call: NativeCall, name: str, other: str) -> NativeCall:
    return call.but({other if key == name else key: call.body[key] for key in call.body})


def _with_effort(call: NativeCall, words: Sequence[str]) -> NativeCall:
    wanted = call.body.get("reasoning_effort")
    if wanted is None or (nearest := _nearest(wanted, words)) == wanted:
        return call
    word = "changed=reasoning_effort"
    more = () if word in call.warnings else (word,)
    return call.but({**call.body, "reasoning_effort": nearest}, *more)


def _stripped(call: NativeCall, name: str) -> NativeCall:
    messages = [{key: each[key] for key in each if key != name} for each in call.body["messages"]]
    return call.but({**call.body, "messages": messages})


def _filled(call: NativeCall, name: str) -> NativeCall:
    """A field in each answer of the model that has none: others' answers go back as well."""
    messages = [
        {**each, name: each.get(name) or _NOTHING} if each["role"] == "assistant" else each
        for each in call.body["messages"]
    ]
    return call.but({**call.body, "messages": messages})


def given(known: Iterable[Lesson]) -> str | None:
    """The field in which a model of these lessons wants its earlier thoughts back."""
    return next((told[0] for change, told, _ in known if change is _filled), None)


def _streamed(call: NativeCall) -> NativeCall:
    counted = {"stream": True, "stream_options": {"include_usage": True}}
    return replace(call, body={**call.body, **counted}, stream=True)


def _loosened(call: NativeCall) -> NativeCall:
    """Tools that are not to be kept to by the letter, which some take of all of them or of none."""
    return _retold(call, lambda told: {k: v for k, v in told.items() if k != "strict"})


def _unthinking(call: NativeCall) -> NativeCall:
    """OpenAI's newest models call tools here only where they do not think."""
    if "tools" not in call.body or call.body.get("reasoning_effort") == "none":
        return call
    return call.but({**call.body, "reasoning_effort": "none"}, "changed=reasoning_effort")


def _thinking(call: NativeCall) -> NativeCall:
    off = [n for n in ("reasoning_effort", "reasoning") if call.body.get(n) in _OFF]
    return without(call, off[0], "changed=reasoning_effort") if off else call


_OFF: Sequence[object] = ("none", {"effort": "none"})


def _with_short_ids(call: NativeCall) -> NativeCall:
    return call.but({**call.body, "messages": with_short_ids(call.body["messages"], 9)})


def _without_bounds(call: NativeCall) -> NativeCall:
    """Tools whose schemas tell types alone: llama.cpp cannot make a grammar of all that is said."""
    return _retold(call, _bare, "dropped=schema.bounds")


def _retold(call: NativeCall, change: Callable[[Json], Json], *words: str) -> NativeCall:
    """The call with each function told otherwise; others' tools a client may have laid over it."""
    tools = [
        {**tool, "function": change(tool["function"])} if "function" in tool else tool
        for tool in call.body.get("tools", ())
    ]
    if not tools or tools == call.body["tools"]:
        return call
    return call.but({**call.body, "tools": tools}, *words)


def _bare(schema: Any, *, are_names: bool = False) -> Any:
    """A schema without bounds; what the properties are called is none."""
    if isinstance(schema, list):
        return [_bare(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _bare(value, are_names=name == "properties" and not are_names)
        for name, value in schema.items()
        if are_names or name not in _BOUNDS
    }


def _prefixed(call: NativeCall) -> NativeCall:
    *before, last = call.body["messages"]
    if last["role"] != "assistant":
        return call
    return call.but({**call.body, "messages": [*before, {**last, "prefix": True}]})


_named = by_words(
    (r"\bfunction tools with reasoning_effort are not", Lesson(_unthinking, lasts=True)),
    (r"\breasoning is mandatory\b", Lesson(_thinking, lasts=True)),
    (
        r"\btool call ids? [^\n]{1,120}\blength (?:of )?9\b",
        Lesson(_with_short_ids, lasts=True),
    ),
    (r"\bassistant with prefix true\b", Lesson(_prefixed, lasts=True)),
)


def _nearest(wanted: str, words: Sequence[str]) -> str:
    """The nearest to the word that is wanted; rather more than less, and thought stays thought."""
    if wanted in words or wanted not in EFFORTS:
        return wanted
    at = EFFORTS.index(wanted)
    thinking = [word for word in words if word != "none"] if at > 1 else words
    return min(thinking or words, key=lambda w: (abs(EFFORTS.index(w) - at), -EFFORTS.index(w)))
