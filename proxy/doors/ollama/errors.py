"""How Ollama's protocol reports a failure: a status and a sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from proxy.doors.frames.ndjson import line
from proxy.doors.writing.whole import JSON_TYPE, TEXT_TYPE
from proxy.errors import UNKNOWN_URL, ApiError
from proxy.reply import Reply

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
