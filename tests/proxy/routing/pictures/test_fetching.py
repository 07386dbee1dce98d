"""Images by URL: what is fetched, and what becomes of the messages."""

from __future__ import annotations

import asyncio
from base64 import b64decode

import httpx
import pytest

from adapters.base import Json
from proxy.routing.pictures.fetching import ImageFetcher, ImageFetchError
from tests.proxy.routing.pictures.kit import (
    PNG,
    PUBLIC_IP,
    Recorder,
    asking,
    image,
    names,
    raw,
    serving,
    urls_of,
)

pytestmark = pytest.mark.anyio

SAMPLES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0 a photograph",
    "image/gif": b"GIF89a moves",
    "image/webp": b"RIFF\x10\x00\x00\x00WEBPVP8 small",
}


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


FILES = {
    "application/pdf": b"%PDF-1.7 \xff",
    "text/markdown": "# Grüße".encode(),
    "application/json": b"{}",
}


def asking_file(url: str, name: str | None = None) -> list[Json]:
    part = {"type": "file", "file": {"file_url": url, "filename": name}}
    return [{"role": "user", "content": [part]}]


@pytest.mark.parametrize("declared", FILES)
@pytest.mark.parametrize("images", [True, False])
async def test_a_file_becomes_a_data_uri_with_a_name(declared: str, images: bool) -> None:
    transport = Recorder(lambda _: image(FILES[declared], f"{declared}; charset=utf-8"))
    fetcher = ImageFetcher(resolve=names(), transport=transport)
    asked = asking_file("https://a.example/x/a%20b.pdf?v=1")
    [message] = await fetcher.inline(asked, {}, images=images)
    [part] = message["content"]
    prefix, _, payload = part["file"]["file_data"].partition(",")
    assert (prefix, b64decode(payload)) == (f"data:{declared};base64", FILES[declared])
    assert set(part["file"]) == {"file_data", "filename"} and part["file"]["filename"] == "a b.pdf"
    assert "application/pdf" in transport.requests[0].headers["accept"]
    named = await fetcher.inline(asking_file("https://a.example/", "Title"), {}, images=images)
    assert named[0]["content"][0]["file"]["filename"] == "Title"


@pytest.mark.parametrize(
    ("data", "declared"),
    [
        (PNG, "image/png"),
        (b"PK\x03\x04", "application/zip"),
        (b"a\x00b", "text/plain"),
        (b"\xff\xfe", "text/plain"),
        (b"<html>", ""),
    ],
)
async def test_what_is_no_document_is_refused_by_its_place(data: bytes, declared: str) -> None:
    fetcher = ImageFetcher(resolve=names(), transport=Recorder(lambda _: image(data, declared)))
    with pytest.raises(ImageFetchError, match="neither a PDF nor a text") as caught:
        await fetcher.inline(asking_file("https://a.example/a"), {})
    assert caught.value.param == "messages[0].content[0].file.file_url"
    assert caught.value.code == "invalid_file_url"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "data:text/plain,a", "", "http://a.example"])
async def test_a_file_is_fetched_by_the_rules_of_images(url: str) -> None:
    transport = Recorder(lambda _: image(b"%PDF-", "application/pdf"))
    fetcher = ImageFetcher(resolve=names(), transport=transport)
    with pytest.raises(ImageFetchError):
        await fetcher.inline(asking_file(url), {})
    private = ImageFetcher(resolve=names(a_example=["127.0.0.1"]), transport=transport)
    with pytest.raises(ImageFetchError):
        await private.inline(asking_file("https://a.example"), {})
    assert transport.requests == []


async def test_an_image_and_a_file_of_one_address_are_two_things() -> None:
    answers = {True: (b"%PDF-", "application/pdf"), False: (PNG, "image/png")}
    transport = Recorder(lambda asked: image(*answers["pdf" in asked.headers["accept"]]))
    fetcher = ImageFetcher(resolve=names(), transport=transport)
    url = "https://a.example/same"
    seen, read = await fetcher.inline([*asking(url)[1:], *asking_file(url)], {})
    assert seen["content"][1]["image_url"]["url"].startswith("data:image/png")
    assert read["content"][0]["file"]["file_data"].startswith("data:application/pdf")


async def test_an_image_that_may_go_as_it_is_is_not_fetched() -> None:
    transport = Recorder(lambda _: image())
    fetcher = ImageFetcher(resolve=names(), transport=transport)
    asked = asking("https://a.example/")
    assert await fetcher.inline(asked, {}, images=False) is asked
    assert transport.requests == []


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
