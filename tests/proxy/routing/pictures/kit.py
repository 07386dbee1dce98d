"""What the tests of fetching images share: images, who answers with them, who asks."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from adapters.base import Json
from proxy.routing.pictures.fetching import ImageFetcher, ImageFetchError

PNG = b"\x89PNG\r\n\x1a\n" + b"not really"
PUBLIC_IP = "93.184.215.14"


class Recorder(httpx.AsyncBaseTransport):
    """Answers every request with `answer`, and keeps what would have gone out."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self.requests: list[httpx.Request] = []
        self._answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._answer(request)


def image(data: bytes = PNG, media_type: str = "image/png", **headers: str) -> httpx.Response:
    async def body() -> AsyncIterator[bytes]:
        yield data

    lines = {"content-type": media_type, **{k.replace("_", "-"): v for k, v in headers.items()}}
    return httpx.Response(200, headers=lines, content=body())


def names(**known: list[str]) -> Callable[[str, int], Awaitable[list[str]]]:
    """A resolver that knows `known` (with _ for a dot), and everything else at a public address."""

    async def resolve(host: str, port: int) -> list[str]:
        return known.get(host.replace(".", "_"), [PUBLIC_IP])

    return resolve


def asking(*urls: str) -> list[Json]:
    parts: list[Json] = [{"type": "text", "text": "What is this?"}]
    parts += [{"type": "image_url", "image_url": {"url": url, "detail": "low"}} for url in urls]
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}]


def urls_of(messages: object) -> list[str]:
    assert isinstance(messages, list)
    parts = messages[1]["content"][1:]
    assert all(part["image_url"]["detail"] == "low" for part in parts)
    return [part["image_url"]["url"] for part in parts]


@contextlib.asynccontextmanager
async def serving(
    *answers: bytes, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A loopback server giving `answers` in turn, then silence; yields its port and the heads."""
    heads: list[bytes] = []
    script = iter(answers)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(next(script, b""))
            await writer.drain()
            await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1], heads


def raw(data: bytes = PNG, *, status: str = "200 OK", **headers: str) -> bytes:
    lines = {"content_type": "image/png", "content_length": str(len(data)), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + data


async def refused(fetcher: ImageFetcher, *urls: str) -> ImageFetchError:
    with pytest.raises(ImageFetchError) as caught:
        await fetcher.inline(asking(*urls), {})
    await fetcher.aclose()
    return caught.value
