"""Forms as clients send them, and as nobody should."""

from __future__ import annotations

import contextlib

import httpx
import pytest
from hypothesis import given, strategies as st

from proxy.doors.frames.multipart import MAX_HEAD_BYTES, MAX_PARTS, Form, parse_form
from proxy.errors import ApiError

TYPE = b"multipart/form-data; boundary=xyz"
FILE = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nabc\r\n'
END = b"--xyz--\r\n"


def field(name: str, value: str = "v", more: str = "") -> bytes:
    head = f'--xyz\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'
    return head.encode()


def read_of(request: httpx.Request) -> Form:
    return parse_form(request.headers["content-type"].encode(), request.read())


def test_what_clients_send_is_read() -> None:
    data = bytes(range(256)) + b"\r\n--not-it\r\n--" + bytes(100)
    told = {"model": "m", "prompt": "ä\r\nb", "include[]": ["x", "y"]}
    file = ("Köln 1.wav", data, "audio/x-wav; rate=1")
    form = read_of(httpx.Request("POST", "http://x", data=told, files={"file": file}))

    assert form.all("model") == ["m"] and form.all("prompt") == ["ä\r\nb"]
    assert form.all("include") == ["x", "y"]
    assert (form.files["file"].name, form.files["file"].mime_type) == ("Köln 1.wav", "audio/x-wav")
    assert bytes(form.files["file"].data) == data


def test_of_a_path_its_last_part_is_the_files_name() -> None:
    for name in ("../a.wav", "/home/anna/a.wav", "C:\\\\a.wav"):
        assert (
            parse_form(TYPE, FILE.replace(b"a.wav", name.encode()) + END).files["file"].name
            == "a.wav"
        )


def test_a_form_may_be_empty_quoted_or_begin_late() -> None:
    assert parse_form(TYPE, END).fields == []
    quoted = parse_form(b'Multipart/Form-Data; Boundary="xyz"', b"hm\r\n" + field("a", "") + END)
    assert quoted.fields == [("a", "")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--xyz",
        b"--xyzz\r\n" + END,
        FILE,
        field("a") + b"--xyz\r\n",
        FILE + FILE + END,
        b"--xyz\r\nContent-Disposition: form-data\r\n\r\nv\r\n" + END,
        b"--xyz\r\nContent-Type: text/plain\r\n\r\nv\r\n" + END,
        b'--xyz\r\nContent-Disposition: attachment; name="a"\r\n\r\nv\r\n' + END,
        b"--xyz\r\nno colon\r\n\r\nv\r\n" + END,
        b"--xyz\r\nContent-Disposition: form-data; name=\xff\r\n\r\nv\r\n" + END,
        field("a" * 300) + END,
        field("a", more="\r\nX: " + "y" * MAX_HEAD_BYTES) + END,
        field("a", more="\r\nContent-Type: multipart/mixed; boundary=q") + END,
        field("a", more="\r\nContent-Disposition: form-data") + END,
        field("a") * (MAX_PARTS + 1) + END,
        field("a", "x" * 300_000) + END,
        b'--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n' + END,
        *(
            field("file", more=f'; filename="{name}"') + END
            for name in ("..", "a/", "a/..", "a\x00b", "x" * 300)
        ),
    ],
)
def test_what_is_no_good_form_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        parse_form(TYPE, body)

    assert caught.value.status == 400


@pytest.mark.parametrize("kind", [b"", b"multipart/form-data", b"multipart/form-data; boundary="])
def test_a_form_without_a_boundary_is_refused(kind: bytes) -> None:
    with pytest.raises(ApiError, match="boundary"):
        parse_form(kind, FILE + END)


PIECES = st.sampled_from([FILE, END, b"--xyz", b"\r\n", b"\r\n\r\n", field("a"), b"--", b"\x00"])


@given(st.lists(PIECES, max_size=8).map(b"".join))
def test_nothing_but_a_refusal_comes_of_any_bytes(body: bytes) -> None:
    with contextlib.suppress(ApiError):
        parse_form(TYPE, body)
