"""A body read off ASGI, with every limit held while reading."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from adapters.wire.json_size import read_bytes
from proxy.errors import ApiError
from proxy.gate import body
from proxy.gate.body import COPIES, LIGHT_BYTES, ClientLeft, read_body, request_id
from proxy.gate.room import SMALL_BODY_BYTES

pytestmark = pytest.mark.anyio


def headers(**given: str) -> dict[bytes, bytes]:
    return {name.replace("_", "-").encode(): value.encode() for name, value in given.items()}


def receiver(*messages: dict[str, Any]) -> Any:
    left = deque(messages)

    async def receive() -> dict[str, Any]:
        return left.popleft()

    return receive


def piece(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": data, "more_body": more}


async def test_pieces_are_joined() -> None:
    receive = receiver(piece(b"a", more=True), piece(b"", more=True), piece(b"b"))

    assert await read_body(headers(), receive) == b"ab"


async def test_a_body_may_be_empty() -> None:
    assert await read_body(headers(), receiver({"type": "http.request"})) == b""


@pytest.mark.parametrize("sent", [(), (piece(b"half", more=True),)], ids=["nothing", "half"])
async def test_a_client_that_leaves_is_told_apart(sent: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(ClientLeft):
        await read_body(headers(), receiver(*sent, {"type": "http.disconnect"}))


async def test_a_told_size_above_the_limit_is_refused_unread() -> None:
    too_much = headers(content_length=str(body.MAX_BODY_BYTES + 1))

    with pytest.raises(ApiError) as caught:
        await read_body(too_much, receiver())

    assert (caught.value.status, caught.value.code) == (413, "request_too_large")
    assert (b"connection", b"close") in caught.value.headers()


async def test_a_size_that_grows_above_the_limit_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body, "MAX_BODY_BYTES", 5)
    receive = receiver(piece(b"abc", more=True), piece(b"def", more=True))

    with pytest.raises(ApiError) as caught:
        await read_body(headers(), receive)

    assert caught.value.status == 413


async def test_a_body_of_exactly_the_limit_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "MAX_BODY_BYTES", 6)

    assert await read_body(headers(content_length="6"), receiver(piece(b"abcdef"))) == b"abcdef"


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip"])
async def test_a_compressed_body_is_refused(encoding: str) -> None:
    with pytest.raises(ApiError) as caught:
        await read_body(headers(content_encoding=encoding), receiver())

    assert (caught.value.status, caught.value.code) == (415, "unsupported_encoding")


async def test_a_body_that_says_it_is_not_compressed_is_read() -> None:
    assert await read_body(headers(content_encoding="Identity"), receiver(piece(b"a"))) == b"a"


@pytest.mark.parametrize("given", ["req-1", "a" * 128, "0f/x:y"])
def test_the_clients_request_id_is_kept(given: str) -> None:
    assert request_id(headers(x_request_id=given)) == given.encode()


@pytest.mark.parametrize("given", ["", "a" * 129, "two words", "a\r\nb", "é", "\x00"], ids=ascii)
def test_an_id_that_is_no_plain_word_is_replaced(given: str) -> None:
    found = request_id(headers(x_request_id=given))

    assert found.startswith(b"req_") and len(found) == 28


def test_every_request_without_an_id_gets_one_of_its_own() -> None:
    assert request_id(headers()) != request_id(headers())


def test_what_is_light_takes_no_more_than_a_small_body_whatever_it_holds() -> None:
    for mark in (b"[", b"{", b",", b"a"):
        assert read_bytes(mark * LIGHT_BYTES) // COPIES <= SMALL_BODY_BYTES, mark
