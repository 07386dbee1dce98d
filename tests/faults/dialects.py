"""What each provider says, as bytes: answers whole and streamed, refusals, and errors inside a 200.

Every answer names its provider, so that a test sees whose words have reached the client.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

JSON_TYPE = "application/json"
DAY_QUOTA = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
MINUTE_QUOTA = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"


@dataclass(frozen=True)
class Streamed:
    """A stream in three parts: what commits nothing, the words one by one, and the end mark."""

    opening: bytes
    words: Sequence[bytes]
    ending: bytes

    def __bytes__(self) -> bytes:
        return self.opening + b"".join(self.words) + self.ending


@dataclass(frozen=True)
class Dialect:
    """One provider's language.

    `error` is the body of a refusal; `event` frames a JSON value as the stream has it.
    """

    name: str
    model: str
    stream_type: str
    whole: Callable[[str], Any]
    streamed: Callable[[Sequence[str]], Streamed]
    error: Callable[..., Any]
    event: Callable[[Any], bytes]
    lists: Any

    @property
    def words(self) -> list[str]:
        return ["These ", "words ", "are ", f"{self.name}'s."]

    @property
    def text(self) -> str:
        return "".join(self.words)


def encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


# -- Groq -------------------------------------------------------------------------------------


def _groq_event(value: Any) -> bytes:
    return b"data: " + encoded(value) + b"\n\n"


def _groq_whole(text: str) -> Any:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "logprobs": None,
        "finish_reason": "stop",
    }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "fast",
        "choices": [choice],
        "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13},
    }


def _groq_streamed(words: Sequence[str]) -> Streamed:
    def chunk(delta: Any, finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        frame = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_790_000_000}
        return _groq_event({**frame, "model": "fast", "choices": [choice], **more})

    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    end = chunk({}, "stop", x_groq={"id": "req_1", "usage": usage})
    return Streamed(
        chunk({"role": "assistant", "content": ""}),
        [chunk({"content": word}) for word in words],
        end + b"data: [DONE]\n\n",
    )


def _groq_error(message: str, code: str | None = None, **more: Any) -> Any:
    return {"error": {"message": message, "type": "x_error", "code": code, **more}}


# -- Gemini -----------------------------------------------------------------------------------


def _gemini_event(value: Any) -> bytes:
    return b"data: " + encoded(value) + b"\r\n\r\n"


def _gemini_frame(parts: Any, finish: str | None = None) -> Any:
    candidate: Any = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    counts = {"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13}
    return {"candidates": [candidate], "usageMetadata": counts, "modelVersion": "deep"}


def _gemini_streamed(words: Sequence[str]) -> Streamed:
    counts = {"usageMetadata": {"promptTokenCount": 9}, "modelVersion": "deep"}
    return Streamed(
        _gemini_event(counts),
        [_gemini_event(_gemini_frame([{"text": word}])) for word in words],
        _gemini_event(_gemini_frame([{"text": ""}], "STOP")),
    )


def _gemini_error(message: str, code: str | None = None, *, details: Any = (), **_: Any) -> Any:
    error: Any = {"code": 0, "message": message, "status": code or "UNKNOWN"}
    return {"error": {**error, "details": [*details]}}


def gemini_quota(*quota_ids: str, retry_delay: str | None = None) -> Any:
    """Gemini's 429: the quotas that are spent, and the wait that it tells."""
    details: list[Any] = [
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaId": quota, "quotaValue": "15"} for quota in quota_ids],
        }
    ]
    if retry_delay is not None:
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": retry_delay}
        details.append(retry)
    return _gemini_error("You exceeded your quota.", "RESOURCE_EXHAUSTED", details=details)


# -- Ollama -----------------------------------------------------------------------------------


def _ollama_line(content: str, **more: Any) -> Any:
    message = {"role": "assistant", "content": content}
    frame = {"model": "local", "created_at": "2026-11-01T10:00:00Z", "message": message}
    return {**frame, "done": False, **more}


_OLLAMA_END = {"done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 4}


def _ollama_event(value: Any) -> bytes:
    return encoded(value) + b"\n"


def _ollama_streamed(words: Sequence[str]) -> Streamed:
    return Streamed(
        _ollama_event(_ollama_line("")),
        [_ollama_event(_ollama_line(word)) for word in words],
        _ollama_event(_ollama_line("", **_OLLAMA_END)),
    )


GROQ = Dialect(
    "groq",
    "fast",
    "text/event-stream",
    _groq_whole,
    _groq_streamed,
    _groq_error,
    _groq_event,
    {"object": "list", "data": []},
)
GEMINI = Dialect(
    "gemini",
    "deep",
    "text/event-stream",
    lambda text: _gemini_frame([{"text": text}], "STOP"),
    _gemini_streamed,
    _gemini_error,
    _gemini_event,
    {"models": []},
)
OLLAMA = Dialect(
    "ollama",
    "local",
    "application/x-ndjson",
    lambda text: _ollama_line(text, **_OLLAMA_END),
    _ollama_streamed,
    lambda message, code=None, **_: {"error": message},
    _ollama_event,
    {"models": []},
)
DIALECTS: Mapping[str, Dialect] = {one.name: one for one in (GROQ, GEMINI, OLLAMA)}
