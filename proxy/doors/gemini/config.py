"""Gemini's `generationConfig` -> neutral parameters. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field as new

from adapters.base import Json, ResponseFormat, Thinking
from proxy.doors.gemini.fields import field, member, number, spelled, strange, whole, word
from proxy.doors.gemini.schema import in_camels, json_schema
from proxy.doors.reading.checks import Check, flag, json_object, out_of_range, string, strings
from proxy.errors import bad_request

PATH = "generationConfig"
MAX_CHOICES = 4
MAX_STOPS = 5
MAX_INT32 = 2**31 - 1
PARAMS: Mapping[str, tuple[str, Check]] = {
    "temperature": ("temperature", number(0, 2)),
    "topP": ("top_p", number(0, 1)),
    "presencePenalty": ("presence_penalty", number(-2, 2)),
    "frequencyPenalty": ("frequency_penalty", number(-2, 2)),
    "seed": ("seed", whole(-(2**31), MAX_INT32)),
}
OWN = ("mediaResolution", "speechConfig", "imageConfig", "audioTimestamp", "routingConfig")
"""What only Google's models understand."""
SILENT = ("enableAffectiveDialog", "modelSelectionConfig", "enableEnhancedCivicAnswers")
SCHEMAS = ("responseJsonSchema", "_responseJsonSchema", "responseSchema")
KNOWN = spelled(
    *PARAMS,
    *OWN,
    *SILENT,
    *SCHEMAS,
    *("topK", "candidateCount", "maxOutputTokens", "stopSequences", "responseLogprobs", "logprobs"),
    *("responseMimeType", "responseFormat", "responseModalities", "thinkingConfig"),
)
JSON_TYPE = "application/json"
ENUM_TYPE = "text/x.enum"
LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH", "NONE")


class Config(Struct):
    """`own` is what goes to Google's models as it came, `dropped` what it is for all others.

    `is_word` asks for the bare value of an enumeration.
    """

    params: Json = new(default_factory=dict)
    max_tokens: int | None = None
    n: int = 1
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    response_format: ResponseFormat | None = None
    is_word: bool = False
    thinking: Thinking = Thinking(include=False)
    own: Json = new(default_factory=dict)
    dropped: list[str] = new(default_factory=list)


def config_of(body: Json) -> Config:
    """What the body says of the answer. Raises ApiError that names the field."""
    found = Config()
    given = member(body, "", PATH, json_object)
    if given is None:
        return found
    for name, (param, check) in PARAMS.items():
        if (value := member(given, PATH, name, check)) is not None:
            found.params[param] = value
    found.max_tokens = member(given, PATH, "maxOutputTokens", whole(1, MAX_INT32))
    found.n = member(given, PATH, "candidateCount", whole(1, MAX_CHOICES)) or 1
    found.top_k = member(given, PATH, "topK", _top_k)
    found.stop = tuple(filter(None, member(given, PATH, "stopSequences", _stops) or ()))
    if member(given, PATH, "responseLogprobs", flag):
        found.params["logprobs"] = True
        if most := member(given, PATH, "logprobs", whole(0, 20)):
            found.params["top_logprobs"] = most
    found.thinking = _thinking(given)
    _set_format(found, given)
    _set_modalities(found, given)
    for name in OWN:
        if (value := field(given, name)) is not None:
            found.own[name] = value
            found.dropped.append(f"{PATH}.{name}")
    found.dropped += [f"{PATH}.{name}" for name in strange(given, KNOWN)]
    return found


def _top_k(name: str, value: Any) -> int:
    """Many clients write it as a number with a point."""
    return int(number(0, MAX_INT32)(name, value))


def _stops(name: str, value: Any) -> list[str]:
    found = strings(name, [value] if isinstance(value, str) else value)
    if len(found) > MAX_STOPS:
        raise out_of_range(name, f"at most {MAX_STOPS} strings")
    return found


def _thinking(given: Json) -> Thinking:
    """How much, and whether it is to be shown, which it is not unless that is said."""
    path = f"{PATH}.thinkingConfig"
    config = member(given, PATH, "thinkingConfig", json_object)
    if config is None:
        return Thinking(include=False)
    level = member(config, path, "thinkingLevel", word)
    if level is not None and level not in (*LEVELS, "THINKING_LEVEL_UNSPECIFIED"):
        raise out_of_range(f"{path}.thinkingLevel", "one of " + ", ".join(LEVELS[:-1]))
    return Thinking(
        effort=level.lower() if level in LEVELS else None,
        budget_tokens=member(config, path, "thinkingBudget", whole(-1, MAX_INT32)),
        include=member(config, path, "includeThoughts", flag) or False,
    )


def _set_format(found: Config, given: Json) -> None:
    """JSON, with or without a schema; or one word of an enumeration."""
    kind = member(given, PATH, "responseMimeType", string)
    kind = kind.partition(";")[0].strip().lower() if kind else None
    schemas = {name: schema for name in SCHEMAS
               if (schema := member(given, PATH, name, json_object)) is not None}  # fmt: skip
    match member(given, PATH, "responseFormat", json_object):
        case {"text": {"schema": dict(schema)} as text}:
            schemas["responseJsonSchema"] = schema
            told = str(text.get("mimeType") or text.get("mime_type") or JSON_TYPE).lower()
            kind = told.replace("_", "/", 1)  # `APPLICATION_JSON`, as Google's own texts have it
    if kind not in (None, "", "text/plain", JSON_TYPE, ENUM_TYPE):
        raise out_of_range(
            f"{PATH}.responseMimeType", f"'text/plain', '{JSON_TYPE}' or '{ENUM_TYPE}'"
        )
    if schemas and kind not in (JSON_TYPE, ENUM_TYPE):
        raise bad_request(
            f"A response schema needs the response mime type {JSON_TYPE} or {ENUM_TYPE}.",
            param=f"{PATH}.responseMimeType",
        )
    if kind not in (JSON_TYPE, ENUM_TYPE):
        return
    if not schemas:
        found.response_format = ResponseFormat()
        return
    name, native = next(iter(schemas.items()))
    schema = native
    if name == "responseSchema":
        schema, native = json_schema(native), in_camels(native)
    if kind == ENUM_TYPE:  # which not all of Google's servers take: as JSON, it is for all
        found.is_word = True
        found.response_format = ResponseFormat(schema=_holding(schema))
        return
    found.response_format = ResponseFormat(schema=schema)
    found.own |= {"responseMimeType": kind, name.removeprefix("_"): native}


def _holding(schema: Json) -> Json:
    """An object that holds one value, as most models answer with objects alone."""
    properties = {"value": schema}
    return {
        "type": "object",
        "properties": properties,
        "required": ["value"],
        "additionalProperties": False,
    }


def _set_modalities(found: Config, given: Json) -> None:
    """What the answer is to hold besides text; sound comes as the samples that Google sends."""
    wanted = [
        word(f"{PATH}.responseModalities", one)
        for one in member(given, PATH, "responseModalities", _list) or ()
    ]
    if set(wanted) <= {"TEXT", "MODALITY_UNSPECIFIED"}:
        return
    found.params["modalities"] = [one.lower() for one in wanted]
    if "AUDIO" in wanted:
        found.params["audio"] = {"format": "pcm16"}


def _list(name: str, value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
