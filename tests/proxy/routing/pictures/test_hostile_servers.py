"""Images by URL: what a server may not do, and how it proves its name."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from proxy.routing.pictures.fetching import AT_ONCE, ImageFetcher
from proxy.upstream.transport import Transport
from tests.proxy.routing.pictures.kit import (
    PNG,
    Recorder,
    asking,
    image,
    names,
    raw,
    refused,
    serving,
)
from tests.proxy.upstream.calls import until

pytestmark = pytest.mark.anyio

# What a server may not do


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda: image(media_type="text/html"), "content type"),
        (lambda: image(media_type="image/svg+xml"), "content type"),
        (lambda: httpx.Response(200, content=PNG), "content type"),
        (lambda: image(b"<svg onload=alert(1)>"), "first bytes"),
        (lambda: image(b""), "first bytes"),
        (lambda: image(content_encoding="gzip"), "compressed"),
        (lambda: httpx.Response(404), "404"),
        (lambda: httpx.Response(302), "302"),
        (lambda: httpx.Response(302, headers={"location": "file:///etc/passwd"}), "web server"),
        (lambda: httpx.Response(302, headers={"location": "https://a\\b/"}), "characters"),
    ],
)
async def test_an_answer_that_is_no_image_is_refused(
    answer: Callable[[], httpx.Response], why: str
) -> None:
    fetcher = ImageFetcher(resolve=names(), transport=Recorder(lambda _: answer()))
    assert why in (await refused(fetcher, "https://a.example/")).message


async def test_an_image_is_cut_off_where_it_grows_too_large() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        yield PNG
        while True:
            read += 1
            yield b"\0" * 1024 * 1024

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "image/png"}, content=endless())

    error = await refused(
        ImageFetcher(resolve=names(), transport=Recorder(answer)), "https://a.example/"
    )
    assert "10 MiB" in error.message
    assert read == 10


async def test_the_images_of_a_request_have_a_limit_together() -> None:
    eight = PNG + b"\0" * 8 * 1024 * 1024
    fetcher = ImageFetcher(resolve=names(), transport=Recorder(lambda _: image(eight)))
    error = await refused(fetcher, *(f"https://a.example/{at}" for at in range(3)))
    assert "together" in error.message


@pytest.mark.parametrize("said", [b"", raw(content_length="1000")], ids=["nothing", "half of it"])
async def test_a_server_that_stalls_is_left(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    clock = loop.time
    async with serving(said) as (port, heads):
        fetcher = ImageFetcher("127.0.0.1", timeout_s=4)
        asked = asyncio.create_task(refused(fetcher, f"http://127.0.0.1:{port}/"))
        await until(lambda: bool(heads))
        monkeypatch.setattr(loop, "time", lambda: clock() + 4.5)
        error = await asked
    assert "took longer" in error.message
    assert len(heads) == 1


async def test_a_server_that_answers_in_crumbs_is_left() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ntransfer-encoding: chunked\r\n\r\n"
    crumbs = head + b"".join(b"1\r\n%c\r\n" % byte for byte in PNG) + b"1\r\nx\r\n" * 40_000
    early = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 200 + raw()
    async with serving(crumbs, early) as (port, heads):
        for _ in range(2):
            error = await refused(ImageFetcher("127.0.0.1"), f"http://127.0.0.1:{port}/")
            assert "reached safely" in error.message
    assert len(heads) == 2


async def test_one_request_holds_few_connections() -> None:
    class Counting(Recorder):
        now = most = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0)
            self.now -= 1
            return await super().handle_async_request(request)

    transport = Counting(lambda _: image())
    fetcher = ImageFetcher(resolve=names(), transport=transport)
    assert await fetcher.inline(asking(*(f"https://a.example/{at}" for at in range(50))), {})
    assert len(transport.requests) == 50
    assert 1 < transport.most <= AT_ONCE


@pytest.mark.parametrize("failure", [OSError("resolver: 10.0.0.53"), httpx.ReadError("secret")])
async def test_a_failure_beneath_is_told_in_our_own_words(failure: Exception) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise failure

    error = await refused(
        ImageFetcher(resolve=names(), transport=Recorder(answer)), "https://a.example/"
    )
    assert "could not be reached" in error.message
    assert str(failure) not in str(error)


async def test_the_first_bad_image_of_several_is_named() -> None:
    transport = Recorder(lambda _: image())
    fetcher = ImageFetcher(resolve=names(), transport=transport)
    error = await refused(fetcher, "https://a.example/", "http://b.example/")
    assert error.param == "messages[1].content[2].image_url.url"


# TLS


def certificate(folder: Path, name: str) -> ssl.SSLContext:
    """A server's context with a certificate for `name` that nobody has signed, made by openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: no certificate to test with")
    ask = f"{openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    said = [*ask.split(), "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    out = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*said, *out], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def trusting(folder: Path) -> Transport:
    return Transport(ssl_context=ssl.create_default_context(cafile=str(folder / "cert.pem")))


async def test_tls_asks_for_and_verifies_the_name_and_not_the_address(tmp_path: Path) -> None:
    asked: list[str | None] = []
    tls = certificate(tmp_path, "nas.lan")
    tls.sni_callback = lambda _, name, __: asked.append(name)
    async with serving(raw(), tls=tls) as (port, _):
        fetcher = ImageFetcher(
            "nas.lan", resolve=names(nas_lan=["127.0.0.1"]), transport=trusting(tmp_path)
        )
        await fetcher.inline(asking(f"https://nas.lan:{port}/"), {})
        await fetcher.aclose()
    assert asked == ["nas.lan"]


@pytest.mark.parametrize(
    ("host", "trusted"), [("other.lan", True), ("127.0.0.1", True), ("nas.lan", False)]
)
async def test_a_certificate_that_does_not_prove_the_name_is_refused(
    tmp_path: Path, host: str, *, trusted: bool
) -> None:
    async with serving(raw(), tls=certificate(tmp_path, "nas.lan")) as (port, heads):
        fetcher = ImageFetcher(
            host,
            resolve=names(**{host.replace(".", "_"): ["127.0.0.1"]}),
            transport=trusting(tmp_path) if trusted else None,
        )
        error = await refused(fetcher, f"https://{host}:{port}/")
    assert "certificate" in error.message
    assert heads == []
