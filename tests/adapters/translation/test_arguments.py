"""Where the arguments of a call end, as far as their text tells."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from adapters.translation.arguments import MOST_CHARACTERS, MOST_PIECES, are_cut, mended

CUT = '{"city": "Par'


@pytest.mark.parametrize(
    ("pieces", "cut"),
    [
        (("{}",), False),
        (('{"city": ', '"Paris"}'), False),
        (('{"city": "Par', "is"), True),
        (('{"cities": ["Paris"',), True),
        (("Paris",), False),  # no JSON, but nothing in it is open
        ((CUT,), True),
        ((CUT, "x" * MOST_CHARACTERS), False),  # too long to be looked at
        ((CUT, *"x" * MOST_PIECES), False),
    ],
)
def test_arguments_that_break_off_are_told_from_whole_ones(
    pieces: Sequence[str], cut: bool
) -> None:
    assert are_cut(pieces) is cut


def test_arguments_that_cannot_be_mended_stay_as_they_are() -> None:
    assert mended('{"text": "a\nb"}') == '{"text":"a\\nb"}'
    deep = "{}" + '{"a":' * 5000 + "1" + "}" * 5000
    for text in (deep, '{"text": "a\nb", "n": 123456789012345678901}', '{"text": "\n\\ud800"}'):
        assert mended(text) == text
