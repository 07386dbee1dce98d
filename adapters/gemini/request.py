"""A chat request -> the body of Gemini's generateContent. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.base import SEARCH, ChatRequest, Memory, NativeCall, ResponseFormat
from adapters.errors import ErrorKind
from adapters.events import Json
from adapters.gemini.content import PartsTranslator
from adapters.gemini.errors import refused
from adapters.gemini.messages import ContentsTranslator, closed, sign, system_parts
from adapters.gemini.names import VOICES, generation, model_id, version, wants_signatures
from adapters.gemini.schema import for_response
from adapters.gemini.settings import GeminiSettings
from adapters.gemini.thinking import thinking_config
from adapters.gemini.tools import beside_own_tools, may_search, tools_of
from adapters.translation.cached_content import CACHE, google_blocks
from adapters.translation.instructions import instruction
from adapters.translation.own_fields import merged
from adapters.translation.wishes import FOR_OTHERS, blocks, left_out

GENERATION: Mapping[str, str] = {
    "temperature": "temperature",
    "top_p": "topP",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
}
READ = frozenset({
    *GENERATION, "seed", "logprobs", "top_logprobs", "modalities", "audio", "web_search_options",
    "service_tier", "store", "moderation",
})  # fmt: skip
TIERS: Mapping[str, str] = {
    "default": "standard",
    "flex": "flex",
    "priority": "priority",
    "standard": "standard",
}
OWN_BLOCK = "gemini"
GOOGLES = ("thinking_config", CACHE)  # as Google's own OpenAI layer takes them
NATIVE = (*GOOGLES, "top_k", "safety_settings")
NO_PREFILL = (3, 6)
"""From this version on the model's own turn may not come last."""
MAX_STOPS = 5
SCHEMAS = frozenset({"responseSchema", "responseJsonSchema"})
ANSWERS = SCHEMAS | {"responseMimeType"}
CONTENTS = "contents."
"""Before what a turn holds that only we can read."""
MAX_SEED = 2**31 - 1  # the field is an int32
READ_IN_PART = frozenset({"service_tier", "store", "moderation"})
WHOLE = frozenset({"candidateCount", "responseModalities", "responseLogprobs"})
WHOLE_MODELS = re.compile("-tts|-image")


def to_native(request: ChatRequest, settings: GeminiSettings, memory: Memory) -> NativeCall:
    """The call that `request` becomes. Raises AdapterError for what Gemini cannot be asked."""
    model = model_id(request.model)
    warnings: list[str] = []
    body = _conversation(request, model, settings, memory, warnings)
    body |= tools_of(request, model, warnings)
    _warn_of_dropped(request, warnings)
    if (asked := request.params.get("service_tier")) and (tier := TIERS.get(asked)):
        body["serviceTier"] = tier
    generation = _generation(request, model, settings, warnings)
    body |= {"generationConfig": generation}
    if request.tools and request.response_format and (version(model) or (3, 0)) < (3, 0):
        body = in_words(body, keep_json_mode=False)  # these take no JSON mode beside functions
        warnings.append("emulated=response_format")
    if request.extensions:
        body = _extended(body, request, model, warnings)
    if not body["generationConfig"]:
        del body["generationConfig"]
    stream = request.stream or _may_stream(model, body.get("generationConfig", {}))
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return NativeCall(
        method="POST",
        path=f"/{settings.api_version}/models/{model}:{method}",
        body=body,
        warnings=tuple(dict.fromkeys(warnings)),
        stream=stream,
    )


def _may_stream(model: str, generation: Json) -> bool:
    """Whether a plain answer can be had as a stream: only one shows that a model is at work.

    One that thinks may take longer than any timeout. Several choices, samples, pictures and
    probabilities come whole.
    """
    return WHOLE.isdisjoint(generation) and not WHOLE_MODELS.search(model)


def _conversation(
    request: ChatRequest, model: str, settings: GeminiSettings, memory: Memory, warnings: list[str]
) -> Json:
    parts = PartsTranslator(model, settings.api_version, warnings)
    contents = ContentsTranslator(parts, memory, warnings).contents(request.messages)
    if contents[-1]["role"] == "model" and generation(model) >= NO_PREFILL:
        contents = closed(contents)
        warnings.append("emulated=prefill")
    body: Json = {"contents": sign(contents) if wants_signatures(model) else contents}
    if system := system_parts(request.messages):
        body["systemInstruction"] = {"parts": system}
    return body


