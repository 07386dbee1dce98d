"""What answers of Ollama's API are made of: times, durations, probabilities. Pure."""

from __future__ import annotations

import time

import orjson

from adapters.base import Json
from proxy.reply import Header, Reply

VERSION = "0.33.0"
"""Of the API that is spoken here. Clients look whether it is new enough."""
JSON_TYPE: Header = (b"content-type", b"application/json; charset=utf-8")
TEXT_TYPE: Header = (b"content-type", b"text/plain; charset=utf-8")


def reply(value: Json, *headers: Header) -> Reply:
    return Reply(200, (JSON_TYPE, *headers), orjson.dumps(value))


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
