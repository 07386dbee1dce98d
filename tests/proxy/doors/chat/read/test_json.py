"""A body's bytes: what is read as JSON, and the 400 where there is none."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from proxy.doors.chat.read import parse_request
from proxy.doors.reading import body as parse
from proxy.doors.reading.body import parse_json
from proxy.errors import ApiError


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"model": NaN}',
        b'{"model": Infinity}',
        b'{"model": "\xff"}',
        b'{"model": "\\ud800"}',
        b'{"model": "\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b"[]",
        b'"text"',
        b"null",
        b"1",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"a":' + b"[" * parse.MAX_DEPTH + b"]" * parse.MAX_DEPTH + b"}",
        b"{} {}",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        parse_json(body)

    assert (caught.value.status, caught.value.code) == (400, "invalid_json")


def test_nesting_up_to_the_limit_is_read() -> None:
    levels = parse.MAX_DEPTH - 1
    data = parse_json(b'{"a":' + b"[" * levels + b"]" * levels + b"}")

    assert isinstance(data["a"], list)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert parse_json(b'{"a":[' + b"[]," * 5000 + b'{"b":[1]}]}')["a"][-1] == {"b": [1]}


@pytest.mark.parametrize("digits", [19, 20, 400, 6000])
def test_a_huge_integer_is_read_or_refused(digits: int) -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"seed":%s}' % (b"9" * digits)

    with pytest.raises(ApiError) as caught:
        parse_request(parse_json(body))

    assert caught.value.status == 400


@given(st.binary())
def test_no_bytes_raise_anything_but_an_api_error(body: bytes) -> None:
    try:
        parse_request(parse_json(body))
    except ApiError as error:
        assert 400 <= error.status < 500
