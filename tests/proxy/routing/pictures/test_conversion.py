"""Pictures that a provider does not take are repainted, or refused by name; types follow bytes."""

from __future__ import annotations

import io
from base64 import b64decode, b64encode
from collections.abc import Sequence
from subprocess import SubprocessError
from typing import Any

import pytest
from msgspec.structs import replace
from PIL import Image

from adapters.base import AdapterError, Capabilities, ErrorKind, Json
from proxy.routing.pictures import conversion, repaint
from proxy.routing.pictures.conversion import MAX_REPAINTED, Album, Painter, fitted
from proxy.routing.pictures.kinds import kind_of
from tests.proxy.kit import EVERYTHING, adapter
from tests.proxy.routing.kit import Station

pytestmark = pytest.mark.anyio

HEIC = (
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAXxtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAA"
    "AAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABoAABAAAAAAAAADMAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABo"
    "dmMxAAAAAA5waXRtAAAAAAABAAAA/GlwcnAAAADcaXBjbwAAAHVodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEA"
    "GEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQApQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqrprm4CGgwIAAAAyAAAAD"
    "AIRiAAEABkQBwXPBiQAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAChjbGFwAAAACAAAAAEA"
    "AAAGAAAAAf///8gAAAAC////xgAAAAIAAAAQcGl4aQAAAAADCAgIAAAAGGlwbWEAAAAAAAAAAQABBYECAwWEAAAAO21k"
    "YXQAAAAvKAGvEyFkY0D1JyL//2q6n/rQWf9v9lhZ3K6AwVvy+sD2ZJvA86qRnoCHaacwFXg="
)
PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
PNG_ONLY = replace(EVERYTHING, image_types=frozenset(("image/png", "image/jpeg")))
STRICT = replace(PNG_ONLY, tries_images=False)
SIZE = (8, 6)


def drawn(form: str, mode: str = "RGB", color: Any = (200, 30, 30), **how: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, SIZE, color).save(out, form, **how)
    return out.getvalue()


def uri(data: bytes, said: str = "image/png") -> str:
    return f"data:{said};base64,{b64encode(data).decode()}"


PICTURES = {
    "gif": drawn("GIF"),
    "webp": drawn("WEBP"),
    "bmp": drawn("BMP"),
    "tiff": drawn("TIFF"),
    "heic": b64decode(HEIC),
}


def asking(*urls: str) -> list[Json]:
    parts: list[Json] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return [{"role": "user", "content": [{"type": "text", "text": "?"}, *parts]}]


def urls_of(messages: Sequence[Json]) -> list[str]:
    return [part["image_url"]["url"] for part in messages[0]["content"][1:]]


async def sent(url: str, can: Capabilities, painter: Painter, album: Album | None = None) -> str:
    north = adapter("north")
    north.script.abilities = can
    messages = await fitted(asking(url), north, "m", album or Album(), painter)
    return urls_of(messages)[0]


def repainted(url: str) -> Image.Image:
    picture = Image.open(io.BytesIO(b64decode(url.partition(",")[2])))
    picture.load()
    return picture


async def test_a_child_repaints_what_is_not_taken() -> None:
    album = Album()
    url = await sent(uri(PICTURES["heic"]), STRICT, Painter(), album)

    picture = repainted(url)
    assert (picture.format, picture.size, kind_of(url)) == ("PNG", SIZE, "image/png")
    red, green, _ = picture.convert("RGB").getpixel((4, 3))  # type: ignore[misc] # it has three
    assert red > 150 > 90 > green
    assert album.words == ["changed=image_url.type"]


def test_every_kind_is_repainted_and_keeps_what_is_seen_through() -> None:
    for kind, data in PICTURES.items():
        made = repaint.repainted(data)
        assert made[:1] == b"0", kind
        assert Image.open(io.BytesIO(made[1:])).size == SIZE, kind
    clear = repaint.repainted(drawn("WEBP", "RGBA", (1, 2, 3, 0)))
    seen = Image.open(io.BytesIO(clear[1:]))
    assert (seen.format, seen.mode) == ("PNG", "RGBA")
    assert seen.getchannel("A").getextrema() == (0, 0)


def test_only_the_first_frame_of_what_moves_is_left() -> None:
    frames = [Image.new("RGB", SIZE, color) for color in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])

    made = repaint.repainted(out.getvalue())

    assert made[:1] == b"1"
    assert Image.open(io.BytesIO(made[1:])).convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def test_a_photograph_stands_upright_and_is_no_larger_than_is_looked_at() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    made = repaint.repainted(drawn("WEBP", exif=turned.tobytes()))
    assert Image.open(io.BytesIO(made[1:])).size == SIZE[::-1]

    out = io.BytesIO()
    Image.new("RGB", (8000, 4000)).save(out, "WEBP", method=0)
    large = Image.open(io.BytesIO(repaint.repainted(out.getvalue())[1:]))
    assert large.format == "JPEG"
    assert repaint.MOST_PIXELS * 0.99 < large.width * large.height <= repaint.MOST_PIXELS