def _stops(stop: Sequence[str], warnings: list[str]) -> Json:
    if len(stop) > MAX_STOPS:
        warnings.append("dropped=stop")
    return {"stopSequences": list(stop[:MAX_STOPS])}


def _generation(
    request: ChatRequest, model: str, settings: GeminiSettings, warnings: list[str]
) -> Json:
    params = request.params
    config: Json = {"temperature": settings.temperature, "maxOutputTokens": settings.max_tokens}
    config |= {ours: params[name] for name, ours in GENERATION.items() if name in params}
    if request.max_tokens is not None:
        config["maxOutputTokens"] = request.max_tokens
    if request.stop:
        config |= _stops(request.stop, warnings)
    if (seed := params.get("seed")) is not None:
        config["seed"] = seed % (MAX_SEED + 1)
        warnings.extend(["changed=seed"] if config["seed"] != seed else [])
    if request.n > 1:
        if request.stream:
            raise refused("Gemini streams one choice at a time", "n", ErrorKind.UNSUPPORTED)
        config["candidateCount"] = request.n
    if params.get("logprobs"):
        config |= {"responseLogprobs": True, "logprobs": params.get("top_logprobs") or None}
    if request.response_format is not None:
        config |= _format(request.response_format, warnings)
    if "modalities" in params or "audio" in params:
        config |= _modalities(params, model, warnings)
    if thinking := thinking_config(model, request.thinking, warnings):
        config["thinkingConfig"] = thinking
    return {key: value for key, value in config.items() if value is not None}


def _format(wanted: ResponseFormat, warnings: list[str]) -> Json:
    config: Json = {"responseMimeType": "application/json"}
    if wanted.schema is not None:
        try:
            translation = for_response(wanted.schema)
        except TypeError:
            param = "response_format.json_schema.schema"
            raise refused(
                "the schema is nested too deeply, or a number in it is too large", param
            ) from None
        config["responseJsonSchema"] = translation.schema
        warnings.extend(f"dropped=schema.{keyword}" for keyword in translation.lost)
    return config


def in_words(body: Json, *, keep_json_mode: bool) -> Json:
    """The body with its answer's schema said in the instruction."""
    config = body["generationConfig"]
    gone = {"responseJsonSchema"} if keep_json_mode else {"responseJsonSchema", "responseMimeType"}
    system = body.get("systemInstruction") or {}
    words = instruction(ResponseFormat(config.get("responseJsonSchema")))
    return {
        **body,
        "generationConfig": {key: config[key] for key in config if key not in gone},
        "systemInstruction": {**system, "parts": [*(system.get("parts") or ()), {"text": words}]},
    }


def _modalities(params: Mapping[str, Any], model: str, warnings: list[str]) -> Json:
    wanted = [str(name).upper() for name in params.get("modalities") or ()]
    if strange := set(wanted) - {"TEXT", "IMAGE", "AUDIO"}:
        raise refused(
            f"Gemini cannot answer in {min(strange)[:32]}", "modalities", ErrorKind.UNSUPPORTED
        )
    if params.get("audio") and not wanted:
        wanted = ["AUDIO"]
    if "AUDIO" not in wanted:
        return {"responseModalities": wanted} if "IMAGE" in wanted else {}
    if "-tts" not in model and "-audio" not in model:
        param = "modalities" if "modalities" in params else "audio"
        raise refused("this model cannot speak; a TTS model can", param, ErrorKind.UNSUPPORTED)
    audio = params.get("audio") or {}
    voice = audio.get("voice")
    name = voice.get("id") if isinstance(voice, dict) else voice
    if own := VOICES.get(name or ""):
        name = own
        warnings.append("changed=audio.voice")
    if audio.get("format") not in (None, "pcm16", "wav"):
        warnings.append("changed=audio.format")
    config: Json = {"responseModalities": ["AUDIO"]}
    if name:
        config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name}}}
    return config


