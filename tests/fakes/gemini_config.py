"""Gemini's models, and the tools and configuration that each of them takes or refuses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tests.fakes.gemini_schema import check_json_schema, check_openapi_schema
from tests.fakes.model import Json
from tests.fakes.server import RefusalError, json_answer

KEPT = "cachedContents/a-book"
"""What a client has had kept here."""
FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_RANGES = {
    "temperature": (0, 2),
    "topP": (0, 1),
    "maxOutputTokens": (1, 65_536),
    "candidateCount": (1, 8),
    "presencePenalty": (-2, 2),
    "frequencyPenalty": (-2, 2),
    "seed": (-(2**31), 2**31 - 1),
    "logprobs": (0, 20),
}
_WHOLE = ("maxOutputTokens", "candidateCount", "topK", "seed", "logprobs")


@dataclass(frozen=True, slots=True)
class Model:
    """What a model of Gemini can do; `budget` is the range of its thinking budget."""

    levels: tuple[str, ...] = ()
    budget: tuple[int, int] | None = None
    penalties: bool = True
    logprobs: bool = False

    @property
    def thinks(self) -> bool:
        return bool(self.levels or self.budget)

    @property
    def is_third(self) -> bool:
        """Gemini 3: demands signatures, gives calls an id, takes JSON beside functions."""
        return bool(self.levels)


MODELS = {
    "gemini-flash-latest": Model(levels=("MINIMAL", "LOW", "MEDIUM", "HIGH")),
    "gemini-2.0-flash": Model(logprobs=True),
    "gemini-2.5-flash": Model(budget=(0, 24_576)),
    "gemini-2.5-pro": Model(budget=(128, 32_768), penalties=False),
    "gemini-3-flash-preview": Model(levels=("MINIMAL", "LOW", "MEDIUM", "HIGH")),
    "gemini-3-pro-preview": Model(levels=("LOW", "HIGH"), penalties=False),
}


def refuse(
    message: str, *, status: int = 400, word: str = "INVALID_ARGUMENT", **more: Any
) -> RefusalError:
    """Gemini's error envelope."""
    error = {"code": status, "message": message, "status": word, **more}
    content_type = ("content-type", "application/json; charset=UTF-8")
    return RefusalError(json_answer({"error": error}, status, headers=(content_type,)))


def check_name(name: Any, where: str) -> None:
    if not isinstance(name, str) or not FUNCTION_NAME.fullmatch(name):
        raise refuse(f"{where}.name: Name cannot be empty, and must be a valid function name.\n")


def declarations(body: Json) -> list[Json]:
    """The functions of a request."""
    return [d for tool in body.get("tools") or () for d in tool.get("functionDeclarations") or ()]


def check_kept(body: Json) -> None:
    """One name alone is known, and what was kept under it has its own tools and instructions."""
    if (name := body.get("cachedContent")) is None:
        return
    if name != KEPT:
        message = "CachedContent not found (or permission denied)"
        raise refuse(message, status=403, word="PERMISSION_DENIED")
    if body.keys() & {"systemInstruction", "tools", "toolConfig"}:
        raise refuse(
            "CachedContent can not be used with GenerateContent request setting "
            "system_instruction, tools or tool_config."
        )


def check_tools(body: Json) -> None:
    names: list[str] = []
    if len(declarations(body)) > 512:
        raise refuse("* tools[0].function_declarations: At most 512 can be specified.\n")
    for i, declaration in enumerate(declarations(body)):
        where = f"tools[0].function_declarations[{i}]"
        check_name(declaration.get("name"), where)
        if declaration["name"] in names:
            raise refuse(f"Duplicate function declaration found: {declaration['name']}")
        names.append(declaration["name"])
        _check_parameters(declaration, where)
    config = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    if config and not names:
        raise refuse("Function calling config is set without function_declarations.")
    mode, allowed = config.get("mode", "AUTO"), config.get("allowedFunctionNames")
    if mode not in ("AUTO", "ANY", "NONE", "VALIDATED"):
        raise refuse(f"Invalid value at 'tool_config.function_calling_config.mode': \"{mode}\"")
    if allowed and mode not in ("ANY", "VALIDATED"):
        raise refuse("allowed_function_names should only be set when the mode is ANY.")
    if set(allowed or ()) - set(names):
        raise refuse("allowed_function_names holds a name that is not declared.")


