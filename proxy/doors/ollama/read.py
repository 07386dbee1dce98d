"""A body for `/api/chat` or `/api/generate` -> ChatRequest, with Ollama's own refusals. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import asdict

from adapters.base import ChatRequest, Json
from adapters.tasks import CompletionRequest
from proxy.candidate import is_model_name
from proxy.doors.door import Asked
from proxy.doors.ollama.context import Said, dialogue_of
from proxy.doors.ollama.messages import media_of, parse_messages, text_of
from proxy.doors.ollama.options import (
    Options,
    keep_alive,
    response_format,
    thinking,
    unloads,
)
from proxy.doors.reading.checks import (
    MAX_TOOLS,
    checked,
    flag,
    json_list,
    json_object,
    string,
    whole,
)
from proxy.doors.reading.schemas import within_bounds
from proxy.errors import ApiError, bad_request

MAX_CONTEXT = 1024 * 1024
LATEST = ":latest"
LOAD, UNLOAD = "load", "unload"


class Parsed(Asked, frozen=True):
    """A request, and what only the answer's form depends on. `name` is the model's as it was sent.

    `only` is LOAD or UNLOAD where nothing is to be answered. `said` is the dialogue that the
    numbers of the answer's `context` will hold, None where there are none.
    """

    name: str = ""
    only: str = ""
    began_s: float = 0.0
    generates: bool = False
    said: Sequence[Said] | None = None

    def told(self, error: ApiError) -> ApiError:
        return in_own_words(error, self.name)


def parse_chat(data: Json) -> Parsed:
    name = model_name(data.get("model"))
    messages = parse_messages(data.get("messages"))
    request = _request(data, name, messages, tools=_tools(data.get("tools")))
    return _parsed(data, name, request, only="" if messages else LOAD)


def parse_generate(data: Json) -> Parsed:
    name = model_name(data.get("model"))
    prompt, system = text_of("", "prompt", data), text_of("", "system", data)
    media = media_of("images", data.get("images"))
    numbers = json_list("context", data.get("context") or [])
    raw = checked(data, "raw", flag) or False
    template, suffix = text_of("", "template", data), text_of("", "suffix", data)
    own: Json = {"template": template} if template else {}
    if raw and ("template" in own or system or numbers):
        raise bad_request("raw mode does not support template, system, or context", param="raw")
    said = _said(numbers)
    if numbers and said is None:
        own["context"] = numbers
    content = [{"type": "text", "text": prompt}, *media] if media else prompt
    messages: list[Json] = [{"role": "system", "content": system}] if system else []
    messages += [{"role": role, "content": words} for role, words in said or ()]
    messages.append({"role": "user", "content": content})
    if raw:
        own["raw"] = True
    request = _request(data, name, messages, native=own)
    if suffix:
        request = CompletionRequest(**asdict(request), suffix=suffix, prompts=(prompt,))
    kept = None if raw else [*(said or ()), ("user", prompt)]
    only = "" if prompt or suffix else LOAD
    return _parsed(data, name, request, only=only, generates=True, said=kept)


def model_name(value: Any) -> str:
    """The name as sent, without blanks around it, if it can be a model's. Raises ApiError."""
    if value is None or value == "":
        raise bad_request("model is required", param="model")
    if not isinstance(value, str):
        raise bad_request("'model' must be a string.", param="model", code="invalid_type")
    name = value.strip()
    if not is_model_name(name.removesuffix(LATEST)):
        raise no_model(value)
    return name


def no_model(name: str) -> ApiError:
    """404 in the server's own words, by which clients know that a model has to be pulled."""
    shown = name if len(name) <= 128 and name.isprintable() else "(unprintable)"
    return ApiError(404, f"model '{shown}' not found", code="model_not_found", param="model")


def in_own_words(error: ApiError, name: str) -> ApiError:
    """A missing model is named: that is how clients recognise the error."""
    if error.code != "model_not_found":
        return error
    return error.but(message=f"{no_model(name).message}: {error.message}")


def _parsed(data: Json, name: str, request: ChatRequest, **form: Any) -> Parsed:
    if form["only"] and unloads(data.get("keep_alive")):
        form["only"] = UNLOAD
    own = data.get("pointsman")
    return Parsed(within_bounds(request), request.stream, own, name, **form)


def _request(
    data: Json,
    name: str,
    messages: Sequence[Json],
    *,
    tools: Sequence[Json] = (),
    native: Mapping[str, Any] | None = None,
) -> ChatRequest:
    options = Options(data.get("options"))
    stream = checked(data, "stream", flag)
    params = options.params
    if checked(data, "logprobs", flag):
        params["logprobs"] = True
        if most := checked(data, "top_logprobs", whole(0, 20)):
            params["top_logprobs"] = most
    return ChatRequest(
        model=name.removesuffix(LATEST),
        messages=messages,
        stream=True if stream is None else stream,
        max_tokens=options.max_tokens,
        stop=options.stop,
        tools=tools,
        response_format=response_format(data.get("format")),
        thinking=thinking(data.get("think")),
        params=params,
        extensions=_extensions(data, options, native or {}),
    )


def _extensions(data: Json, options: Options, native: Mapping[str, Any]) -> Json:
    """What only some providers know, and what goes to a real server alone, as it came."""
    found: Json = dict(options.others)
    if (value := data.get("keep_alive")) is not None:
        found["keep_alive"] = keep_alive(value)
    for key in ("truncate", "shift"):
        if (value := checked(data, key, flag)) is not None:
            found[key] = value
    if (think := data.get("think")) not in (None, ""):
        found["think"] = think
    if options.given:
        found["ollama"] = {"options": options.given}
    return {**found, **native}


def _said(numbers: list[Any]) -> list[Said] | None:
    if len(numbers) > MAX_CONTEXT or not all(type(number) is int for number in numbers):
        raise bad_request("'context' must be a list of integers.", param="context")
    return dialogue_of(numbers) if numbers else []


def _tools(value: Any) -> list[Json]:
    given = json_list("tools", [] if value is None else value, MAX_TOOLS)
    return [_tool(f"tools[{i}]", tool) for i, tool in enumerate(given)]


def _tool(path: str, tool: Any) -> Json:
    given = json_object(f"{path}.function", json_object(path, tool).get("function"))
    function: Json = {key: value for key, value in given.items() if value is not None}
    if not string(f"{path}.function.name", function.get("name")):
        raise bad_request(f"'{path}.function.name' must be a name.", param=path)
    string(f"{path}.function.description", function.get("description", ""))
    json_object(f"{path}.function.parameters", function.get("parameters", {}))
    return {"type": "function", "function": function}
