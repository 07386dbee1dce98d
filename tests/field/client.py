"""An app of the field: it sends what a case says, and sees an answer as the checks name it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.security.kit import CHAT, Reply, ask, request


def sent(port: int, step: Mapping[str, Any]) -> Reply:
    """The answer to one step of a case."""
    http = step.get("http", {})
    headers = {"Content-Type": "application/json", **http.get("headers", {})}
    host = headers.pop("Host", "127.0.0.1")
    body = json.dumps(step["body"]).encode()
    method, path = http.get("method", "POST"), http.get("path", CHAT)
    return ask(port, request(method, path, body, host=host, headers=headers))


def seen(reply: Reply, seconds: float) -> dict[str, Any]:
    """The answer under the names that checks use."""
    raw = reply.body.decode()
    told = {"status": reply.status, "headers": reply.headers, "raw": raw, "seconds": seconds}
    if "text/event-stream" in reply.headers.get("content-type", ""):
        return {**told, **_streamed(raw)}
    whole = _read(raw)
    if not isinstance(whole, dict):
        return told
    choice = (whole.get("choices") or [{}])[0]
    message = choice.get("message", {})
    return {**told, "json": whole, **_said(whole, choice, message)}


def _said(whole: Any, choice: Any, message: Any) -> dict[str, Any]:
    text = message.get("content") or ""
    return {
        "text": text,
        "json_of_text": _read(text),
        "reasoning": message.get("reasoning_content") or "",
        "tool_calls": message.get("tool_calls") or [],
        "finish": choice.get("finish_reason"),
        "usage": whole.get("usage"),
        "error": whole.get("error"),
    }


def _streamed(raw: str) -> dict[str, Any]:
    """A stream put together to what the plain answer would be."""
    whole: dict[str, Any] = {}
    message: dict[str, Any] = {"content": "", "reasoning_content": "", "tool_calls": []}
    choice: dict[str, Any] = {}
    for event in _events(raw):
        whole |= {key: event[key] for key in ("usage", "error") if event.get(key)}
        for part in event.get("choices") or ():
            choice["finish_reason"] = part.get("finish_reason") or choice.get("finish_reason")
            delta = part.get("delta") or {}
            for key in ("content", "reasoning_content"):
                message[key] += delta.get(key) or ""
            message["tool_calls"] += delta.get("tool_calls") or []
    return {**_said(whole, choice, message), "done": "data: [DONE]" in raw.splitlines()}


def _events(raw: str) -> Iterator[dict[str, Any]]:
    for line in raw.splitlines():
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))


def _read(text: str) -> Any:
    """JSON, or None for what is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None