def _warn_of_dropped(request: ChatRequest, warnings: list[str]) -> None:
    params = request.params
    warnings += [f"dropped={key}" for key in params if params[key] and key not in READ]
    if READ_IN_PART.isdisjoint(params):
        return
    tier = params.get("service_tier", "auto")
    if tier != "auto" and tier not in TIERS:
        warnings.append("dropped=service_tier")
    if params.get("store"):
        warnings.append("dropped=store")
    if moderation := params.get("moderation"):
        if blocks(moderation):
            raise refused("Gemini cannot moderate", "moderation", ErrorKind.UNSUPPORTED)
        warnings.append("dropped=moderation")


def _extended(body: Json, request: ChatRequest, model: str, warnings: list[str]) -> Json:
    """The body with what the client wrote in Gemini's own words; its block has the last say."""
    extensions = request.extensions
    native = _native_words(extensions)
    top_k = native.get("top_k")
    if isinstance(top_k, int) and top_k < 1:  # all words, as others say it; here it is an error
        warnings.append("dropped=top_k")
    elif top_k is not None:
        body["generationConfig"]["topK"] = top_k
    if isinstance(thinking := native.get("thinking_config"), dict):
        config = body["generationConfig"]
        config["thinkingConfig"] = _thinking(config.get("thinkingConfig", {}), thinking)
    if "safety_settings" in native:
        body["safetySettings"] = native["safety_settings"]
    if CACHE in native:
        body["cachedContent"] = native[CACHE]
    own = extensions.get(OWN_BLOCK)
    own = own if isinstance(own, dict) else {}
    read = {*FOR_OTHERS, *NATIVE, *(key for key in extensions if _is_said(own, key))}
    if may_search(extensions, model, beside=bool(request.tools)):
        read.add(SEARCH)
    warnings += left_out(extensions, read)
    return _with_own(body, own, model, warnings) if own else body


def _is_said(own: Any, key: str) -> bool:
    """Whether a block in Gemini's own words has what `key` (`tools.codeExecution`) leads to."""
    if key.startswith(CONTENTS):
        return True
    name, _, rest = key.partition(".")
    found = [one for one in (own if isinstance(own, list) else [own]) if isinstance(one, dict)]
    return any(name in one and (not rest or _is_said(one[name], rest)) for one in found)


def _with_own(body: Json, own: Json, model: str, warnings: list[str]) -> Json:
    """The body with a block in Gemini's own words laid upon it, whose tools stand beside ours."""
    config = own.get("generationConfig")
    if isinstance(config, dict) and "emulated=response_format" in warnings:
        config = {key: value for key, value in config.items() if key not in ANSWERS}
    elif isinstance(config, dict) and not SCHEMAS.isdisjoint(config):
        ours = body["generationConfig"]
        body = {**body, "generationConfig": {k: v for k, v in ours.items() if k not in SCHEMAS}}
    both = merged(body, {**own, "generationConfig": config} if isinstance(config, dict) else own)
    if isinstance(tools := own.get("tools"), list) and (ours := body.get("tools")):
        both["tools"] = [*ours, *tools]
        if generation(model) >= (3, 0):
            both["toolConfig"] = beside_own_tools(both.get("toolConfig", {}))
    return both


def _native_words(extensions: Mapping[str, Any]) -> Json:
    """Gemini's own parameters, in whichever block of the body they came; the outermost counts."""
    native: Json = {}
    for block in google_blocks(extensions):
        native |= {key: block[key] for key in GOOGLES if key in block}
    return native | {key: extensions[key] for key in NATIVE if key in extensions}


def _thinking(asked: Json, written: Json) -> Json:
    """What reasoning_effort asked for, under what the client wrote in Gemini's own words."""
    config = {
        _camel(key): value.upper() if isinstance(value, str) else value
        for key, value in written.items()
    }
    if "thinkingBudget" in asked:  # a model from before the levels; the parser has read them
        config.pop("thinkingLevel", None)
    if config.keys() & {"thinkingLevel", "thinkingBudget"}:  # one beside the other is an error
        return {key: asked[key] for key in asked if key == "includeThoughts"} | config
    return asked | config


def _camel(name: str) -> str:
    return re.sub("_([a-z])", lambda found: found[1].upper(), name)
