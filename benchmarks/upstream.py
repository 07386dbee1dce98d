"""A fake upstream that costs next to nothing: fixed answers in each provider's native form.

    python benchmarks/upstream.py PORT [--delay-ms 0] [--chunks 20] [--gap-ms 2]

Paths decide the dialect (Groq, Gemini, Ollama) and whether the answer streams.
"""

from __future__ import annotations

import argparse
import asyncio
import json

import uvloop

TEXT = "The quick brown fox jumps over the lazy dog. " * 8


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
    return [
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": "some words "}) for _ in range(count)),
        b"data: " + json.dumps(end).encode() + b"\n\ndata: [DONE]\n\n",
    ]


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
    parts = [gemini_part("some words ") for _ in range(count)]
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
    lines = [ollama_line("some words ") for _ in range(count)] + [ollama_line("", **done)]
    return [json.dumps(line).encode() + b"\n" for line in lines]


class Answers:
    """Every answer, encoded once."""

    def __init__(self, chunks: int) -> None:
        self.plain = {"groq": groq_answer(), "gemini": gemini_answer(), "ollama": ollama_answer()}
        self.streams = {
            "groq": groq_chunks(chunks),
            "gemini": gemini_chunks(chunks),
            "ollama": ollama_chunks(chunks),
        }


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests come one after the other, each in whatever pieces."""

    def __init__(self, answers: Answers, delay_s: float, gap_s: float) -> None:
        self.answers, self.delay_s, self.gap_s = answers, delay_s, gap_s
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

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
        self.answer(head.split(b" ", 2)[1], rest[:length])

    def answer(self, path: bytes, body: bytes) -> None:
        loop = asyncio.get_running_loop()
        if b"/api/" in path:
            dialect, streams = "ollama", b'"stream":true' in body
        elif b":" in path:
            dialect, streams = "gemini", b":stream" in path
        else:
            dialect, streams = "groq", b'"stream":true' in body
        if streams:
            self.streaming = loop.create_task(self.stream(dialect))
        elif self.delay_s:
            loop.call_later(self.delay_s, self.plain, dialect)
        else:
            self.plain(dialect)

    def plain(self, dialect: str) -> None:
        body = self.answers.plain[dialect]
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(head % len(body) + body)

    async def stream(self, dialect: str) -> None:
        kind = b"application/x-ndjson" if dialect == "ollama" else b"text/event-stream"
        head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n" % kind
        self.transport.write(head)
        for chunk in self.answers.streams[dialect]:
            if self.transport.is_closing():
                return
            self.transport.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            await asyncio.sleep(self.gap_s)
        self.transport.write(b"0\r\n\r\n")


async def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--chunks", type=int, default=20)
    parser.add_argument("--gap-ms", type=float, default=2)
    options = parser.parse_args()
    answers = Answers(options.chunks)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(answers, options.delay_ms / 1000, options.gap_ms / 1000),
        "127.0.0.1",
        options.port,
        backlog=4096,
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
