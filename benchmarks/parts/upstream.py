"""A fake upstream that costs next to nothing: fixed answers in each provider's native form.

    python benchmarks/parts/upstream.py PORT

Paths decide the dialect (Groq, Gemini, Ollama) and whether the answer streams. How it answers from
now on, a PUT of /manner tells: {"delay_ms": 0, "chunks": 20, "gap_ms": 2, "models": 1}.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from dataclasses import dataclass, field

import uvloop

WORDS = "some words "
TEXT = WORDS * 32


def groq_answer() -> bytes:
    message = {"role": "assistant", "content": TEXT}
    usage = {"prompt_tokens": 200, "completion_tokens": 80, "total_tokens": 280}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [choice],
            "usage": usage,
            "service_tier": "on_demand",
            "x_groq": {"id": "req_1"},
        }
    ).encode()


def groq_chunks(count: int) -> list[bytes]:
    def chunk(delta: dict[str, str], **more: object) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None} | more
        data = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        return b"data: " + json.dumps(data | {"choices": [choice]}).encode() + b"\n\n"

    usage = {"prompt_tokens": 200, "completion_tokens": 80, "total_tokens": 280}
    end = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}],
        "x_groq": {"id": "req_1", "usage": usage},
    }
    words = [chunk({"content": WORDS}) for _ in range(count)]
    # With the first word, as the others have it: what is told is the time to a first word.
    words[0] = chunk({"role": "assistant", "content": ""}) + words[0]
    return [*words, b"data: " + json.dumps(end).encode() + b"\n\ndata: [DONE]\n\n"]


def gemini_part(text: str, **more: object) -> dict[str, object]:
    candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0} | more
    counts = {"promptTokenCount": 200, "candidatesTokenCount": 80, "totalTokenCount": 280}
    return {
        "candidates": [candidate],
        "usageMetadata": counts,
        "modelVersion": "m",
        "responseId": "r",
    }


def gemini_answer() -> bytes:
    return json.dumps(gemini_part(TEXT, finishReason="STOP")).encode()


def gemini_chunks(count: int) -> list[bytes]:
    parts = [gemini_part(WORDS) for _ in range(count)]
    parts.append(gemini_part("end", finishReason="STOP"))
    return [b"data: " + json.dumps(part).encode() + b"\r\n\r\n" for part in parts]


def ollama_line(text: str, **more: object) -> dict[str, object]:
    message = {"role": "assistant", "content": text}
    return {
        "model": "m",
        "created_at": "2026-01-01T00:00:00.123456Z",
        "message": message,
        "done": False,
    } | more


def ollama_answer() -> bytes:
    done = {"done": True, "done_reason": "stop", "prompt_eval_count": 200, "eval_count": 80}
    return json.dumps(ollama_line(TEXT, **done)).encode()


def ollama_chunks(count: int) -> list[bytes]:
    done = {"done": True, "done_reason": "stop", "prompt_eval_count": 200, "eval_count": 80}
    lines = [ollama_line(WORDS) for _ in range(count)] + [ollama_line("", **done)]
    return [json.dumps(line).encode() + b"\n" for line in lines]


def groq_models(count: int) -> bytes:
    model = {"object": "model", "created": 1, "owned_by": "x", "active": True}
    data = [{"id": f"m{number}", "context_window": 131072} | model for number in range(count)]
    return json.dumps({"object": "list", "data": data}).encode()


def gemini_models(count: int) -> bytes:
    does = {"supportedGenerationMethods": ["generateContent"], "inputTokenLimit": 131072}
    models = [{"name": f"models/m{number}"} | does for number in range(count)]
    return json.dumps({"models": models}).encode()


def ollama_models(count: int) -> bytes:
    models = [{"name": f"m{number}", "model": f"m{number}"} for number in range(count)]
    return json.dumps({"models": models}).encode()


OLLAMA_SHOW = json.dumps(
    {
        "capabilities": ["completion", "tools"],
        "model_info": {"general.architecture": "llama", "llama.context_length": 131072},
        "details": {"family": "llama"},
    }
).encode()


@dataclass
class Manner:
    """How the upstream answers at the moment; every answer is encoded once."""

    delay_s: float = 0.0
    gap_s: float = 0.002
    plain: dict[str, bytes] = field(
        default_factory=lambda: {
            "groq": groq_answer(),
            "gemini": gemini_answer(),
            "ollama": ollama_answer(),
        }
    )
    streams: dict[str, list[bytes]] = field(default_factory=dict)
    models: dict[str, bytes] = field(default_factory=dict)

    def change(self, *, delay_ms: float, chunks: int, gap_ms: float, models: int) -> None:
        """For requests that come from now on."""
        self.delay_s, self.gap_s = delay_ms / 1000, gap_ms / 1000
        self.streams = {
            "groq": groq_chunks(chunks),
            "gemini": gemini_chunks(chunks),
            "ollama": ollama_chunks(chunks),
        }
        self.models = {
            "groq": groq_models(models),
            "gemini": gemini_models(models),
            "ollama": ollama_models(models),
        }


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests come one after the other, each in whatever pieces."""

    def __init__(self, manner: Manner) -> None:
        self.manner = manner
        self.buffer = b""
        self.streaming: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.streaming is not None:
            self.streaming.cancel()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, blank, rest = self.buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        method, path, _ = head.split(b" ", 2)
        if method == b"POST":
            self.answer(path, rest[:length])
        else:
            self.tell(method, path, rest[:length])

    def tell(self, method: bytes, path: bytes, body: bytes) -> None:
        """Whatever is not an answer of a model: lists of models, and our own way to answer."""
        if method == b"PUT":
            self.manner.change(**json.loads(body))
            self.whole(b"{}")
        elif b"/api/" in path:
            self.whole(self.manner.models["ollama"])
        else:
            is_openais = b"openai" in path or b"/v1/" in path
            self.whole(self.manner.models["groq" if is_openais else "gemini"])

    def answer(self, path: bytes, body: bytes) -> None:
        loop = asyncio.get_running_loop()
        if b"/api/show" in path:
            self.whole(OLLAMA_SHOW)
            return
        if b"/api/" in path:
            dialect, streams = "ollama", b'"stream":true' in body
        elif b":" in path:
            dialect, streams = "gemini", b":stream" in path
        else:
            dialect = "groq"
            streams = b'"stream":true' in body or b'"stream": true' in body
        if streams:
            self.streaming = loop.create_task(self.stream(dialect))
        elif self.manner.delay_s:
            loop.call_later(self.manner.delay_s, self.whole, self.manner.plain[dialect])
        else:
            self.whole(self.manner.plain[dialect])

    def whole(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(head % len(body) + body)

    async def stream(self, dialect: str) -> None:
        gap_s = self.manner.gap_s
        kind = b"application/x-ndjson" if dialect == "ollama" else b"text/event-stream"
        head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n" % kind
        await asyncio.sleep(self.manner.delay_s)
        self.transport.write(head)
        for chunk in self.manner.streams[dialect]:
            if self.transport.is_closing():
                return
            self.transport.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            await asyncio.sleep(gap_s)
        self.transport.write(b"0\r\n\r\n")


async def main(port: int) -> None:
    """Serve until killed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    manner = Manner()
    manner.change(delay_ms=0, chunks=20, gap_ms=2, models=1)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(manner), "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
