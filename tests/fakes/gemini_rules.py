"""What Gemini refuses: unknown names at any depth, turns out of order, lost signatures.

The names are those of the REST API (camelCase); the rules are those that its documents, its SDK
and its published error messages tell.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.fakes.gemini_config import (
    Model,
    check_config,
    check_kept,
    check_name,
    check_tools,
    refuse,
)
from tests.fakes.model import Json, words
from tests.fakes.server import Request

SKIP_SIGNATURE = "skip_thought_signature_validator"
SNAKE = re.compile(r"_([a-z])")

Spec = Mapping[str, Any]
"""Names that may stand in an object: None for a leaf, a Spec for an object, [Spec] for a list."""


def _leaves(names: str) -> dict[str, Any]:
    return dict.fromkeys(names.split())


_PART: Spec = {
    **_leaves("text thought thoughtSignature videoMetadata mediaResolution partMetadata"),
    **_leaves("executableCode codeExecutionResult toolCall toolResponse"),
    "inlineData": _leaves("mimeType data displayName"),
    "fileData": _leaves("mimeType fileUri displayName"),
    "functionCall": _leaves("id name args"),
    "functionResponse": _leaves("id name response parts scheduling willContinue"),
}
_CONTENT: Spec = {"role": None, "parts": [_PART]}
_VOICE: Spec = {"prebuiltVoiceConfig": _leaves("voiceName")}
_REQUEST: Spec = {
    **_leaves("cachedContent serviceTier store"),
    "contents": [_CONTENT],
    "systemInstruction": _CONTENT,
    "safetySettings": [_leaves("category threshold method")],
    "tools": [
        {
            **_leaves("googleSearch codeExecution urlContext googleMaps computerUse fileSearch"),
            "functionDeclarations": [
                _leaves(
                    "name description parameters parametersJsonSchema response "
                    "responseJsonSchema behavior"
                )
            ],
        }
    ],
    "toolConfig": {
        "functionCallingConfig": _leaves("mode allowedFunctionNames"),
        **_leaves("retrievalConfig includeServerSideToolInvocations"),
    },
    "generationConfig": {
        **_leaves("candidateCount stopSequences maxOutputTokens temperature topP topK seed"),
        **_leaves("presencePenalty frequencyPenalty responseLogprobs logprobs mediaResolution"),
        **_leaves("responseMimeType responseSchema responseJsonSchema responseModalities"),
        **_leaves("enableEnhancedCivicAnswers imageConfig"),
        "thinkingConfig": _leaves("includeThoughts thinkingBudget thinkingLevel"),
        "speechConfig": {**_leaves("languageCode multiSpeakerVoiceConfig"), "voiceConfig": _VOICE},
    },
}
_DATA = words(
    "text inlineData fileData functionCall functionResponse executableCode codeExecutionResult "
    "toolCall toolResponse"
)


def parse(request: Request, model: Model) -> Json:
    """The body, if Gemini would take it from this model's callers."""
    try:
        body = _camel(request.json, _REQUEST)
    except ValueError:
        raise refuse("Invalid JSON payload received.") from None
    unknown = list(_unknown(body, _REQUEST, ""))
    if unknown:
        raise refuse("\n".join(f"Invalid JSON payload received. {line}" for line in unknown))
    _check_contents(body.get("contents"))
    _check_turns(body["contents"])
    _check_signatures(body["contents"], model)
    check_tools(body)
    check_config(body, model)
    check_kept(body)
    return dict(body)


def _camel(value: Any, spec: Any) -> Any:
    """The same with known names in camelCase: the API takes them in snake_case too."""
    if isinstance(spec, list) and isinstance(value, list):
        return [_camel(item, spec[0]) for item in value]
    if not isinstance(spec, dict) or not isinstance(value, dict):
        return value
    named = {SNAKE.sub(lambda found: found[1].upper(), name): name for name in value}
    return {
        camel if camel in spec else name: _camel(value[name], spec.get(camel))
        for camel, name in named.items()
    }


def _unknown(value: Any, spec: Any, where: str) -> Iterator[str]:
    if spec is None or value is None:
        return
    if isinstance(spec, list):
        if not isinstance(value, list):
            yield f"Invalid value at '{where}': not a list"
            return
        for i, item in enumerate(value):
            yield from _unknown(item, spec[0], f"{where}[{i}]")
        return
    if not isinstance(value, dict):
        yield f"Invalid value at '{where}': not an object"
        return
    for name, inner in value.items():
        if name not in spec:
            at = f" at '{where}'" if where else ""
            yield f'Unknown name "{name}"{at}: Cannot find field.'
        else:
            yield from _unknown(inner, spec[name], f"{where}.{name}".lstrip("."))


# -- contents ---------------------------------------------------------------------------------


