"""What answers of Ollama's API are made of: times, durations, probabilities, errors. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping

import orjson

from adapters.base import Json
from proxy.doors.frames.ndjson import line
from proxy.errors import UNKNOWN_URL, ApiError
from proxy.reply import Header, Reply

VERSION = "0.33.0"
"""Of the API that is spoken here. Clients look whether it is new enough."""
JSON_TYPE: Header = (b"content-type", b"application/json; charset=utf-8")
TEXT_TYPE: Header = (b"content-type", b"text/plain; charset=utf-8")
NOWHERE = b"404 page not found"
BUSY = "server busy, please try again.  maximum pending requests exceeded"

_WORDS: Mapping[str, str] = {
    "overloaded": BUSY,
    "invalid_api_key": "unauthorized",
}


class OllamaErrors:
    """Ollama's envelope for what has failed: a status and a sentence."""

    name = "ollama"

    def refusal(self, error: ApiError) -> Reply:
        if error.code == UNKNOWN_URL or (error.status == 405 and error.code is None):
            return Reply(404, (TEXT_TYPE, *error.headers()), NOWHERE)
        body = orjson.dumps({"error": error_text(error)})
        return Reply(error.status, (JSON_TYPE, *error.headers()), body)

    def cut(self, error: ApiError) -> bytes:
        """A line that is an error; clients raise it whatever came before."""
        return line({"error": error_text(error)})


def error_text(error: ApiError) -> str:
    """The sentence, in the server's own words where clients look for them."""
    if words := _WORDS.get(error.code or ""):
        return f"{words} ({error.message})"
    if error.param == "suffix":
        return f"the model does not support insert: {error.message}"
    return error.message


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
