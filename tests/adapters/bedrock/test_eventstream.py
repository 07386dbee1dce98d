"""The event stream is read as AWS's SDK reads it, cut anywhere; what lies is caught at once."""

from __future__ import annotations

import random
import struct
import zlib

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings, strategies as st

from adapters.bedrock.eventstream import (
    MAX_HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    BrokenStreamError,
    Message,
    MessageDecoder,
)
from tests.adapters.bedrock.kit import BedrockKit
from tests.adapters.kit import ANSWERS
from tests.fakes.bedrock_wire import begin, event, framed, header, message, thrown

KIT = BedrockKit()
STREAM = KIT.frame(KIT.stream(ANSWERS["reasoning, then text"])) + thrown("x", "é\u2028")
ALL_TYPES = (
    header("text", "ü")
    + b"\x01a\x00\x01b\x01\x01c\x02\xff\x01d\x03\x00\x01\x01e\x04\x00\x00\x00\x01"
    + b"\x01f\x05\x00\x00\x00\x00\x00\x00\x00\x01\x01g\x06\x00\x02hi"
    + b"\x01h\x08\x00\x00\x00\x00\x00\x00\x00\x01\x01i\x09"
    + bytes(16)
)


def theirs(stream: bytes) -> list[Message]:
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    return [
        Message({k: v for k, v in one.headers.items() if isinstance(v, str)}, one.payload)
        for one in buffer
    ]


def ours(*pieces: bytes) -> list[Message]:
    decoder = MessageDecoder()
    return [one for piece in pieces for one in decoder.feed(piece)]


def test_messages_are_those_that_the_sdk_reads() -> None:
    stream = STREAM + framed(ALL_TYPES, b"\x00\xff") + framed(b"", b"")

    assert ours(stream) == theirs(stream)
    assert len(ours(stream)) > 10


def test_it_reads_the_same_cut_at_every_byte() -> None:
    whole = ours(STREAM)

    assert ours(*(bytes([byte]) for byte in STREAM)) == whole
    for at in range(len(STREAM)):
        assert ours(STREAM[:at], STREAM[at:]) == whole


def test_a_message_that_has_begun_is_known_to_be_missing() -> None:
    first = event({"messageStart": {"role": "assistant"}})
    for at in range(len(first) + 1):
        decoder = MessageDecoder()
        decoder.feed(first[:at])
        assert decoder.is_between == (at in (0, len(first)))


def test_one_wrong_bit_anywhere_is_an_error() -> None:
    first = event({"messageStart": {"role": "assistant"}})
    chance = random.Random(7)
    for at in range(len(first)):
        wrong = bytearray(first + first)
        wrong[at] ^= 1 << chance.randrange(8)
        with pytest.raises(BrokenStreamError):
            ours(bytes(wrong))


LIES = {
    "headers longer than the message": begin(40, 41),
    "no room for the checksums": begin(15, 0),
    "nothing at all": begin(0, 0),
    "huge headers": begin(16 + MAX_HEADER_BYTES + 1, MAX_HEADER_BYTES + 1),
    "a huge payload": begin(16 + MAX_PAYLOAD_BYTES + 1, 0),
    "as long as can be": begin(2**32 - 1, 0),
    "both as long as can be": begin(2**32 - 1, 2**32 - 1),
}


@pytest.mark.parametrize("start", LIES.values(), ids=LIES.keys())
def test_a_lie_about_lengths_is_caught_before_any_of_it_is_waited_for(start: bytes) -> None:
    with pytest.raises(BrokenStreamError):
        ours(start)


HEADERS = {
    "a name beyond the end": b"\xff:a",
    "no type": b"\x01a",
    "a type that nobody knows": b"\x01a\x0a",
    "a text beyond the end": b"\x01a\x07\xff\xff-",
    "no length": b"\x01a\x07\x00",
    "a number beyond the end": b"\x01a\x05\x00",
    "the same name twice": header("a", "1") + header("a", "2"),
    "no UTF-8": b"\x01a\x07\x00\x01\xff",
    "more of them than anyone needs": b"".join(header(str(n), "") for n in range(300)),
    "as many as there is room for": b"\x00\x00" * 60_000,
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS.keys())
def test_headers_that_cannot_be_read_are_an_error(headers: bytes) -> None:
    with pytest.raises(BrokenStreamError):
        ours(framed(headers, b"{}"))


def test_the_checksum_is_of_all_before_it() -> None:
    good = message({":message-type": "event"}, b"{}")
    only_payload = good[:-4] + struct.pack("!I", zlib.crc32(b"{}"))

    assert ours(good)[0].payload == b"{}"
    with pytest.raises(BrokenStreamError):
        ours(only_payload)


@given(data=st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_messages_or_one_error(data: bytes) -> None:
    try:
        ours(data)
    except BrokenStreamError:
        return
    assert len(data) < 12
