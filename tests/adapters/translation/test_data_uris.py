"""What a `data:` URI holds is read as the standard library reads it, in steps."""

from __future__ import annotations

import base64
from itertools import product
from urllib.parse import unquote_to_bytes

import pytest

from adapters.translation import data_uris
from adapters.translation.data_uris import base64_of, plain_base64, read_data_uri, unquoted


def test_no_step_cuts_what_stands_for_a_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (3, 4, 5):
        monkeypatch.setattr(data_uris, "PIECE_BYTES", size)
        for signs in product("%4é", repeat=7):
            text = "".join(signs)
            assert unquoted(text) == unquote_to_bytes(text)


def test_no_step_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    def noted(text: str) -> bytes:
        steps.append(len(text))
        return unquote_to_bytes(text)

    monkeypatch.setattr(data_uris, "unquote_to_bytes", noted)
    found = read_data_uri("data:image/png," + "%41" * 300_000)
    assert found is not None and found.base64 == base64_of(b"A" * 300_000)
    assert max(steps) <= data_uris.PIECE_BYTES
    assert base64_of(bytes(range(256)) * 500) == base64.b64encode(bytes(range(256)) * 500).decode()


def test_what_fills_base64_up_is_little() -> None:
    assert [plain_base64(text) for text in ("QQ", "QQ=", "QQ===", "Q Q=\n=")] == ["QQ=="] * 4
    assert plain_base64("=" * 1000).endswith("=" * 900)  # as it is: whoever reads it refuses it