def _check_parameters(declaration: Json, where: str) -> None:
    if "parameters" in declaration and "parametersJsonSchema" in declaration:
        raise refuse(f"{where}: parameters and parameters_json_schema exclude each other")
    problem = None
    if "parametersJsonSchema" in declaration:
        problem = check_json_schema(declaration["parametersJsonSchema"], wants_object=True)
    elif "parameters" in declaration:
        problem = check_openapi_schema(declaration["parameters"])
    if problem:
        raise refuse(f"* GenerateContentRequest.{where}.parameters: {problem}\n")


def check_config(body: Json, model: Model) -> None:
    config = body.get("generationConfig") or {}
    for name, (least, most) in {**_RANGES, "topK": (1, 1000)}.items():
        value = config.get(name)
        if value is None:
            continue
        kind = int if name in _WHOLE else int | float
        if isinstance(value, bool) or not isinstance(value, kind):
            raise refuse(f"Invalid value at 'generation_config.{name}': {value}")
        if name == "maxOutputTokens" and value > most:
            raise refuse(
                f"Unable to submit request because it has a maxOutputTokens value of {value} but "
                f"the supported range is from 1 (inclusive) to {most + 1} (exclusive). Update the "
                "value and try again."
            )
        if not least <= value <= most:
            raise refuse(f"* generation_config.{name}: must be in [{least}, {most}]\n")
    stops = config.get("stopSequences") or []
    if not isinstance(stops, list) or len(stops) > 5:
        raise refuse("* generation_config.stop_sequences: must be a list of at most 5\n")
    if not model.penalties and ("presencePenalty" in config or "frequencyPenalty" in config):
        raise refuse("Penalty is not enabled for this model")
    if not model.logprobs and ("logprobs" in config or config.get("responseLogprobs")):
        raise refuse("Logprobs is not enabled for this model")
    _check_output(body, config, model)
    _check_thinking(config.get("thinkingConfig") or {}, model)


def _check_output(body: Json, config: Json, model: Model) -> None:
    mime = config.get("responseMimeType", "text/plain")
    has_schema = "responseSchema" in config or "responseJsonSchema" in config
    if has_schema and mime != "application/json":
        raise refuse("A response schema is only allowed with response_mime_type application/json")
    if "responseSchema" in config and "responseJsonSchema" in config:
        raise refuse("response_schema and response_json_schema exclude each other")
    if mime == "application/json" and declarations(body) and not model.is_third:
        raise refuse(
            "Function calling with a response mime type: 'application/json' is unsupported"
        )
    problem = None
    if "responseJsonSchema" in config:
        problem = check_json_schema(config["responseJsonSchema"])
    elif "responseSchema" in config:
        problem = check_openapi_schema(config["responseSchema"])
    if problem:
        raise refuse(f"* GenerateContentRequest.generation_config.response_schema: {problem}\n")
    if config.get("responseModalities", ["TEXT"]) != ["TEXT"]:
        raise refuse("The requested combination of response modalities is not supported.")


def _check_thinking(config: Json, model: Model) -> None:
    level, budget = config.get("thinkingLevel"), config.get("thinkingBudget")
    if config and not model.thinks:
        raise refuse("Thinking is not enabled for this model")
    if level is not None and budget is not None:
        raise refuse("You can only set one of thinking budget and thinking level.")
    if level is not None and str(level).upper() not in model.levels:
        raise refuse(f"Thinking level {level} is not supported for this model.")
    if budget is not None and budget != -1 and model.budget:
        least, most = model.budget
        if not least <= budget <= most:
            raise refuse(f"The thinking budget {budget} is invalid: choose {least} to {most}.")
