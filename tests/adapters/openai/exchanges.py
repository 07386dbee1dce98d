"""How each house streams an answer, after the examples in its own API reference.

A row: the deltas and what stands beside them, and what the last counts look like.
"""

from __future__ import annotations

from typing import NamedTuple

from adapters.base import Json, Usage


class Exchange(NamedTuple):
    """The chunks as the house writes them; `first` comes before any word."""

    thoughts: str
    usage: Json
    counted: Usage
    beside: Json
    first: str = ""
    counts_in_a_chunk_of_their_own: bool = True


_PLAIN: Json = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
_DETAILS: Json = {
    **_PLAIN,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 7},
}
_ALL = Usage(9, 12, reasoning=7, cached=4)
_COUNTS = Usage(9, 12)

EXCHANGES: dict[str, Exchange] = {
    "openai": Exchange("", _DETAILS, _ALL, {"service_tier": "default", "obfuscation": "x1"}),
    "openrouter": Exchange(
        "reasoning",
        {**_DETAILS, "cost": 0.0001},
        _ALL,
        {"provider": "Groq"},
        ": OPENROUTER PROCESSING\n\n",
    ),
    "mistral": Exchange("parts", _PLAIN, _COUNTS, {}, "", False),
    "cerebras": Exchange(
        "reasoning", _DETAILS, _ALL, {"time_info": {"queue_time": 0.1}}, "", False
    ),
    "deepseek": Exchange(
        "reasoning_content",
        {
            **_PLAIN,
            "prompt_cache_hit_tokens": 4,
            "prompt_cache_miss_tokens": 5,
            "completion_tokens_details": {"reasoning_tokens": 7},
        },
        _ALL,
        {},
        ": keep-alive\n\n",
        False,
    ),
    "together": Exchange("reasoning", _PLAIN, _COUNTS, {"created": 1, "prompt": []}, "", False),
    "fireworks": Exchange("reasoning_content", _PLAIN, _COUNTS, {}, "", False),
    "nvidia": Exchange("reasoning_content", _PLAIN, _COUNTS, {}),
    "github": Exchange("", _DETAILS, _ALL, {"prompt_filter_results": []}),
    "huggingface": Exchange("reasoning", _PLAIN, _COUNTS, {"x_groq": None}),
    "xai": Exchange("reasoning_content", _DETAILS, _ALL, {"system_fingerprint": "fp_1"}),
    "sambanova": Exchange(
        "", {**_PLAIN, "total_tokens_per_sec": 300.5, "is_last_response": True}, _COUNTS, {}
    ),
    "lmstudio": Exchange("reasoning", _PLAIN, _COUNTS, {"stats": {}, "system_fingerprint": "m"}),
    "llamacpp": Exchange("reasoning_content", _PLAIN, _COUNTS, {"timings": {"predicted_n": 12}}),
    "vllm": Exchange("reasoning", {**_PLAIN, "prompt_tokens_details": None}, _COUNTS, {}),
    "jan": Exchange("reasoning_content", _PLAIN, _COUNTS, {"timings": {"predicted_n": 12}}),
}


def chunks(told: Exchange) -> list[Json]:
    """A thought, two words and the end, as that house writes them."""
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    match told.thoughts:
        case "":
            pass
        case "parts":
            inner = [{"type": "text", "text": "Left?"}]
            deltas.append({"content": [{"type": "thinking", "thinking": inner}]})
        case field:
            deltas.append({field: "Left?"})
    deltas += [{"content": "To the "}, {"content": "left."}]
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    head: Json = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "toy-1"}
    rows: list[Json] = [{**head, "choices": [one], **told.beside} for one in choices]
    if told.counts_in_a_chunk_of_their_own:
        return [*rows, {**head, "choices": [], "usage": told.usage}]
    rows[-1]["usage"] = told.usage
    return rows
