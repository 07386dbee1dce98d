"""Images by URL: what is never connected to."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from proxy.routing.pictures import fetching
from proxy.routing.pictures.fetching import ImageFetcher, by_system, is_public
from proxy.upstream.names import Names
from tests.proxy.routing.pictures.kit import (
    PUBLIC_IP,
    Recorder,
    asking,
    image,
    names,
    raw,
    refused,
    serving,
    urls_of,
)

pytestmark = pytest.mark.anyio

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
    "https://xn--a/",
    "https://xn--\u0378.example/",
]


async def looked_up(host: str, port: int) -> list[str]:
    known = {
        "inside.example": ["10.1.2.3"],
        "mixed.example": [PUBLIC_IP, "127.0.0.1"],
        "nothing.example": [],
        "good.example": [PUBLIC_IP],
    }
    return known[host] if host in known else await by_system(Names())(host, port)


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
        assert len(asked) == fetching.MAX_LOOKUPS
    found.set()
    assert urls_of(await fetcher.inline(asking("https://g.example/"), {}))
    assert len(transport.requests) == 1


async def test_a_request_is_no_way_to_call_on_everyone() -> None:
    transport = Recorder(lambda _: image())
    urls = [f"https://{at}.example/" for at in range(fetching.MAX_IMAGES + 1)]
    error = await refused(ImageFetcher(resolve=names(), transport=transport), *urls)
    assert error.param == f"messages[1].content[{fetching.MAX_IMAGES + 1}].image_url.url"
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
        ("2606:2800::5efe:7f00:1", False),
        ("2606:2800::200:5efe:10.0.0.1", False),
        ("2606:2800::5eff:7f00:1", True),
        ("3fff::1", False),
        ("5f00::1", False),
        ("fe80::1%eth0", False),
        ("nonsense", False),
    ],
)
def test_only_global_unicast_addresses_are_public(address: str, *, public: bool) -> None:
    assert is_public(address) is public
