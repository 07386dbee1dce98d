"""What answers of Ollama's API are made of: times, durations, probabilities. Pure."""

from __future__ import annotations

import time

from adapters.base import Json

VERSION = "0.33.0"
"""Of the API that is spoken here. Clients look whether it is new enough."""


def moment(wall_s: float) -> str:
    """A time as Ollama writes it: RFC 3339, with nanoseconds, in UTC."""
    whole = int(wall_s)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    return f"{text}.{int((wall_s - whole) * 1e9):09d}Z"


def nanoseconds(seconds: float) -> int:
    """A duration. Never 0: clients divide by it."""
    return max(1, int(seconds * 1e9))


def logprob(entry: Json) -> Json:
    """One of OpenAI's entries of probabilities in Ollama's words."""
    told: Json = {name: entry[name] for name in ("token", "logprob", "bytes") if name in entry}
    if top := entry.get("top_logprobs"):
        told["top_logprobs"] = [logprob(one) for one in top]
    return told
