"""What a refusal of Gemini's may mean, and the call without what it names.

What a model does not take is told by the text of a 400 alone: there are no codes for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.base import NativeCall
from adapters.errors import AdapterError, ErrorKind
from adapters.events import Json
from adapters.gemini.messages import closed, sign
from adapters.gemini.request import in_words
from adapters.gemini.tools import beside_own_tools
from adapters.refusals.lessons import MENDABLE, Lesson, Reading, by_words

PENALTIES: Mapping[str, str] = {
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
}
SAMPLING: Mapping[str, str] = {"temperature": "temperature", "topP": "top_p", "topK": "top_k"}
"""All of them at once: a model that has no use for one has none for the others."""
_OF_A_RANGE = r"\brange\b|\bbetween\b|\bin \[|(less|greater) than"
_OF_TOOLS = r"function.?(declaration|calling)|tools\["
_SCHEMA = r"schema|response.?mime"


def readings(call: NativeCall, error: AdapterError) -> Iterator[Reading]:
    """All that the words name; a model that wants the last turn to be the user's may use any.

    What lasts is known of the model only where they say that it cannot do it at all.
    """
    if error.kind not in MENDABLE:
        return
    is_of_model = error.kind is ErrorKind.UNSUPPORTED
    yield [one._replace(lasts=one.lasts and is_of_model) for one in _named(error.message)]
    yield [Lesson(_closed)]


def _dropped(call: NativeCall, names: Mapping[str, str]) -> NativeCall:
    gone = sorted(_config(call).keys() & names)
    if not gone:
        return call
    return _configured(call, _less(_config(call), gone), *(f"dropped={names[key]}" for key in gone))


def _itemized(call: NativeCall) -> NativeCall:
    """Some servers want to be told what is in an array, where it may be anything."""
    return _but(call, _with_items(call.body), "changed=schema.items")


def _with_items(value: Any) -> Any:
    """The same, each array whose items may be anything an array of texts."""
    if isinstance(value, list):
        return [_with_items(one) for one in value]
    if not isinstance(value, dict):
        return value
    told = {key: _with_items(one) for key, one in value.items()}
    is_open = told.get("type") == "array" and not told.get("items")
    return {**told, "items": {"type": "string"}} if is_open else told


def _beside_own_tools(call: NativeCall) -> NativeCall:
    config = beside_own_tools(call.body.get("toolConfig") or {})
    return _but(call, {**call.body, "toolConfig": config}, "changed=web_search_options")


def _thinking_less(call: NativeCall) -> NativeCall:
    config = _config(call)
    thinking = config.get("thinkingConfig")
    if thinking is None:
        return call
    if thinking.get("thinkingLevel") == "MINIMAL":
        config = {**config, "thinkingConfig": {**thinking, "thinkingLevel": "LOW"}}
        return _configured(call, config, "changed=reasoning_effort")
    return _configured(call, _less(config, ("thinkingConfig",)), "dropped=reasoning_effort")


def _in_words(call: NativeCall, keep_json_mode: bool) -> NativeCall:
    wanted = "responseJsonSchema" if keep_json_mode else "responseMimeType"
    if wanted not in _config(call):
        return call
    body = in_words(call.body, keep_json_mode=keep_json_mode)
    return call.but(body, "emulated=response_format")


def _signed(call: NativeCall) -> NativeCall:
    """First what is missing is made up for; what is there already may be another's, or broken."""
    contents = call.body["contents"]
    missing = sign(contents)
    signed = sign(contents, anew=True) if missing == contents else missing
    return _but(call, {**call.body, "contents": signed}, "emulated=thought_signature")


def _unresolved(call: NativeCall) -> NativeCall:
    """Only some versions of the API know of a resolution for a single part."""
    contents = [
        {**turn, "parts": [_less(part, ("mediaResolution",)) for part in turn["parts"]]}
        for turn in call.body["contents"]
    ]
    return _but(call, {**call.body, "contents": contents}, "dropped=image_url.detail")


def _told_by_user(call: NativeCall) -> NativeCall:
    """Gemma has no place for instructions: they go before what the user says first."""
    system = call.body.get("systemInstruction")
    if not system:
        return call
    first, *others = call.body["contents"]
    first = {**first, "parts": [*system["parts"], *first["parts"]]}
    body = _less(call.body, ("systemInstruction",))
    return call.but({**body, "contents": [first, *others]}, "emulated=system")


def _closed(call: NativeCall) -> NativeCall:
    contents = call.body["contents"]
    if contents[-1]["role"] != "model":
        return call
    return call.but({**call.body, "contents": closed(contents)}, "emulated=prefill")


_named = by_words(
    ("penalt", Lesson(_dropped, (PENALTIES,), lasts=True)),
    (
        rf"\A(?!.*(?:{_OF_A_RANGE})).*(?:temperature|top.?[pk]\b|sampling)",
        Lesson(_dropped, (SAMPLING,)),
    ),
    (r"\bitems\b", Lesson(_itemized)),
    (r"server.?side.?tool|built.?in.?tool", Lesson(_beside_own_tools)),
    ("thinking", Lesson(_thinking_less)),
    (r"\bjson mode\b", Lesson(_in_words, (False,), lasts=True)),  # Gemma has none
    (rf"\A(?=.*(?:{_OF_TOOLS}))(?=.*mime).*(?:{_SCHEMA})", Lesson(_in_words, (False,))),
    (rf"\A(?!.*(?:{_OF_TOOLS})).*(?:{_SCHEMA})", Lesson(_in_words, (True,))),
    (r"thought.?signature", Lesson(_signed)),
    (r"media.?resolution", Lesson(_unresolved)),
    (r"(developer|system).?instruction", Lesson(_told_by_user, lasts=True)),
)


def _config(call: NativeCall) -> Json:
    found: Json = call.body.get("generationConfig") or {}
    return found


def _configured(call: NativeCall, config: Json, *words: str) -> NativeCall:
    return call.but({**call.body, "generationConfig": config}, *words)


def _but(call: NativeCall, body: Json, word: str) -> NativeCall:
    return call if body == call.body else call.but(body, word)


def _less(values: Json, gone: Sequence[str]) -> Json:
    return {key: value for key, value in values.items() if key not in gone}
