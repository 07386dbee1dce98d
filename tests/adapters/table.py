"""The table of providers in docs/providers.md, made by asking each what a request becomes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from adapters import PRESETS as SET_UP, REGISTRY
from adapters.base import Adapter, AdapterError, ChatRequest, Json, ResponseFormat, Thinking
from adapters.openai.profiles import OPENAIS, PRESETS
from tests.adapters.kit import TOOL, DictMemory

HEAD = (
    "| provider | where your text goes | set up by | default model | rotation "
    "| what parameters become |"
)
RULE = "| --- | --- | --- | --- | --- | --- |"
OWN = ("ollama", "gemini", "groq", "embedded", "bedrock")
ASK: list[Json] = [{"role": "user", "content": "Which way?"}]
PARAMS: Mapping[str, Any] = {
    **dict.fromkeys(OPENAIS, "x"),
    **dict.fromkeys(("temperature", "top_p", "frequency_penalty", "presence_penalty"), 0.5),
    "seed": 7,
    "logit_bias": {"5": 1},
    "logprobs": True,
    "store": True,
    "metadata": {"a": "b"},
    "prediction": {"type": "content", "content": "x"},
    "moderation": {"model": "m"},
    "web_search_options": {"search_context_size": "low"},
    "service_tier": "flex",
    "verbosity": "low",
}
FIELDS: Mapping[str, Json] = {
    "max_tokens": {"max_tokens": 9},
    "stop": {"stop": ("END",)},
    "n": {"n": 2},
    "reasoning_effort": {"thinking": Thinking(effort="low")},
    "reasoning_effort: none": {"thinking": Thinking(effort="none")},
    "response_format": {"response_format": ResponseFormat({"type": "object"})},
    "tool_choice": {"tools": [TOOL], "tool_choice": "required"},
    **{name: {"params": {name: PARAMS[name]}} for name in sorted(PARAMS)},
    "top_logprobs": {"params": {"logprobs": True, "top_logprobs": 2}},
    "top_k": {"extensions": {"top_k": 5}},
}
KEYED = ("gemini", "groq", "bedrock")


def table() -> str:
    """A row for each provider that has a name of its own."""
    return "\n".join([HEAD, RULE, *map(_row, (*OWN, *PRESETS))])


def adapter(name: str) -> Adapter:
    """The provider, set up as people set it up."""
    preset = SET_UP.get(name)
    kind = REGISTRY[preset.kind if name in PRESETS and preset else name]
    is_local = name in PRESETS and PRESETS[name].local
    key = {"api_key": "k" * 20} if name in KEYED or (name in PRESETS and not is_local) else {}
    settings = kind.Settings.model_validate({"name": name, **key})
    one: Adapter = kind(settings, None, DictMemory())  # type: ignore[arg-type]
    return one


def _row(name: str) -> str:
    profile = PRESETS.get(name)
    one = adapter(name)
    where = "stays on this machine" if one.local else one.title.partition(" (")[0]
    joins = "only where named" if one.settings.billed else "yes"
    if profile:
        where = "stays with that server" if profile.local else where
        where += f" (`{profile.base_url}`)"
        joins = f"answers nobody since {profile.closed}" if profile.closed else joins
    model = one.settings.model or one.settings.default_model
    cells = (
        f"`{name}`",
        where,
        _set_up(name, one),
        f"`{model}`" if model else "the first it lists",
    )
    return f"| {' | '.join([*cells, joins, '; '.join(_changes(one, model or 'm'))])} |"


def _set_up(name: str, one: Adapter) -> str:
    profile, preset = PRESETS.get(name), SET_UP.get(name)
    if name in KEYED:
        return f"`{name.upper()}_API_KEY`" + (", or [AWS's own](#aws-bedrock)" if preset else "")
    if profile is None or preset is None:
        return one.setup
    named = f"`POINTSMAN_PROVIDERS={name}` and `{profile.key or 'OPENAI_API_KEY'}`"
    ways = [f"`{way}`" for way in preset.sets_up]
    return " or ".join([*ways, named] if profile.key or not ways else ways)


def _changes(one: Adapter, model: str) -> list[str]:
    """What is not as it was asked for: under another name, refused, or left out."""
    found, lost, refused = [], [], []
    for name, fields in FIELDS.items():
        try:
            call = one.to_native(ChatRequest(model, ASK, **fields))
        except AdapterError:
            refused.append(name)
            continue
        fields = {key: value for key, value in fields.items() if key == "tools"}
        added = dict(_added(call.body, one.to_native(ChatRequest(model, ASK, **fields)).body))
        if f"dropped={name.partition(':')[0]}" in call.warnings:
            lost += [name] if name != "top_k" else []
        elif told := _told(name, added):
            found.append(told)
    for word, names in (("refused: ", refused), ("without ", lost)):
        if names:
            found.append(word + ", ".join(f"`{name}`" for name in names))
    return found


def _told(name: str, added: Json) -> str:
    """What became of one parameter; empty where it goes as it is."""
    match name, added:
        case "n", _:
            return "" if added else "`n` becomes several calls"
        case "top_k", {"top_k": _}:
            return "what OpenAI does not define goes along"
        case "response_format", {"response_format": {"type": "json_object"}}:
            return "schemas become an instruction"
        case "reasoning_effort: none", {"reasoning_effort": "none"} | {"reasoning": _}:
            return ""
        case "reasoning_effort: none", {"thinking": _}:
            return f"`{name}` → `{json.dumps(added)}`"
        case ("reasoning_effort: none" | "top_k", _) | ("top_logprobs", {"logprobs": True}):
            return ""
        case "tool_choice", {"tool_choice": str(word), **rest} if not rest:
            return "" if word == "required" else f"`tool_choice: required` → `{word}`"
    paths = sorted(dict.fromkeys(_paths(added)))
    return "" if paths in ([name], []) else f"`{name}` → {', '.join(f'`{path}`' for path in paths)}"


def _added(body: Json, plain: Json) -> Iterator[tuple[str, Any]]:
    """What a body holds beyond the plainest one."""
    for key, value in body.items():
        old = plain.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            if inner := dict(_added(value, old)):
                yield key, inner
        elif value != old and key != "messages":
            yield key, value


WRAPPERS = ("options", "generationConfig", "inferenceConfig", "outputConfig", "toolConfig")


def _paths(added: Json) -> Iterator[str]:
    """Where in the body it stands, no deeper than tells anything."""
    for key, value in added.items():
        if key in WRAPPERS and isinstance(value, dict):
            yield from (f"{key}.{inner}" for inner in value)
        else:
            yield key