def _check_contents(contents: Any) -> None:
    if not contents:
        raise refuse("* GenerateContentRequest.contents: contents is not specified\n")
    for i, content in enumerate(contents):
        where = f"* GenerateContentRequest.contents[{i}]"
        if content.get("role") not in ("user", "model"):
            raise refuse("Please use a valid role: user, model.")
        if not content.get("parts"):
            raise refuse(f"{where}.parts: contents.parts must not be empty.\n")
        for j, part in enumerate(content["parts"]):
            _check_part(part, content["role"], f"{where}.parts[{j}]")


def _check_part(part: Json, role: str, where: str) -> None:
    match [name for name in part if name in _DATA]:
        case ["text"]:
            if not isinstance(part["text"], str) or not (
                part["text"] or "thoughtSignature" in part
            ):
                raise refuse(f"{where}.text: must be a text that is not empty\n")
        case ["inlineData"]:
            _check_blob(part["inlineData"], where)
        case ["functionCall"]:
            call = part["functionCall"]
            if role != "model" or not isinstance(call.get("args", {}), dict):
                raise refuse(f"{where}.function_call: must be a model's, with args an object\n")
            check_name(call.get("name"), f"{where}.function_call")
        case ["functionResponse"]:
            answer = part["functionResponse"]
            if role != "user" or not isinstance(answer.get("response"), dict):
                raise refuse(f"{where}.function_response: must be a user's, with an object\n")
            check_name(answer.get("name"), f"{where}.function_response")
        case [_]:
            return
        case [] if role == "model" and part.get("thoughtSignature"):
            return  # clients send back so what came beside an empty text
        case _:
            raise refuse(
                f"{where}.data: required oneof field 'data' must have one initialized field"
            )


def _check_blob(blob: Json, where: str) -> None:
    try:
        data = base64.b64decode(blob["data"], validate=True)
    except (KeyError, TypeError, ValueError):
        raise refuse(f"Invalid value at '{where}.inline_data.data' (TYPE_BYTES)") from None
    if not data or "/" not in str(blob.get("mimeType")):
        raise refuse(f"{where}.inline_data: needs data and a MIME type")


def named(content: Json, kind: str) -> list[Json]:
    """The function calls or responses (`kind`) of a turn."""
    return [part[kind] for part in content["parts"] if kind in part]


def _check_turns(contents: list[Json]) -> None:
    open_calls: list[Json] = []
    for i, content in enumerate(contents):
        calls = named(content, "functionCall")
        responses = named(content, "functionResponse")
        if len(responses) != len(open_calls):
            raise refuse(
                "Please ensure that the number of function response parts is equal to the number "
                "of function call parts of the function call turn."
            )
        asked = sorted(call["name"] for call in open_calls)
        if asked != sorted(response["name"] for response in responses):
            raise refuse("Please ensure that function responses name the functions called.")
        _check_ids(open_calls, responses)
        if calls and (i == 0 or contents[i - 1]["role"] != "user"):
            raise refuse(
                "Please ensure that function call turn comes immediately after a user turn or "
                "after a function response turn."
            )
        open_calls = calls
    if open_calls:
        raise refuse("Please ensure that a function call turn is followed by its responses.")


def _check_ids(calls: list[Json], responses: list[Json]) -> None:
    known = {call["id"] for call in calls if "id" in call}
    if any("id" in response and response["id"] not in known for response in responses):
        raise refuse("A function response has an id that no function call has.")


# -- thought signatures -----------------------------------------------------------------------


def signature(name: str, args: Json) -> str:
    """What the fake signs a call with: it holds for this call alone."""
    # A number may come back where the model, which has text enums only, wrote its text.
    told = json.dumps(args, sort_keys=True).replace('"', "")
    digest = hashlib.sha256(f"{name} {told}".encode()).digest()
    return base64.b64encode(b"signed:" + digest).decode()


def _check_signatures(contents: list[Json], model: Model) -> None:
    turn_start = max(
        (
            i
            for i, c in enumerate(contents)
            if c["role"] == "user"
            and "functionResponse" not in {name for part in c["parts"] for name in part}
        ),
        default=0,
    )
    for i, content in enumerate(contents):
        signed = [part for part in content["parts"] if "functionCall" in part]
        for part in signed:
            _check_signature(part)
        if signed and i > turn_start and model.is_third and "thoughtSignature" not in signed[0]:
            name = signed[0]["functionCall"]["name"]
            raise refuse(
                f"Function call `{name}` in the {i}. content block is missing a "
                "thought_signature in functionCall parts."
            )


def _check_signature(part: Json) -> None:
    call = part["functionCall"]
    own = signature(call["name"], call.get("args") or {})
    sent = part.get("thoughtSignature", SKIP_SIGNATURE)
    # Google's SDK sends bytes in the URL-safe alphabet.
    if sent != SKIP_SIGNATURE and sent.replace("-", "+").replace("_", "/") != own:
        raise refuse("Corrupted thought signature.")
