"""A completion's body -> CompletionRequest: checked field by field. Pure.

Every refusal is a 400 that names the `param`, as OpenAI's own are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.base import Json, Thinking
from adapters.tasks import CompletionRequest
from proxy.doors.door import Asked
from proxy.doors.embeddings.tokens import text_of
from proxy.doors.openai import check_model_name
from proxy.doors.reading.checks import (
    SAMPLING,
    checked,
    choices,
    count,
    flag,
    integer,
    json_list,
    json_object,
    member,
    out_of_range,
    stops,
    string,
    strings,
    whole,
)
from proxy.errors import bad_request

MAX_CALLS = 16
"""Prompts times `n`: nobody answers several prompts in one call."""

_KNOWN = frozenset(SAMPLING) | {
    *("model", "prompt", "suffix", "max_tokens", "n", "best_of", "echo", "logprobs", "stop"),
    *("stream", "stream_options", "pointsman"),
}
_THOUGHTLESS = Thinking(effort="none", include=False)
"""A completion has no place for thoughts, and apps that fill in code give it few tokens."""

_logprobs = whole(0, 5)


class Parsed(Asked, frozen=True):
    """A request, and what only the answer's form depends on; `echo` are prompts to begin with."""

    include_usage: bool = False
    echo: Sequence[str] = ()


def parse_request(data: Json) -> Parsed:
    """The request in `data`, which is left as it is. Raises ApiError."""
    data = {name: value for name, value in data.items() if value is not None}
    model = check_model_name(data.get("model"))
    prompts = _prompts(data.get("prompt"))
    n = checked(data, "n", choices) or 1
    if len(prompts) * n > MAX_CALLS:
        raise out_of_range("prompt", f"at most {MAX_CALLS} texts, times 'n'")
    if (checked(data, "best_of", integer) or n) != n:
        raise bad_request(
            "'best_of' must be as large as 'n': none of the texts is held back here.",
            param="best_of",
            code="unsupported_parameter",
        )
    options = checked(data, "stream_options", json_object) or {}
    include_usage = member(options, "stream_options", "include_usage", flag) or False
    stream = checked(data, "stream", flag) or False
    params = {name: SAMPLING[name](name, value) for name, value in data.items() if name in SAMPLING}
    request = CompletionRequest(
        model=model,
        messages=[{"role": "user", "content": prompts[0]}],
        stream=stream,
        max_tokens=checked(data, "max_tokens", count),
        stop=stops(data.get("stop")),
        n=n,
        thinking=_THOUGHTLESS,
        params=params | _probabilities(data),
        extensions={name: value for name, value in data.items() if name not in _KNOWN},
        suffix=checked(data, "suffix", string) or None,
        prompts=prompts,
    )
    echo = prompts if checked(data, "echo", flag) else ()
    return Parsed(request, stream, data.get("pointsman"), stream and include_usage, echo)


def _prompts(value: Any) -> tuple[str, ...]:
    """The texts to go on with; tokens are those of `cl100k_base`."""
    match value:
        case None:
            raise bad_request("You must provide a prompt parameter.", param="prompt")
        case [int(), *_]:
            texts: tuple[str, ...] = (_of_tokens(value),)
        case [[*_], *_]:
            texts = tuple(_of_tokens(tokens) for tokens in value)
        case _:
            texts = (value,) if isinstance(value, str) else tuple(strings("prompt", value))
    if not texts or not all(texts):
        raise out_of_range("prompt", "a text, or a list of texts, with something in each")
    return texts


def _of_tokens(value: Any) -> str:
    tokens = [integer("prompt", token) for token in json_list("prompt", value)]
    try:
        return text_of(tokens)
    except ValueError:  # none, or such as are in no table
        raise out_of_range("prompt", "tokens of cl100k_base") from None


def _probabilities(data: Json) -> Json:
    most = checked(data, "logprobs", _logprobs)
    if most is None:
        return {}
    return {"logprobs": True, "top_logprobs": most} if most else {"logprobs": True}
