"""Tokens of `cl100k_base` -> text: some clients send tokens, and no provider takes any.

`cl100k.xz` is OpenAI's table, as tiktoken gives it (MIT): the length of each token in a byte, and
then all their bytes. It is read when the first tokens come.
"""

from __future__ import annotations

import functools
import lzma
from array import array
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

COUNT = 100_256


def text_of(tokens: Sequence[int]) -> str:
    """The text; what is cut within a character ends in a mark of that. Raises ValueError."""
    if min(tokens) < 0 or max(tokens) >= COUNT:
        raise ValueError
    table, ends = _table()
    return b"".join(table[ends[one] : ends[one + 1]] for one in tokens).decode(errors="replace")


@functools.lru_cache(maxsize=1)
def _table() -> tuple[bytes, array[int]]:
    """The bytes of all tokens, and where each of them begins."""
    packed = lzma.decompress(Path(__file__).with_name("cl100k.xz").read_bytes())
    return packed[COUNT:], array("I", accumulate(packed[:COUNT], initial=0))
