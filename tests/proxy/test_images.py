"""Images by URL: what is fetched, and what is never connected to."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from adapters.base import Json
from proxy import images
from proxy.images import ImageFetcher, ImageFetchError, is_public

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n" + b"not really"
PUBLIC_IP = "93.184.215.14"

SAMPLES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0 a photograph",
    "image/gif": b"GIF89a moves",
    "image/webp": b"RIFF\x10\x00\x00\x00WEBPVP8 small",
}


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


# What is fetched


@pytest.mark.parametrize("media_type", SAMPLES)
async def test_a_public_image_becomes_a_data_uri(media_type: str) -> None:
    data = SAMPLES[media_type]
    transport = Recorder(lambda _: image(data, media_type))
    fetcher = ImageFetcher(resolve=names(), transport=transport)
    asked = asking("https://pictures.example/a?size=2#top")
    [url] = urls_of(await fetcher.inline(asked, {}))
    prefix, _, payload = url.partition(",")
    assert (prefix, b64decode(payload)) == (f"data:{media_type};base64", data)
    assert urls_of(asked) == ["https://pictures.example/a?size=2#top"]


async def test_the_request_goes_to_the_judged_address_under_the_original_name() -> None:
    transport = Recorder(lambda _: image())
    fetcher = ImageFetcher(resolve=names(), transport=transport)
    await fetcher.inline(asking("https://Pictures.Example/a?size=2#top"), {})
    [request] = transport.requests
    assert str(request.url) == f"https://{PUBLIC_IP}/a?size=2#top"
    assert request.url.raw_path == b"/a?size=2"
    assert request.headers["host"] == "pictures.example"
    assert request.extensions["sni_hostname"] == "pictures.example"
    assert request.headers["accept-encoding"] == "identity"
    assert not {"cookie", "authorization", "referer"} & set(request.headers)


async def test_messages_without_remote_images_are_returned_as_they_are() -> None:
    transport = Recorder(lambda _: image())
    fetcher = ImageFetcher(resolve=names(), transport=transport)
    asked = [*asking("data:image/png;base64,AAAA"), {"role": "assistant", "content": None}]
    assert await fetcher.inline(asked, {}) is asked
    assert transport.requests == []


async def test_what_is_no_image_part_is_left_alone() -> None:
    odd: list[object] = ["text", {"type": "image_url"}, {"type": "image_url", "image_url": {}}, 1]
    fetcher = ImageFetcher(resolve=names(), transport=Recorder(lambda _: image()))
    asked = [{"role": "user", "content": [*odd, asking("https://a.example/")[1]["content"][1]]}]
    [message] = await fetcher.inline(asked, {})
    assert message["content"][:4] == odd
    assert message["content"][4]["image_url"]["url"].startswith("data:image/png")


async def test_the_same_url_is_fetched_once_a_request() -> None:
    transport = Recorder(lambda _: image())
    fetcher = ImageFetcher(resolve=names(), transport=transport)
    cache: dict[str, str] = {}
    asked = asking("https://a.example/1", "https://a.example/2", "https://a.example/1")
    first = await fetcher.inline(asked, cache)
    again = await fetcher.inline(asked, cache)
    assert first == again
    assert sorted(str(request.url.path) for request in transport.requests) == ["/1", "/2"]


async def test_several_images_are_fetched_at_the_same_time() -> None:
    together = asyncio.Barrier(3)

    class Together(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await together.wait()
            return image()

    fetcher = ImageFetcher(resolve=names(), transport=Together())
    urls = [f"https://{name}.example/" for name in "abc"]
    assert len(urls_of(await fetcher.inline(asking(*urls), {}))) == 3


async def test_a_configured_host_may_be_private_and_plain_http_on_any_port() -> None:
    async with serving(raw(set_cookie="id=7"), raw()) as (port, heads):
        fetcher = ImageFetcher("nas.lan, LOCALHOST", resolve=names(nas_lan=["127.0.0.1"]))
        cached: dict[str, str] = {}
        for path in "ab":
            await fetcher.inline(asking(f"http://nas.lan:{port}/{path}"), cached)
        await fetcher.aclose()
    assert all(f"host: nas.lan:{port}\r\n".encode() in head.lower() for head in heads)
    assert not any(b"cookie" in head.lower() for head in heads)
    assert len(cached) == 2


async def test_the_next_address_is_tried_when_one_takes_no_connection() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host != PUBLIC_IP:
            raise httpx.ConnectError("no route")
        return image()

    resolve = names(two_example=["2600:1f18::1", PUBLIC_IP])
    transport = Recorder(answer)
    fetcher = ImageFetcher(resolve=resolve, transport=transport)
    await fetcher.inline(asking("https://two.example/"), {})
    assert [request.url.host for request in transport.requests] == ["2600:1f18::1", PUBLIC_IP]


# What is never connected to

HOSTILE = [
    "https://127.0.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://0/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://192.88.99.1/",
    "https://192.0.0.192/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.1/",
    "https://127.0.0.1./",
    "https://1.2.3.4.5/",
    "https://127。0。0。1/",
    "https://%31%32%37.0.0.1/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25lo]/",
    "https://[fc00::1]/",
    "https://[ff02::1]/",
    "https://[fec0::1]/",
    "https://localhost/",
    "https://LOCALHOST./",
    "https://good.example@127.0.0.1/",
    "https://user:pass@good.example/",
    "https://good.example\\@127.0.0.1/",
    "https:\\\\127.0.0.1/",
    "https://good.example/\r\nX-Evil: 1",
    "https://good.example/\x00",
    "https://good.example /",
    "https://good\u200b.example/",
    "https://good.example:22/",
    "https://good.example:99999/",
    "https://good.example:-1/",
    "https:///path",
    "https:",
    "https://..../",
    "http://good.example/",
    "HTTP://127.0.0.1/",
    " https://127.0.0.1/",
    "https://inside.example/",
    "https://mixed.example/",
    "https://nothing.example/",
    "https://" + "a" * 64 + ".example/",
    "https://a..example/",
]


async def looked_up(host: str, port: int) -> list[str]:
    known = {
        "inside.example": ["10.1.2.3"],
        "mixed.example": [PUBLIC_IP, "127.0.0.1"],
        "nothing.example": [],
        "good.example": [PUBLIC_IP],
    }
    return known[host] if host in known else await images.resolve_host(host, port)


@pytest.mark.parametrize("url", HOSTILE)
async def test_a_hostile_url_causes_no_connection(url: str) -> None:
    transport = Recorder(lambda _: image())
    error = await refused(ImageFetcher(resolve=looked_up, transport=transport), url)
    assert transport.requests == []
    assert error.param == "messages[1].content[1].image_url.url"
    assert error.message.startswith("The image was not fetched: ")


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "[::1]", "a@b"])
async def test_a_sentinel_on_loopback_sees_nobody_even_where_its_name_is_allowed(host: str) -> None:
    async with serving(raw()) as (port, heads):
        await refused(ImageFetcher("localhost"), f"http://{host}:{port}/")
    assert heads == []


@pytest.mark.parametrize("host", ["169.254.169.254", "2130706433", "localhost", "other.lan"])
async def test_a_redirect_is_judged_like_the_first_url(host: str) -> None:
    async with serving(raw()) as (sentinel, reached):
        moved = raw(b"", status="302 Found", location=f"http://{host}:{sentinel}/")
        async with serving(moved) as (port, heads):
            resolve = names(nas_lan=["127.0.0.1"], localhost=["127.0.0.1"], other_lan=["127.0.0.1"])
            error = await refused(
                ImageFetcher("nas.lan", resolve=resolve), f"http://nas.lan:{port}/"
            )
    assert (len(heads), reached) == (1, [])
    assert "only https" in error.message or "valid" in error.message


@pytest.mark.parametrize(("count", "ends_well"), [(3, True), (4, False)])
async def test_three_redirects_are_followed_and_a_fourth_is_not(
    count: int, *, ends_well: bool
) -> None:
    hops = iter([*(f"/{at}" for at in range(count)), None])

    def answer(_: httpx.Request) -> httpx.Response:
        to = next(hops)
        return httpx.Response(302, headers={"location": to}) if to else image()

    transport = Recorder(answer)
    fetcher = ImageFetcher(resolve=names(), transport=transport)
    if ends_well:
        assert await fetcher.inline(asking("https://a.example/"), {})
    else:
        assert "redirects" in (await refused(fetcher, "https://a.example/")).message
    assert len(transport.requests) == 4


async def test_names_that_hang_leave_room_for_other_lookups() -> None:
    """Looking up is done by a few threads for all, which nobody can call back."""
    asked: list[str] = []
    found = asyncio.Event()

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        await found.wait()
        return [PUBLIC_IP]

    transport = Recorder(lambda _: image())
    fetcher = ImageFetcher(resolve=resolve, transport=transport, timeout_s=0.05)
    for _ in range(2):
        error = await refused(fetcher, *(f"https://{name}.example/" for name in "abcdef"))
        assert "longer than" in error.message
        assert len(asked) == images.MAX_LOOKUPS
    found.set()
    assert urls_of(await fetcher.inline(asking("https://g.example/"), {}))
    assert len(transport.requests) == 1


async def test_a_request_is_no_way_to_call_on_everyone() -> None:
    transport = Recorder(lambda _: image())
    urls = [f"https://{at}.example/" for at in range(images.MAX_IMAGES + 1)]
    error = await refused(ImageFetcher(resolve=names(), transport=transport), *urls)
    assert error.param == f"messages[1].content[{images.MAX_IMAGES + 1}].image_url.url"
    assert transport.requests == []


async def test_a_name_that_answers_twice_differently_is_asked_once() -> None:
    answers = iter([[PUBLIC_IP], ["127.0.0.1"]])

    async def rebinding(host: str, port: int) -> list[str]:
        return next(answers)

    transport = Recorder(lambda _: image())
    fetcher = ImageFetcher(resolve=rebinding, transport=transport)
    await fetcher.inline(asking("https://rebind.example/1"), {})
    assert [request.url.host for request in transport.requests] == [PUBLIC_IP]
    await refused(fetcher, "https://rebind.example/2")
    assert len(transport.requests) == 1


async def test_off_fetches_nothing_and_says_what_to_do() -> None:
    transport = Recorder(lambda _: image())
    error = await refused(
        ImageFetcher("off", resolve=names(), transport=transport), "https://a.example/"
    )
    assert "POINTSMAN_FETCH_IMAGES" in error.message
    assert "data: URI" in error.message
    assert transport.requests == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        (PUBLIC_IP, True),
        ("2606:2800:21f:cb07::1", True),
        ("2001:4860:4860::8888", True),
        ("198.18.0.1", False),
        ("192.0.2.1", False),
        ("240.0.0.1", False),
        ("64:ff9b:1::1", False),
        ("2001:db8::1", False),
        ("3fff::1", False),
        ("5f00::1", False),
        ("fe80::1%eth0", False),
        ("nonsense", False),
    ],
)
def test_only_global_unicast_addresses_are_public(address: str, *, public: bool) -> None:
    assert is_public(address) is public


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
async def test_a_server_that_stalls_is_left(said: bytes) -> None:
    async with serving(said) as (port, heads):
        fetcher = ImageFetcher("127.0.0.1", timeout_s=0.5)
        error = await refused(fetcher, f"http://127.0.0.1:{port}/")
    assert "took longer" in error.message
    assert len(heads) == 1


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


def trusting(folder: Path) -> httpx.AsyncHTTPTransport:
    return httpx.AsyncHTTPTransport(
        verify=ssl.create_default_context(cafile=str(folder / "cert.pem"))
    )


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