def test_what_is_no_picture_or_too_large_or_of_another_kind_is_not_read() -> None:
    bomb = bytearray(drawn("BMP"))
    bomb[18:26] = (30_000).to_bytes(4, "little") + (30_000).to_bytes(4, "little")
    for data in (b"", b"GIF89a", bytes(bomb), drawn("PPM"), drawn("PNG")):
        with pytest.raises(Exception):  # noqa: B017 - whatever Pillow has for it
            repaint.repainted(data)


NOTHING = Painter(has=lambda _: None)
GIF = uri(PICTURES["gif"], "image/gif")


class Brush:
    """A child that paints the same whatever it gets; it may fail."""

    def __init__(self, made: bytes = b"1" + drawn("PNG"), *, fails: bool = False) -> None:
        self.calls = 0
        self.made = made
        self.fails = fails

    def __call__(self, _script: str, _data: bytes) -> bytes:
        self.calls += 1
        if self.fails:
            raise SubprocessError
        return self.made


async def test_the_declared_type_follows_the_bytes() -> None:
    for said in ("image/jpeg", "image/jpg", "IMAGE/WEBP", "application/octet-stream", ""):
        for can in (EVERYTHING, STRICT):
            url = await sent(uri(drawn("PNG"), said), can, NOTHING)
            assert url == uri(drawn("PNG"), "image/png"), said


async def test_what_is_as_it_should_be_or_no_picture_stays_the_same() -> None:
    for url in (PNG, "https://a.example/b.gif", "data:application/pdf;base64,JVBERi0xLjc="):
        messages = asking(url)
        north = adapter("north")
        north.script.abilities = STRICT
        assert await fitted(messages, north, "m", Album(), NOTHING) is messages


async def test_without_the_library_it_is_refused_by_name_or_tried_where_that_may_do() -> None:
    with pytest.raises(AdapterError) as caught:
        await sent(GIF, STRICT, NOTHING)
    error = caught.value
    assert (error.kind, error.was_sent) == (ErrorKind.UNSUPPORTED, False)
    assert error.param == "messages[0].content[1].image_url"
    assert "GIF" in error.message and "--extra images" in error.message
    assert await sent(GIF, PNG_ONLY, NOTHING) == GIF
    assert await sent(uri(PICTURES["gif"]), PNG_ONLY, NOTHING) == GIF


async def test_what_cannot_be_repainted_is_refused_by_name() -> None:
    for brush in (Brush(fails=True), Brush(b""), Brush(b"0no picture")):
        with pytest.raises(AdapterError, match="no GIF pictures; and this one could not be"):
            await sent(GIF, STRICT, Painter(child=brush))


async def test_a_picture_is_repainted_once_for_all_providers() -> None:
    brush, album = Brush(), Album()
    for _ in range(3):
        await sent(GIF, PNG_ONLY, Painter(child=brush), album)

    assert brush.calls == 1
    assert album.words[:2] == ["changed=image_url.type", "dropped=image_url.frames"]


async def test_the_next_turn_of_a_talk_finds_its_pictures_repainted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    brush = Brush()
    painter = Painter(child=brush)
    first = await sent(GIF, PNG_ONLY, painter)
    assert await sent(GIF, PNG_ONLY, painter) == first
    assert brush.calls == 1

    monkeypatch.setattr(conversion, "MAX_KEPT_BYTES", len(first))
    for data in (PICTURES["bmp"], PICTURES["gif"]):
        await sent(uri(data), PNG_ONLY, painter)
    assert brush.calls == 3


async def test_a_request_has_so_many_repainted_and_no_more() -> None:
    brush, north = Brush(), adapter("north")
    north.script.abilities = PNG_ONLY
    longer = (PICTURES["gif"] + bytes(number) for number in range(MAX_REPAINTED + 3))
    urls = [uri(data, "image/gif") for data in longer]

    told = urls_of(await fitted(asking(*urls), north, "m", Album(), Painter(child=brush)))

    assert brush.calls == MAX_REPAINTED
    assert told[MAX_REPAINTED:] == urls[MAX_REPAINTED:]


async def test_who_takes_it_answers_in_place_of_who_does_not() -> None:
    station = Station({name: adapter(name) for name in ("north", "south")})
    station.router._images.painter = NOTHING
    station.adapters["north"].script.abilities = STRICT

    await station.ask(messages=asking(GIF))
    assert station.calls() == [0, 1]
    error = await station.refused("north/m", messages=asking(GIF))
    assert (error.status, error.code) == (400, "unsupported_feature")
    assert "takes no GIF pictures" in error.message


async def test_what_was_changed_is_told_of_the_provider_that_answered() -> None:
    station = Station({name: adapter(name) for name in ("north", "south")})
    station.router._images.painter = Painter(child=Brush())
    station.adapters["north"].script.abilities = STRICT

    await station.ask("north/m", messages=asking(GIF))
    assert station.receipt.warnings == ["changed=image_url.type", "dropped=image_url.frames"]
    refusal = AdapterError(ErrorKind.SERVER, "broke", provider="north")
    station.play("north", [refusal])
    await station.ask(messages=asking(GIF))
    assert station.receipt.warnings == []
